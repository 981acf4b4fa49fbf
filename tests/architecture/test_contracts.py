"""The import contracts of .importlinter hold, and they find a new module outside the layers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import CHECKOUT

LINT_IMPORTS = str(Path(sys.executable).with_name("lint-imports"))


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter on a tree, without the cache of another tree."""
    return subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)


def copy_of_the_tree(folder: Path) -> Path:
    """Copy the four root packages and the contracts."""
    for package in ("chassis", "services", "gateway", "rangkiang"):
        shutil.copytree(CHECKOUT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(CHECKOUT / ".importlinter", folder)
    return folder


def test_every_import_contract_holds():
    result = lint(CHECKOUT)
    assert result.returncode == 0, result.stdout[-4000:]


def test_a_utils_module_and_a_forbidden_import_fail_the_build(tmp_path):
    tree = copy_of_the_tree(tmp_path)
    (tree / "services" / "catalog" / "utils.py").write_text('"""Helpers."""\n')
    (tree / "gateway" / "clients.py").open("a").write("\nimport sqlalchemy\n")
    result = lint(tree)
    assert result.returncode != 0
    assert "services.catalog.utils" in result.stdout
    assert "gateway.clients -> sqlalchemy" in result.stdout
