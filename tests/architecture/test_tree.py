"""Rules of the tree that no import contract can state, read from the sources."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conftest import CHECKOUT

MAX_LINES = 400
# A module with fewer lines belongs in its importer, if it has one importer.
MIN_LINES = 60
PACKAGES = ("chassis", "services", "gateway")
# Small modules with one importer that stay: why.
SMALL_MODULES: dict[str, str] = {}


def sources(*packages: str) -> list[Path]:
    """Our own Python files, relative to the checkout: tracked or new, without what is generated or ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *packages],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return [Path(name) for name in listed if name.endswith(".py") and (CHECKOUT / name).exists()]


def offenders(*packages: str, wrong: Callable[[ast.AST], bool], allowed: tuple[str, ...]) -> list[str]:
    """Places `file:line` where a node of the syntax tree is wrong, outside the files where it is allowed."""
    return [
        f"{path}:{node.lineno}"
        for path in sources(*packages)
        if not any(path.is_relative_to(place) for place in allowed)
        for node in walk(path)
        if wrong(node)
    ]


def walk(path: Path) -> Iterator[ast.expr | ast.stmt]:
    """Every expression and statement of a file."""
    for node in ast.walk(ast.parse((CHECKOUT / path).read_text())):
        if isinstance(node, ast.expr | ast.stmt):
            yield node


def attribute_of(node: ast.AST, owners: set[str], names: set[str]) -> bool:
    """Whether a node is `owner.name`, the owner itself a name or an attribute."""
    if not isinstance(node, ast.Attribute) or node.attr not in names:
        return False
    owner = node.value
    return getattr(owner, "id", None) in owners or getattr(owner, "attr", None) in owners


def importers() -> dict[Path, set[Path]]:
    """For each module of ours: the files that import it."""
    files = sources(*PACKAGES)
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in files}
    found: dict[Path, set[Path]] = {path: set() for path in files}
    for path in files:
        for node in ast.walk(ast.parse((CHECKOUT / path).read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                if name in modules and modules[name] != path:
                    found[modules[name]].add(path)
    return found


def small_modules() -> dict[str, str]:
    """Modules with few lines and one importer, and that importer.

    A package's `__init__` collects its modules, and a module that is named by a string ("package.module:name")
    is imported on demand: neither is a reason to fold the module.
    """
    named_by_string = set(re.findall(r'"([\w.]+):\w+"', "".join((CHECKOUT / path).read_text() for path in importers())))
    return {
        str(path): str(importer)
        for path, files in importers().items()
        if path.name not in ("__init__.py", "__main__.py") and len(files) == 1
        for importer in files
        if importer != path.parent / "__init__.py"
        and len((CHECKOUT / path).read_text().splitlines()) < MIN_LINES
        and ".".join(path.with_suffix("").parts) not in named_by_string
    }


def test_no_module_is_longer_than_a_reader_can_hold():
    ours = [path for path in sources(*PACKAGES, "tests", "bench") if "versions" not in path.parts]
    lines = {str(path): len((CHECKOUT / path).read_text().splitlines()) for path in ours}
    assert not {path: count for path, count in lines.items() if count > MAX_LINES}


def test_a_small_module_with_one_importer_is_part_of_its_importer():
    small = small_modules()
    allowed = set(SMALL_MODULES)
    assert not {path: importer for path, importer in small.items() if path not in allowed}
    assert not set(SMALL_MODULES) - set(small), "exceptions that are none any more"


def test_only_the_database_module_commits():
    def commits(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"

    # An index has no transaction of ours: its commit makes a batch visible.
    assert not offenders(*PACKAGES, wrong=commits, allowed=("chassis/db.py", "services/catalog/index"))


def test_a_services_database_is_opened_with_what_its_manifest_says_of_its_tables():
    def opens(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Database"

    # On SQLite a database that was opened otherwise would let every institution read every row.
    assert not offenders(*PACKAGES, wrong=opens, allowed=("chassis/migrate.py", "chassis/testing.py"))


def test_only_the_clock_asks_what_time_it_is():
    def asks(node: ast.AST) -> bool:
        return attribute_of(node, {"datetime", "date"}, {"now", "utcnow", "today"})

    assert not offenders(*PACKAGES, wrong=asks, allowed=("chassis/clock.py",))


def test_only_the_settings_read_the_environment():
    def reads(node: ast.AST) -> bool:
        return attribute_of(node, {"os"}, {"environ", "getenv", "putenv"})

    # The worker must set PSYCOPG_WAIT_FUNC before anything else is imported.
    assert not offenders(*PACKAGES, wrong=reads, allowed=("chassis/settings.py", "chassis/bus/nameko.py"))


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


def test_every_module_states_its_purpose():
    undocumented = [
        str(path)
        for path in sources(*PACKAGES)
        if (CHECKOUT / path).read_text().strip() and ast.get_docstring(ast.parse((CHECKOUT / path).read_text())) is None
    ]
    assert not undocumented
