"""Follows a recipe of docs/: copies the checkout and writes the recipe's files into the copy."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import CHECKOUT

RECIPE = CHECKOUT / "docs" / "new-service.md"
# A file's name in bold, and its block.
_BLOCK = re.compile(r"^\*\*`(?P<path>[^`]+)`\*\*\n\n```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A file to write, or with kind "diff" lines to change in a file."""

    path: str
    kind: str
    text: str


def blocks(recipe: Path = RECIPE) -> list[Block]:
    """The blocks of a recipe in order."""
    return [Block(**match.groupdict()) for match in _BLOCK.finditer(recipe.read_text())]


def copy_checkout(folder: Path) -> Path:
    """Copy the tracked and new files into a new repository."""
    output = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, output.split("\0")):
        if (CHECKOUT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, folder / name)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def copy_environment(folder: Path) -> None:
    """Give a copy of the checkout the same environment, bytecode and caches of linters."""
    copy_bytecode(folder)
    for cache in (".mypy_cache", ".import_linter_cache"):
        if (CHECKOUT / cache).is_dir():
            shutil.copytree(CHECKOUT / cache, folder / cache)
    for environment in (".venv", ".uv"):
        (folder / environment).symlink_to(CHECKOUT / environment)


def copy_bytecode(folder: Path) -> None:
    """Give the sources of a copy or clone the times of the checkout's, and their bytecode, which names these times.

    To compile them again takes longer than most tests.
    """
    for package in ("chassis", "gateway", "rangkiang", "services", "tests"):
        for compiled in (CHECKOUT / package).rglob("__pycache__/*.pyc"):
            source = compiled.relative_to(CHECKOUT).parents[1] / f"{compiled.name.partition('.')[0]}.py"
            if (folder / source).is_file():
                shutil.copystat(CHECKOUT / source, folder / source)
                target = folder / compiled.relative_to(CHECKOUT)
                target.parent.mkdir(exist_ok=True)
                shutil.copy2(compiled, target)


def follow(folder: Path, recipe: Path = RECIPE) -> None:
    """Write every block of a recipe into a copy of the checkout, and generate the code of `proto/`."""
    for block in blocks(recipe):
        path = folder / block.path
        if block.kind == "diff":
            path.write_text(_with_changes(path.read_text(), block))
        else:
            assert not path.exists(), f"{block.path} is there already"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
    # Like `make proto`, but without installing the environment.
    subprocess.run([".ci/proto", "generate"], cwd=folder, check=True, timeout=60)


def _with_changes(text: str, block: Block) -> str:
    """Replace the `-` lines of the block by its `+` lines; append the `+` lines when there are no others."""
    lines = block.text.splitlines(keepends=True)
    assert all(line[0] in "+- " for line in lines), f"{block.path}: a line of a diff begins with +, - or a space"
    old_lines = "".join(line[1:] for line in lines if line[0] != "+")
    new_lines = "".join(line[1:] for line in lines if line[0] != "-")
    if not old_lines:
        return text + new_lines
    assert text.count(old_lines) == 1, (
        f"{block.path} has these lines {text.count(old_lines)} times, not once:\n{old_lines}"
    )
    return text.replace(old_lines, new_lines)
