"""Words that readers and librarians do not use are not in what people see: pages, sentences, help of commands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

import pytest

from gateway.web.texts import wording
from tests.architecture.test_sentences import PACKAGES, ROOT

# A pattern, what is written instead, and why. CONTRIBUTING.md has the glossary; these were once on pages.
RETIRED: dict[str, list[tuple[str, str]]] = {
    "id": [
        (r"\btelusur", "Jelajahi: telusur is the librarians' word for a search in depth, readers browse"),
        (r"\b(saring|penyaring)", "Filter, Hapus: as in every shop and library that readers know"),
        (r"\brekaman\b(?! suara)", "cantuman: a rekaman is a recording"),
        (r"\bbita\b", "byte"),
        (r"\bdiska(nya)?\b", "disk"),
        (r"\bpapan tik\b", "keyboard"),
        (r"\bbongkar", "ekstrak: what file managers call it"),
        (r"\bkena skorsing\b", "diskors"),
        (r"\bpenunjuk halaman\b", "penanda halaman: one word for a cursor"),
        (r"\b(menyisihkan|disisihkan)\b", "menolak, ditolak: as in reports of imports"),
        (r"\btajuk if-", "header: tajuk is a heading of the catalogue"),
        (r"(?<!nomor )\btelepon anda\b", "ponsel Anda: telepon is a number to call"),
        (r"\buntuk pembaca\b", "Sasaran pembaca: the term of RDA in Indonesian"),
        (r"\bkosakata pustaka\b", "kosakata perpustakaan: pustaka alone is a software library"),
        (r"\bklik di sini\b", "the name of what the link opens"),
    ],
    "en": [
        (r"(?<!there )\bis no (?!longer)", "is not a …"),
        (r"\b(there|known) are: ", "Available: …, Known: …"),
        (r"\bput aside\b", "rejected"),
        (r"\b(take|takes|taken|took) \w* ?back\b", "return"),
        (r"\bnowhere\b", "not … anywhere"),
        (r"\bwish(es|ed)?\b", "preference, request"),
        (r"\bwalk (the|this|along the) shelf\b", "Browse the shelf"),
        (r"\bkeep (my|this|the) choice\b", "Save"),
        (r"\bperson of staff\b", "staff member"),
        (r"\bover (its|their) time\b", "overdue"),
        (r"\b(doors?|walls?|roads?|patience|dealt)\b", "a name of the thing itself: no metaphors"),
    ],
}


def texts(language: str) -> Iterator[tuple[str, str]]:
    """Yield (where, text) of everything that people read in this language."""
    for key, text in wording(language).texts.items():
        yield f"texts: {key}", text
    for package in PACKAGES:
        for reason, sentence in tomllib.loads((ROOT / package / "sentences.toml").read_text()).items():
            yield f"{package}: {reason}", sentence[language]
    if language == "en":
        yield from helps()


def helps() -> Iterator[tuple[str, str]]:
    """Yield the help of commands and options, which is in English."""
    for folder in ("chassis", "gateway", "services"):
        for path in (ROOT / folder).rglob("*.py"):
            for text in re.findall(r'\bhelp="([^"]+)"', path.read_text()):
                yield str(path.relative_to(ROOT)), text
        for path in (ROOT / folder).rglob("commands.toml"):
            for name, text in tomllib.loads(path.read_text()).items():
                yield f"{path.relative_to(ROOT)}: {name}", text


@pytest.mark.parametrize("language", RETIRED)
def test_no_retired_word_is_shown(language: str) -> None:
    found = [
        f"{where}: “{text}” — write {instead}"
        for where, text in texts(language)
        for pattern, instead in RETIRED[language]
        if re.search(pattern, text, re.IGNORECASE)
    ]
    assert found == [], "\n".join(found)


def test_the_words_of_readers_are_on_the_pages() -> None:
    shown = {
        "browse.way": ("Jelajahi", "Browse"),
        "filters.heading": ("Filter", "Filters"),
        "filters.clear": ("Hapus semua filter", "Clear all filters"),
        "facet.ddc": ("Klasifikasi", "Classification"),
        "facet.audience": ("Sasaran pembaca", "Audience"),
        "record.audience": ("Sasaran pembaca", "Audience"),
        "record.share": ("Bagikan", "Share"),
        "record.cite": ("Kutip", "Cite"),
        "shelf.beside": ("Lihat rak", "Browse the shelf"),
        "help.without": ("Coba cari", "Try instead"),
        "library.keep": ("Simpan", "Save"),
        "browse.go": ("Tampilkan", "Show"),
        "language.id": ("Bahasa Indonesia", "Bahasa Indonesia"),
    }
    for key, pair in shown.items():
        assert (wording("id").say(key), wording("en").say(key)) == pair
    assert wording("en").say("library.none") == "No preference"
    assert "separate" in wording("en").say("work.why")
