"""Sentences are looked up by reason, in both languages."""

from __future__ import annotations

import pickle
import subprocess
import sys

from chassis.errors import Invalid, Refusal, Refused
from chassis.sentences import LocalText, sentence

RAISED = """
import sys
from chassis.errors import NotFound
error = NotFound("SERVICE_UNKNOWN", given="x", known="catalog")
assert "tomllib" not in sys.modules
assert "x" in error.sentence.id
assert "tomllib" in sys.modules
"""


def test_sentences_are_read_on_first_use() -> None:
    assert subprocess.run([sys.executable, "-c", RAISED], timeout=60).returncode == 0


def test_a_sentence_of_an_unknown_reason_is_the_reason() -> None:
    assert sentence("REASON_WITHOUT_SENTENCE") == LocalText("REASON_WITHOUT_SENTENCE", "REASON_WITHOUT_SENTENCE")


def test_a_placeholder_without_a_fact_stays() -> None:
    assert sentence("BOOK_NOT_FOUND").en == "There is no book {book}."


def test_braces_in_a_fact_are_text() -> None:
    assert sentence("BOOK_NOT_FOUND", book="{x.__class__}").en == "There is no book {x.__class__}."


def test_a_fact_in_two_languages_is_filled_in_by_language() -> None:
    text = sentence("BOOK_NOT_FOUND", book=LocalText("Navis", "by Navis"))
    assert text == LocalText("Tidak ada buku Navis.", "There is no book by Navis.")


def test_an_error_with_several_refusals_has_all_sentences() -> None:
    error = Refused(refusals=(Refusal("LIMIT_REACHED", limit=3), Refusal("MEMBER_BLOCKED", open=1)))
    assert error.reason == "LIMIT_REACHED"
    assert error.reasons == {"LIMIT_REACHED", "MEMBER_BLOCKED"}
    assert error.sentence.en == "The limit of 3 loans is reached. The member is blocked (1 open)."


def test_an_error_can_be_pickled() -> None:
    copy = pickle.loads(pickle.dumps(Invalid("BOOK_NOT_FOUND", book="Navis")))
    assert (type(copy), copy.facts, copy.sentence.en) == (Invalid, {"book": "Navis"}, "There is no book Navis.")
