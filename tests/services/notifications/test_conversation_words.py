"""Words that the library answers by itself, in the forms that people write, and callbacks that are not understood."""

from __future__ import annotations

import pytest

from chassis.errors import Invalid
from services.notifications.conversations.callbacks import read_callback
from services.notifications.conversations.words import HELP, LOANS, RENEW, STOP, read_word


@pytest.mark.parametrize(
    ("text", "name", "language"),
    [
        ("PINJAMAN", LOANS, "id"),
        ("pinjman", LOANS, "id"),
        ("Pinjaman saya?", LOANS, "id"),
        ("my loans", LOANS, "en"),
        ("Perpanjng ya kak!", RENEW, "id"),
        ("saya mau perpanjang 🙏", RENEW, "id"),
        ("RENEW ALL please", RENEW, "en"),
        ("Berhenti.", STOP, "id"),
        ("berenti", STOP, "id"),
        ("unsubscribe", STOP, "en"),
        ("bantuan", HELP, "id"),
        ("HELP", HELP, "en"),
    ],
)
def test_words_are_read_as_people_write_them(text: str, name: str, language: str) -> None:
    word = read_word(text)
    assert word is not None
    assert (word.name, word.language) == (name, language)


@pytest.mark.parametrize(
    "text",
    ["", "halo", "buku apa yang bagus?", "Bisa perpanjang Laskar Pelangi saja, yang lain tidak?", "terima kasih", "😀",
     "jangan berhenti kirim ya, saya suka", "stop press baru terbit kapan"],
)  # fmt: skip
def test_a_message_of_more_than_one_word_is_read_by_staff(text: str) -> None:
    assert read_word(text) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'"x"', b"{}", b'{"entry": 1}', b'{"entry": [{"changes": [{"value": []}]}]}', b"[" * 10_000,
     b'{"entry": [{"changes": [{"value": {"messages": [{"from": "x"}], "statuses": [{"id": 1}, 7]}}]}]}'],
)  # fmt: skip
def test_a_signed_callback_that_is_not_understood_says_nothing(body: bytes) -> None:
    try:
        assert read_callback(body) == ([], [])
    except Invalid:
        assert body[:1] != b"{"
