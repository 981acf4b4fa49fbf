"""The real MARC sets and the published schemas: read from the folder of CORPUS, in addition to the generated files."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Final

from tests.corpus.files import DamagedFile, MarcFile

CHECKOUT: Final = Path(__file__).resolve().parents[2]
# Part of the folder -> what the tests read there.
PARTS: Final = {
    "marc/utf8": "5,902 sound records",
    "marc/nasty": "24 files of damaged records",
    "messages/cql": "120 queries of cql-java",
    "schemas": "the published schemas of MODS, Dublin Core, MARCXML and Atom",
}


def folder() -> Path:
    """The folder of CORPUS; by default the data folder that developers have next to the checkout."""
    path = os.environ.get("CORPUS")
    return Path(path).resolve() if path else CHECKOUT.parent / "shared" / "data"


def sound_files() -> list[MarcFile]:
    """Real files of sound records in ISO 2709 and UTF-8; none without the folder."""
    return [MarcFile(path.stem, path.read_bytes) for path in sorted((folder() / "marc" / "utf8").glob("*.mrc"))]


def damaged_names() -> set[str]:
    """Every file in the real sets that is damaged; empty without the folder."""
    return {str(path.relative_to(_nasty())) for path in _nasty().rglob("*") if path.is_file()}


def judged_names() -> set[str]:
    """The files that nasty.toml judges; empty without the folder."""
    return set(_judgements())


def damaged_files() -> list[DamagedFile]:
    """Real files of damaged records, with the results that nasty.toml expects; none without the folder."""
    return [
        DamagedFile(
            name=name.removesuffix(".mrc"),
            read=(_nasty() / name).read_bytes,
            form="marc" if name.endswith(".mrc") else "marcxml",
            loaded=row["loaded"],
            put_aside=row["put_aside"],
            warned=row.get("warned", {}),
            framed=name.endswith(".mrc"),
        )
        for name, row in _judgements().items()
    ]


def _nasty() -> Path:
    return folder() / "marc" / "nasty"


def _judgements() -> dict[str, Any]:
    if not _nasty().is_dir():
        return {}
    return tomllib.loads((Path(__file__).parent / "nasty.toml").read_text())


def schema(name: str) -> Path | None:
    """A published schema, such as `oai/oai_dc.xsd`; None without the folder."""
    path = folder() / "schemas" / name
    return path if path.is_file() else None


def cql_examples() -> dict[str, tuple[str, str]]:
    """Name -> a query and its XCQL, or the parser's error where the authors expect one; empty without the folder."""
    queries = sorted((folder() / "messages" / "cql").rglob("*.cql"))
    return {
        f"{path.parent.name}/{path.stem}": (path.read_text().rstrip("\n"), path.with_suffix(".xcql").read_text())
        for path in queries
    }


def report() -> str:
    """One line for the end of a test run: which real sets were read, and which tests were left out."""
    absent = [purpose for part, purpose in PARTS.items() if not (folder() / part).is_dir()]
    if not absent:
        return f"corpus: our own, and the real sets in {folder()}"
    return f"corpus: our own; left out, because they are not in {folder()} (CORPUS): {', '.join(absent)}"
