"""Rules for the source tree that import contracts cannot express."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT

MAX_LINES = 400
# A module with fewer lines belongs in its importer, if it has one importer.
MIN_LINES = 60
PACKAGES = ("chassis", "services", "gateway")
# Small modules with one importer that may stay, and the reason.
SMALL_MODULES: dict[str, str] = {}


def sources(*packages: str) -> list[Path]:
    """The Python files of these packages, tracked or new, relative to the checkout; without ignored files."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *packages],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return [Path(name) for name in names if name.endswith(".py") and (CHECKOUT / name).exists()]


def offenders(
    *packages: str, words: set[str], is_offender: Callable[[ast.AST], bool], allowed_paths: tuple[str, ...]
) -> list[str]:
    """BranchDirectory `file:line` of offending nodes of the syntax tree, outside the allowed paths.

    words  one of them is in the text of each offending node, so that other files need not be parsed
    """
    return [
        f"{path}:{node.lineno}"
        for path in sources(*packages)
        if not any(path.is_relative_to(allowed_path) for allowed_path in allowed_paths)
        and any(word in text_of(path) for word in words)
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.expr | ast.stmt) and is_offender(node)
    ]


@cache
def text_of(path: Path) -> str:
    """The text of a file."""
    return (CHECKOUT / path).read_text()


@cache
def syntax_tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(text_of(path))


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement in a node, without the expressions, which are most of a syntax tree."""
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(node, block, ()):
            yield inner
            yield from statements(inner)


@pytest.fixture(scope="module", autouse=True)
def _trees() -> Iterator[None]:
    """Keep the trees for the tests of this module only."""
    yield
    syntax_tree.cache_clear()
    text_of.cache_clear()


def attribute_of(node: ast.AST, owners: set[str], names: set[str]) -> bool:
    """Return True for a node `owner.name`, where the owner is a name or an attribute."""
    if not isinstance(node, ast.Attribute) or node.attr not in names:
        return False
    owner = node.value
    return getattr(owner, "id", None) in owners or getattr(owner, "attr", None) in owners


def importers() -> dict[Path, set[Path]]:
    """For each module of the packages, the files that import it."""
    files = sources(*PACKAGES)
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in files}
    importing: dict[Path, set[Path]] = {path: set() for path in files}
    for path in files:
        for node in statements(syntax_tree(path)):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                if name in modules and modules[name] != path:
                    importing[modules[name]].add(path)
    return importing


def small_modules() -> dict[str, str]:
    """Modules with fewer than MIN_LINES lines and one importer, and that importer.

    The `__init__` of a package does not count as importer. A module that is named by a string
    ("package.module:name") may be small, as it is imported on demand.
    """
    importing = importers()
    named_by_string = set(re.findall(r'"([\w.]+):\w+"', "".join((CHECKOUT / path).read_text() for path in importing)))
    return {
        str(path): str(importer)
        for path, files in importing.items()
        if path.name not in ("__init__.py", "__main__.py") and len(files) == 1
        for importer in files
        if importer != path.parent / "__init__.py"
        and len((CHECKOUT / path).read_text().splitlines()) < MIN_LINES
        and ".".join(path.with_suffix("").parts) not in named_by_string
    }


def test_no_module_is_too_long():
    paths = [path for path in sources(*PACKAGES, "tests", "bench") if "versions" not in path.parts]
    lines = {str(path): len((CHECKOUT / path).read_text().splitlines()) for path in paths}
    assert not {path: count for path, count in lines.items() if count > MAX_LINES}


def test_a_small_module_with_one_importer_is_part_of_its_importer():
    small = small_modules()
    exceptions = set(SMALL_MODULES)
    assert not {path: importer for path, importer in small.items() if path not in exceptions}
    assert not set(SMALL_MODULES) - set(small), "unnecessary exceptions"


def test_only_the_database_module_commits():
    def is_commit(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"

    # The commit of an index makes a batch visible and is no transaction.
    assert not offenders(
        *PACKAGES,
        words={"commit"},
        is_offender=is_commit,
        allowed_paths=("chassis/database/db.py", "services/catalog/index"),
    )


def test_the_database_of_a_service_is_opened_with_the_tables_of_its_manifest():
    def is_database(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Database"

    # On SQLite any other way to open a database would let every institution read every row.
    assert not offenders(
        *PACKAGES,
        words={"Database"},
        is_offender=is_database,
        allowed_paths=("chassis/migrations/migrate.py", "chassis/operations/testing.py"),
    )


def test_only_the_clock_reads_the_time():
    names = {"now", "utcnow", "today"}

    def reads_time(node: ast.AST) -> bool:
        return attribute_of(node, {"datetime", "date"}, names)

    assert not offenders(*PACKAGES, words=names, is_offender=reads_time, allowed_paths=("chassis/clock.py",))


def test_only_the_settings_read_the_environment():
    names = {"environ", "getenv", "putenv"}

    def reads_environment(node: ast.AST) -> bool:
        return attribute_of(node, {"os"}, names)

    # The worker must set PSYCOPG_WAIT_FUNC before anything else is imported, the entry point PYTHONSAFEPATH, and
    # prometheus_client reads its folder from PROMETHEUS_MULTIPROC_DIR.
    allowed_paths = (
        "chassis/settings.py",
        "chassis/bus/nameko.py",
        "chassis/cli/entrypoint.py",
        "chassis/metrics/shared.py",
    )
    assert not offenders(*PACKAGES, words=names, is_offender=reads_environment, allowed_paths=allowed_paths)


def test_only_the_corpus_reads_files_beside_the_checkout():
    def leaves(node: ast.AST) -> bool:
        return attribute_of(node, {"CHECKOUT"}, {"parent", "parents"}) or getattr(node, "value", None) == "CORPUS"

    # `.ci/run` repeats in a bare clone only the tests that import it.
    assert not offenders(
        "tests",
        "bench",
        words={"CHECKOUT.parent", "CORPUS"},
        is_offender=leaves,
        allowed_paths=("tests/corpus", "tests/architecture"),
    )


def test_only_the_output_module_prints():
    def prints(node: ast.AST) -> bool:
        if attribute_of(node, {"typer", "click"}, {"echo", "secho"}) or attribute_of(node, {"sys"}, {"stderr"}):
            return True
        return isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("print", "Console")

    # Any other way to print would send the control characters of a record to the terminal.
    assert not offenders(
        *PACKAGES,
        words={"echo", "stderr", "print", "Console"},
        is_offender=prints,
        allowed_paths=("chassis/output.py", "chassis/metrics/telemetry.py"),
    )


def test_no_package_is_empty():
    files = sources(*PACKAGES)
    packages = {path.parent for path in files if path.name == "__init__.py"}
    empty = [
        str(package)
        for package in packages
        if not any(path.is_relative_to(package) and path != package / "__init__.py" for path in files)
        and not (CHECKOUT / package / "__init__.py").read_text().strip()
    ]
    assert not empty


def test_every_module_has_a_docstring():
    undocumented = [
        str(path)
        for path in sources(*PACKAGES)
        if (CHECKOUT / path).read_text().strip() and ast.get_docstring(syntax_tree(path)) is None
    ]
    assert not undocumented
