"""docs/new-field.md works in a copy of the checkout: a field of a member comes through the API and the pages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.architecture import recipe
from tests.conftest import CHECKOUT

RECIPE = CHECKOUT / "docs" / "new-field.md"
MOST_FILES = 8
ON_PAGES = """
from tests.web.test_member_pages import clerk, desk, register  # noqa: F401


def test_reading_interests_are_on_the_form_and_the_page(desk):
    path = register(desk, name="Upik Minat", interests="sejarah, silat")
    assert "Reading interests" in desk.text and "sejarah, silat" in desk.text
    assert desk.open(f"{path}/edit").xpath("//input[@name='interests']/@value") == ["sejarah, silat"]
"""


def test_a_field_of_a_member_touches_few_files() -> None:
    paths = {block.path for block in recipe.blocks(RECIPE)}
    assert len(paths) <= MOST_FILES, sorted(paths)


def test_the_field_comes_through_the_api_and_the_pages(tmp_path: Path) -> None:
    folder = recipe.copy_checkout(tmp_path / "checkout")
    recipe.copy_bytecode(folder)
    (folder / ".venv").symlink_to(CHECKOUT / ".venv")
    recipe.follow(folder, RECIPE)
    (folder / "tests/web/test_interests.py").write_text(ON_PAGES)
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "interests",
               "tests/gateway/test_members.py", "tests/web/test_interests.py"]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=folder,
        env={**environment, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "2 passed" in done.stdout
