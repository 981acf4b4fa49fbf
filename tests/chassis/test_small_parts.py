"""Errors, URLs, ids, the clock, the context and how threads alternate."""

from __future__ import annotations

import sys
import time
from uuid import UUID

import pytest

from chassis.context import Context
from chassis.cursors import moment, read_cursor, write_cursor
from chassis.errors import Error, Invalid, NotFound, TooLate, error_for
from chassis.gc_tuning import take_short_turns
from chassis.ids import new_id, parse_id
from chassis.sentences import LocalText
from chassis.urls import open_url


def test_an_error_has_a_sentence_in_both_languages_with_its_facts() -> None:
    problem = NotFound("BOOK_NOT_FOUND", book="Navis")
    assert problem.sentence == LocalText("Tidak ada buku Navis.", "There is no book Navis.")
    assert problem.facts == {"book": "Navis"}
    assert problem.http_status == 404


def test_a_text_falls_back_to_the_other_language() -> None:
    assert LocalText("", "only English").in_language("id") == "only English"
    assert LocalText("hanya Indonesia", "").in_language("en") == "hanya Indonesia"


def test_errors_are_found_by_their_code() -> None:
    assert error_for("NOT_FOUND") is NotFound
    assert error_for("DATA_LOSS") is Error


def test_an_unknown_scheme_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(Invalid) as refusal:
        open_url("ampq://host", {"amqp": "x:y", "local": "x:y"})
    assert "Did you mean amqp:?" in refusal.value.sentence.en


def test_an_adapter_is_imported_only_when_it_is_chosen() -> None:
    adapter = open_url("plain:somewhere", {"plain": "builtins:str", "broken": "no.such.module:x"})
    assert adapter == "plain:somewhere"


def test_ids_sort_by_their_time() -> None:
    identifiers = [new_id() for _ in range(50)]
    assert identifiers == sorted(identifiers)
    assert all(identifier.version == 7 for identifier in identifiers)


def test_an_invalid_id_is_refused_and_shortened() -> None:
    with pytest.raises(Invalid) as refusal:
        parse_id("x" * 1000)
    assert refusal.value.reason == "ID_NOT_READABLE"
    assert len(refusal.value.facts["given"]) == 80


def test_a_cursor_with_a_moment_before_the_first_year_is_refused() -> None:
    with pytest.raises(Invalid, match="CURSOR_INVALID"):
        read_cursor(write_cursor("loans", "0001-01-01T00:00:00+07:00"), "loans", moment)


def test_an_id_is_read_in_upper_case() -> None:
    assert parse_id("01890A5D-AC96-774B-BCCE-B302099A8057") == UUID("01890a5d-ac96-774b-bcce-b302099a8057")


def test_a_context_stops_at_its_deadline() -> None:
    Context().check_deadline()
    Context(deadline=time.monotonic() + 60).check_deadline()
    with pytest.raises(TooLate):
        Context(deadline=time.monotonic() - 1).check_deadline()


def test_threads_of_a_process_that_serves_take_turns_five_times_as_often() -> None:
    before = sys.getswitchinterval()
    try:
        take_short_turns()
        assert sys.getswitchinterval() <= before / 5
    finally:
        sys.setswitchinterval(before)
