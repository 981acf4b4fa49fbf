"""The short form of a record in lists."""

from __future__ import annotations

import pytest

from services.catalog.marc.record import Record
from services.catalog.record.brief import brief
from services.catalog.record.captions import caption, language_code
from services.catalog.record.headings import tidy

NAVIS = Record(
    "00000nam a2200000   4500",
    [
        ["001", "42"],
        ["008", "260101s1956    io            000 1 ind d"],
        ["020", "  ", "a", "979-433-111-0 (sampul lunak)", "c", "Rp15.000"],
        ["020", "  ", "a", "978-602-8811-30-9"],
        ["082", "04", "a", "899.221/3", "2", "23"],
        ["100", "1 ", "a", "Navis, A. A.,", "d", "1924-2003,", "e", "pengarang."],
        ["245", "10", "a", "Robohnya surau kami :", "b", "kumpulan cerpen /", "c", "A.A. Navis ; kata pengantar, X."],
        ["246", "3 ", "a", "Surau kami"],
        ["250", "  ", "a", "Cetakan ke-2."],
        ["264", " 1", "a", "Bukittinggi :", "b", "NV Nusantara,", "c", "[1956]"],
        ["264", " 4", "c", "©1955"],
        ["300", "  ", "a", "128 hlm. ;", "c", "20 cm"],
        ["490", "1 ", "a", "Seri sastra ;", "v", "3"],
        ["500", "  ", "a", "Terbit pertama kali 1955."],
        ["505", "0 ", "a", "Anak kebanggaan -- Nasihat-nasihat"],
        ["520", "  ", "a", "Seorang penjaga surau  " + "tua " * 100],
        ["650", " 4", "a", "Cerita pendek Indonesia", "x", "Sumatra Barat."],
        ["650", " 4", "a", "Cerita pendek Indonesia", "x", "Sumatra Barat"],
        ["653", "  ", "a", "Surau", "a", "Kakek"],
        ["700", "1 ", "a", "Hamka"],
        ["856", "40", "u", "https://example.org/surau", "y", "Teks penuh"],
        ["856", "40", "u", "javascript:alert(1)", "y", "Jahat"],
    ],
)


def test_a_list_shows_the_brief_record() -> None:
    brief_record = brief(NAVIS, institution="PKS")
    summary = brief_record.pop("summary")
    assert len(summary) <= 300
    assert summary.startswith("Seorang penjaga surau tua tua")
    assert brief_record == {
        "title": "Robohnya surau kami",
        "subtitle": "kumpulan cerpen",
        "responsibility": "A.A. Navis ; kata pengantar, X.",
        "authors": ["Navis, A. A.", "Hamka"],
        "publisher": "NV Nusantara",
        "place": "Bukittinggi",
        "year": 1956,
        "edition": "Cetakan ke-2",
        "language": "ind",
        "material": "book",
        "isbn": "9786028811309",
        "ddc": "899.2213",
        "series": "Seri sastra 3",
        "institution": "PKS",
    }


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Robohnya surau kami /", "Robohnya surau kami"),
        ("Navis, A. A.,", "Navis, A. A."),
        ("Indonesia.", "Indonesia"),
        ("Dan lain-lain...", "Dan lain-lain..."),
        ("Sukarno, Ir.", "Sukarno, Ir."),
        ("  Dua   spasi : ", "Dua spasi"),
        ("", ""),
    ],
)
def test_isbd_punctuation_is_left_out(text: str, read: str) -> None:
    assert tidy(text) == read


@pytest.mark.parametrize(
    ("leader", "fixed", "material"),
    [
        ("00000nam", "", "book"),
        ("00000nam", "260101s2020    io      o     000 0 ind d", "ebook"),
        ("00000nas", "", "serial"),
        ("00000naa", "", "article"),
        ("00000ntm", "", "manuscript"),
        ("00000nem", "", "map"),
        ("00000ncm", "", "music"),
        ("00000njm", "", "sound"),
        ("00000ngm", "", "video"),
        ("00000nmm", "", "electronic"),
        ("00000nom", "", "kit"),
        ("", "", "book"),
        ("00000n?m", "", "book"),
    ],
)
def test_the_leader_says_what_kind_of_material_it_is(leader: str, fixed: str, material: str) -> None:
    assert brief(Record(leader, [["008", fixed]]))["material"] == material


@pytest.mark.parametrize(
    ("fields", "year"),
    [
        ([["008", "260101s1956    io"]], 1956),
        ([["008", "260101s||||    io"], ["260", "  ", "c", "[cetakan 1987]"]], 1987),
        ([["264", " 1", "c", "©2001-2003"]], 2001),
        ([["008", "260101s9999    io"]], None),
        ([["260", "  ", "c", "[19--?]"]], None),
        ([], None),
    ],
)
def test_the_year_is_read_from_008_or_the_imprint(fields: list[list[str]], year: int | None) -> None:
    assert brief(Record(fields=fields)).get("year") == year


def test_a_record_without_a_title_says_so() -> None:
    assert brief(Record(fields=[]))["title"] == "[Tanpa judul]"


def test_codes_have_captions_in_both_languages() -> None:
    caption_text = caption("ddc", "800")
    assert caption_text is not None
    assert (caption_text.id, caption_text.en) == ("Kesusastraan", "Literature")
    assert caption("subject", "Surau") is None
    assert caption("language", "qqq") is None


@pytest.mark.parametrize(
    ("text", "code"),
    [("Indonesia", "ind"), ("inggris", "eng"), ("English", "eng"), ("nld", "dut"), ("dut", "dut"), ("id", "ind"),
     ("Minang", "min"), ("klingon", None), ("", None)],
)  # fmt: skip
def test_a_language_is_known_by_name_or_code(text: str, code: str | None) -> None:
    assert language_code(text) == code
