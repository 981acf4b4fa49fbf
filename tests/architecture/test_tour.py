"""Places that docs/tour.md names exist: each file, and each name in its file."""

from __future__ import annotations

import ast
import re

import pytest

from tests.conftest import CHECKOUT

TOUR = (CHECKOUT / "docs" / "tour.md").read_text()
PLACES = re.findall(r"^\| [^|]+\? \| `([^`]+)`(?: · `([^`]+)`)? \|$", TOUR, re.MULTILINE)


def test_the_tour_answers_twenty_questions():
    assert len(PLACES) == 20


@pytest.mark.parametrize(("path", "name"), PLACES, ids=[path for path, _ in PLACES])
def test_a_place_of_the_tour_exists(path: str, name: str):
    tree = ast.parse((CHECKOUT / path).read_text())
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    assert not name or name in names


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", TOUR))
def test_a_link_of_the_tour_leads_to_a_file_or_folder(link: str):
    assert (CHECKOUT / "docs" / link).exists()
