"""The words with an automatic answer: PINJAMAN, PERPANJANG, BERHENTI, BANTUAN, and their usual misspellings."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from difflib import SequenceMatcher

LOANS, RENEW, STOP, HELP = "PINJAMAN", "PERPANJANG", "BERHENTI", "BANTUAN"

# Word -> language of the answer -> forms; messages of the library use the first form.
_FORMS: dict[str, dict[str, tuple[str, ...]]] = {
    LOANS: {"id": ("pinjaman", "pinjam", "peminjaman", "cek pinjaman"), "en": ("loans", "loan")},
    RENEW: {
        "id": ("perpanjang", "perpanjangan", "perpanjang semua"),
        "en": ("renew", "renewal", "extend", "renew all"),
    },
    STOP: {"id": ("berhenti", "stop", "setop"), "en": ("unsubscribe", "stop all", "opt out")},
    HELP: {"id": ("bantuan", "bantu", "tolong", "menu"), "en": ("help", "info")},
}
# fmt: off
_POLITE = frozenset((
    "ya", "yah", "dong", "kak", "kakak", "min", "admin", "pak", "bu", "mas", "mbak", "mohon", "minta", "saya", "aku",
    "mau", "ingin", "bisa", "please", "pls", "my", "the", "i", "want", "to",
))
# fmt: on
_NOT_WORD = re.compile(r"[^a-z ]+")
# Allows one or two typing errors in a long word; short words are too similar to each other.
_LEAST_LIKENESS = 0.8
_LEAST_LETTERS = 5
_MOST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word, and its language."""

    name: str
    language: str


def read_word(text: str) -> Word | None:
    """Return the word of a message with few other words; None if staff should read the message.

    Case, punctuation, polite words and a typing error are ignored: "Perpanjng ya kak!" is PERPANJANG.
    """
    folded = unicodedata.normalize("NFKD", text[:200].casefold())
    letters = _NOT_WORD.sub(" ", "".join(mark for mark in folded if not unicodedata.combining(mark)))
    words = [word for word in letters.split() if word not in _POLITE]
    if not 0 < len(words) <= _MOST_WORDS:
        return None
    phrase = " ".join(words)
    for name, language, form in _all_forms():
        if phrase == form:
            return Word(name, language)
    if len(words) > 1:
        return None
    likeness, name, language = max(
        (SequenceMatcher(None, phrase, form).ratio(), name, language)
        for name, language, form in _all_forms()
        if len(form) >= _LEAST_LETTERS
    )
    return Word(name, language) if likeness >= _LEAST_LIKENESS and len(phrase) >= _LEAST_LETTERS - 1 else None


def _all_forms() -> list[tuple[str, str, str]]:
    return [
        (name, language, form)
        for name, languages in _FORMS.items()
        for language, forms in languages.items()
        for form in forms
    ]
