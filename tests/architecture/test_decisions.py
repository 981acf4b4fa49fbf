"""Decisions are numbered without gaps, and their index names each one."""

from __future__ import annotations

import re

from tests.conftest import CHECKOUT

FOLDER = CHECKOUT / "docs" / "adr"


def test_decisions_are_numbered_without_gaps_under_their_own_numbers() -> None:
    pages = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
    assert [page.name[:4] for page in pages] == [f"{number:04}" for number in range(1, len(pages) + 1)]
    for page in pages:
        assert page.read_text(encoding="utf-8").startswith(f"# {page.name[:4]} · "), page.name


def test_the_index_links_to_each_decision() -> None:
    entries = re.findall(r"^\| \[(\d{4})\]\((\S+)\)", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for _number, name in entries] == sorted(path.name for path in FOLDER.glob("[0-9]*.md"))
    assert all(name.startswith(number) for number, name in entries)
