"""Marked words of a brief record."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog.search.highlight import highlights, marks_for
from services.catalog.search.query.parser import parse

BRIEF: dict[str, Any] = {
    "title": "Robohnya Surau Kami",
    "authors": ["Navis, A. A.", "Hamka"],
    "summary": "Penulis-penulis Minangkabau & Qurʾan <b>",
    "year": 1956,
}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("surau", {"title": ["Robohnya ", "Surau", " Kami"]}),
        ("robohnya surau", {"title": ["", "Robohnya Surau", " Kami"]}),
        ("judul:navis", {}),
        ("penulis:navis", {"authors": ["", "Navis", ", A. A.; Hamka"]}),
        ("tulisan", {"summary": ["", "Penulis", "-", "penulis", " Minangkabau & Qurʾan <b>"]}),
        ("minang", {"summary": ["Penulis-penulis ", "Minangkabau", " & Qurʾan <b>"]}),
        ("quran", {"summary": ["Penulis-penulis Minangkabau & ", "Qurʾan", " <b>"]}),
        ('"surau kami"', {"title": ["Robohnya ", "Surau Kami", ""]}),
        ("-surau", {}),
        ("tahun:1956", {}),
        ("", {}),
    ],
)
def test_matching_words_are_every_second_piece(query: str, expected: dict[str, list[str]]) -> None:
    assert highlights(marks_for(parse(query)), BRIEF) == expected


@given(st.text(max_size=60), st.text(alphabet="ab é-'ʾ日<", max_size=40))
def test_the_pieces_joined_are_the_text(query: str, title: str) -> None:
    for pieces in highlights(marks_for(parse(query + " a*")), {"title": title}).values():
        assert "".join(pieces) == title
        assert len(pieces) % 2 == 1
        assert all(pieces[1::2])
