"""Places in lists and their cursors."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.context import READER
from chassis.db import Database
from chassis.errors import Invalid
from services.catalog.browse.lists import browse
from services.catalog.browse.positions import KINDS, Position, position_from_cursor, position_of
from services.catalog.index.port import Index

REFUSED = (
    ({"kind": "colour"}, "BROWSE_KIND_UNKNOWN"),
    ({"kind": "author", "term": "x" * 201}, "TERM_TOO_LONG"),
    ({"kind": "author", "before": 51}, "LIMIT_OUT_OF_BOUNDS"),
    ({"kind": "author", "after": 51}, "LIMIT_OUT_OF_BOUNDS"),
    ({"kind": "author", "cursor": "bukan"}, "CURSOR_FOREIGN"),
    ({"kind": "author", "cursor": "WzEsMiwzLDRd"}, "CURSOR_FOREIGN"),
    ({"kind": "author", "cursor": "é" * 3000}, "CURSOR_FOREIGN"),
)


def test_what_cannot_be_listed_is_refused_by_name(database: Database, index: Index) -> None:
    for asked, reason in REFUSED:
        with pytest.raises(Invalid, match=reason):
            browse(database, index, context=READER, **asked)  # type: ignore[arg-type]


@given(st.sampled_from(KINDS), st.text(max_size=200), st.text(max_size=200), st.booleans())
def test_a_cursor_leads_to_its_place(kind: str, sort: str, tie: str, back: bool) -> None:
    place = Position(kind, sort.replace("\x00", ""), tie.replace("\x00", ""), back, past=True)
    assert position_from_cursor(str(place)) == place


@given(st.text(max_size=300))
def test_any_text_is_a_cursor_or_is_refused(text: str) -> None:
    with suppress(Invalid):
        assert str(position_from_cursor(text))


def test_terms_are_folded_as_lists_are() -> None:
    assert position_of("author", "Qur'ān, A.").sort == "quran a"
    assert position_of("call_number", "813.5 NAV") != position_of("author", "813.5 NAV")
