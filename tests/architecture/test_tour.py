"""Every file and every name in docs/tour.md exists."""

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
def test_a_file_and_name_of_the_tour_exist(path: str, name: str):
    tree = ast.parse((CHECKOUT / path).read_text())
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    assert not name or name in names


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", TOUR))
def test_a_link_of_the_tour_is_a_file_or_folder(link: str):
    assert (CHECKOUT / "docs" / link).exists()
