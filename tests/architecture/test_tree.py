"""Rules of the house that no import contract can state, read off the sources."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.conftest import CHECKOUT

LONGEST_FILE_LINES = 400
ROOMS = ("chassis", "services", "gateway")


def sources(*rooms: str) -> list[Path]:
    """Python files of our own, relative to the checkout: tracked or new, without what is generated or ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *rooms],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return [Path(name) for name in listed if name.endswith(".py") and (CHECKOUT / name).exists()]


def offenders(*rooms: str, wrong: Callable[[ast.AST], bool], allowed: tuple[str, ...]) -> list[str]:
    """Places `file:line` where a node of the syntax tree is wrong, outside the files where it is allowed."""
    return [
        f"{path}:{node.lineno}"
        for path in sources(*rooms)
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


def test_no_file_of_ours_is_longer_than_a_reader_can_hold():
    ours = [path for path in sources(*ROOMS, "tests", "bench") if "versions" not in path.parts]
    lines = {str(path): len((CHECKOUT / path).read_text().splitlines()) for path in ours}
    assert not {path: count for path, count in lines.items() if count > LONGEST_FILE_LINES}


def test_only_the_database_module_commits():
    def commits(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "commit"

    # An index has no transaction of ours: its commit makes a batch visible.
    assert not offenders(*ROOMS, wrong=commits, allowed=("chassis/db.py", "services/catalog/index"))


def test_a_services_database_is_opened_with_what_its_manifest_says_of_its_tables():
    def opens(node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Database"

    # On SQLite a database that was opened otherwise would let every institution read every row.
    assert not offenders(*ROOMS, wrong=opens, allowed=("chassis/migrate.py", "chassis/testing.py"))


def test_only_the_clock_asks_what_time_it_is():
    def asks(node: ast.AST) -> bool:
        return attribute_of(node, {"datetime", "date"}, {"now", "utcnow", "today"})

    assert not offenders(*ROOMS, wrong=asks, allowed=("chassis/clock.py",))


def test_only_the_settings_read_the_environment():
    def reads(node: ast.AST) -> bool:
        return attribute_of(node, {"os"}, {"environ", "getenv", "putenv"})

    # The worker must set PSYCOPG_WAIT_FUNC before anything else is imported.
    assert not offenders(*ROOMS, wrong=reads, allowed=("chassis/settings.py", "chassis/bus/nameko.py"))


def test_no_package_is_empty():
    files = sources(*ROOMS)
    packages = {path.parent for path in files if path.name == "__init__.py"}
    empty = [
        str(package)
        for package in packages
        if not any(path.is_relative_to(package) and path != package / "__init__.py" for path in files)
        and not (CHECKOUT / package / "__init__.py").read_text().strip()
    ]
    assert not empty


def test_every_module_says_what_it_is_for():
    silent = [
        str(path)
        for path in sources(*ROOMS)
        if (CHECKOUT / path).read_text().strip() and ast.get_docstring(ast.parse((CHECKOUT / path).read_text())) is None
    ]
    assert not silent
