"""Writes docs/licences.md: every package of uv.lock with its licence.  usage: python -m tests.architecture.licences

The licence is what the package's own metadata states. The environment must have been installed from the lock.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from tests.conftest import CHECKOUT

PAGE = CHECKOUT / "docs" / "licences.md"
PROJECT = "rangkiang"
# Packages whose metadata names no licence, or only a family; read in the licence file of each.
READ_IN_LICENCE_FILE = {
    "axe-playwright-python": "MIT",
    "jinja2": "BSD-3-Clause",
    "mock": "BSD-2-Clause",
    "pymarc": "BSD-2-Clause",
    "pyrage": "MIT",
}
# Packages of the lock for other systems, or for `make fuzz` alone: they are not installed where the page is made.
NOT_INSTALLED = {"atheris": "Apache-2.0", "colorama": "BSD-3-Clause"}
HEAD = """\
# Licences of the dependencies

Made by `make licences` from uv.lock and the metadata of the installed packages; a test compares the page with uv.lock.
"Product" is what `rangkiang` needs to run, and what the container image has; "development" is what only tests and lint
need, and is not distributed.

Word lists of the search, whose heads state origin and licence in full; all may be used, changed and sold:

- [words_id.txt](../services/catalog/analysis/words_id.txt): Tesseract's Indonesian data 4.1.0, words of public pages;
  Apache-2.0.
- [words_en.txt](../services/catalog/analysis/words_en.txt): SCOWL to size 60, as in Debian wamerican; the permissive
  licence of SCOWL, whose sources are in the public domain or permit the same.
- [regions.txt](../services/catalog/analysis/regions.txt): names of regions, public facts;
  [vocabulary.txt](../services/catalog/analysis/vocabulary.txt) and
  [reader_words.txt](../services/catalog/record/reader_words.txt): all written for this project, Apache-2.0.

The page `/docs` is [Swagger UI](../gateway/web/viewer/LICENSE) from the npm package swagger-ui-dist, unchanged;
Apache-2.0, and its file [swagger-ui-bundle.js.LICENSE.txt](../gateway/web/viewer/swagger-ui-bundle.js.LICENSE.txt)
lists the licences of its parts. The other npm packages of [tests/clients](../tests/clients/package.json) are for
development.

| package | version | licence | needed by |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Package:
    """A package of the lock."""

    name: str
    version: str
    is_product: bool


def packages() -> list[Package]:
    """The packages of uv.lock without the project itself, by name."""
    locked = {package["name"]: package for package in tomllib.loads((CHECKOUT / "uv.lock").read_text())["package"]}
    product = set(_closure(locked, PROJECT))
    return [Package(name, locked[name]["version"], name in product) for name in sorted(locked) if name != PROJECT]


def _closure(locked: dict[str, Any], project: str) -> Iterator[str]:
    """Yield the project and every package that it needs at run time, of any system."""
    waiting, visited = [(project, ())], set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in visited:
            continue
        visited.add((name, extras))
        yield name
        package = locked[name]
        needed = list(package.get("dependencies", ()))
        for extra in extras:
            needed += package.get("optional-dependencies", {}).get(extra, ())
        waiting += [(item["name"], tuple(item.get("extra", ()))) for item in needed]


def licence(name: str) -> str:
    """The licence of an installed package: its SPDX expression, else its classifiers, else its text."""
    if name in READ_IN_LICENCE_FILE or name in NOT_INSTALLED:
        return READ_IN_LICENCE_FILE.get(name) or NOT_INSTALLED[name]
    fields = metadata.metadata(name)
    expression = fields.get("License-Expression")
    if expression:
        return expression
    text = (fields.get("License") or "").strip()
    if text and text != "UNKNOWN" and "\n" not in text:
        return text
    classifiers = [line for line in fields.get_all("Classifier") or () if line.startswith("License :: ")]
    names = [line.rpartition(" :: ")[2] for line in classifiers]
    if not names:
        raise LookupError(f"{name} states no licence: read its licence file and add it to READ_IN_LICENCE_FILE")
    return ", ".join(names)


def page() -> str:
    """The text of docs/licences.md."""
    rows = [
        f"| {package.name} | {package.version} | {licence(package.name)} "
        f"| {'product' if package.is_product else 'development'} |\n"
        for package in packages()
    ]
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page())
    print(f"{PAGE.relative_to(CHECKOUT)}: {len(packages())} packages")
