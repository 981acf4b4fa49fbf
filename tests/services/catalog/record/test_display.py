"""The full display of a record by the rules of display.toml."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.catalog.marc.record import Field, Record
from services.catalog.record.brief import brief
from services.catalog.record.display import display
from services.catalog.record.display_rules import FILE, IDENTIFIERS, RELATIONS, RULES, rule_for
from services.catalog.record.links import control_keys


def shown(*fields: Field, leader: str = "00000nam a2200000   4500") -> dict[str, Any]:
    displayed = display(
        Record(leader, [["245", "10", "a", "Hikayat Abdullah"], *fields]), institution="PKS", source="S"
    )
    json.dumps(displayed)
    return displayed


def texts(rows: list[dict[str, Any]]) -> list[str]:
    return [row["text"] for row in rows]


def test_everything_a_list_shows_is_in_the_full_display() -> None:
    record = Record("00000nam a2200000   4500", [["245", "10", "a", "Surau"], ["100", "1 ", "a", "Navis, A. A."]])
    assert brief(record, institution="PKS").items() <= display(record, institution="PKS").items()


def test_an_empty_record_has_a_display() -> None:
    displayed = display(Record())
    assert displayed["title"] == "[Tanpa judul]"
    fixed_keys = (
        "subjects",
        "headings",
        "contributors",
        "parallel",
        "titles_other",
        "publication",
        "notes",
        "more",
        "links",
    )
    assert all(displayed[key] == [] for key in fixed_keys)


def test_no_field_is_shown_by_two_rows() -> None:
    tables = {"rules": set(RULES), "relations": set(RELATIONS), "identifiers": set(IDENTIFIERS)}
    brief_only = {"020", "100", "110", "111", "245", "700", "710", "711", "720", "880"}
    assert not tables["rules"] & tables["relations"]
    assert not tables["rules"] & tables["identifiers"]
    assert not brief_only & (tables["rules"] | tables["relations"] | tables["identifiers"])


def test_every_row_has_names_in_both_languages_and_can_be_reached() -> None:
    for tag, rules in RULES.items():
        for rule in rules:
            assert rule.label["id"]
            assert rule.label["en"]
            indicators = rule.indicators.replace("?", "9").replace("_", " ")
            assert rule_for(RULES, tag, [tag, indicators, "2", rule.source]) is rule


def test_the_table_says_how_to_read_it() -> None:
    assert FILE.read_text(encoding="utf-8").startswith("#")


@pytest.mark.parametrize(
    ("six", "value", "script", "rtl", "lang"),
    [
        ("245-01/(3/r", "حكاية عبد الله", "Arab", True, "ms-Arab"),
        ("245-01", "حكاية عبد الله", "Arab", True, "ms-Arab"),
        ("245-01/(2/r", "ספר", "Hebr", True, "ms-Hebr"),
        ("245-01/$1", "日本", "Hani", False, "ms-Hani"),
        ("245-01/(N", "Повесть", "Cyrl", False, "ms-Cyrl"),
        ("245-01/Java", "ꦱꦼꦫꦠ꧀", "Java", False, "ms-Java"),
        ("245-01", "12", "", False, None),
    ],
)
def test_a_title_in_its_own_script_is_beside_the_roman_one(
    six: str, value: str, script: str, rtl: bool, lang: str | None
) -> None:
    fixed = ["008", "260101s1849    si            000 1 may d"]
    (parallel_title,) = shown(fixed, ["880", "10", "6", six, "a", f"{value} /"])["parallel"]
    assert parallel_title == {
        "field": "title",
        "text": value,
        "script": script,
        "rtl": rtl,
        **({"lang": lang} if lang else {}),
    }


def test_an_arabic_book_is_in_arabic() -> None:
    fixed = ["008", "260101s1849    ua            000 1 ara d"]
    assert shown(fixed, ["880", "10", "6", "245-01/(3/r", "a", "كتاب"])["parallel"][0]["lang"] == "ar"


def test_each_880_names_its_parallel_field_and_the_title_comes_first() -> None:
    displayed = shown(
        ["880", "  ", "6", "500-03", "a", "نوت"],
        ["880", "1 ", "6", "100-02", "a", "عبد الله"],
        ["880", "10", "6", "245-01", "a", "حكاية /", "c", "عبد الله"],
        ["880", "  ", "6", "490-04", "a", "سري"],
        ["880", "  ", "6", "264-05", "b", "دار"],
        ["880", " 4", "6", "650-06", "a", "أدب"],
        ["880", "  ", "6", "999-07", "a", "x"],
        ["880", "  ", "a", "x"],
    )["parallel"]
    assert [entry["field"] for entry in displayed] == [
        "title", "note", "author", "responsibility", "series", "publication", "subject",
    ]  # fmt: skip


def test_titles_have_their_kind() -> None:
    displayed = shown(
        ["130", "0 ", "a", "Hikayat Abdullah.", "l", "Inggris"],
        ["246", "1 ", "i", "Judul asli:", "a", "The Hikayat"],
        ["246", "14", "a", "Hikayat di sampul"],
        ["246", "3 ", "a", "Hikayat Abdullah"],
        ["730", "02", "a", "Syair"],
        ["740", "  ", "a", "Kisah"],
    )
    assert displayed["uniform_title"] == "Hikayat Abdullah. Inggris"
    assert [(entry["label"]["en"], entry["text"]) for entry in displayed["titles_other"]] == [
        ("Judul asli", "The Hikayat"),
        ("Cover title", "Hikayat di sampul"),
        ("Contains", "Syair"),
        ("Related title", "Kisah"),
    ]


def test_a_series_has_its_volume_and_a_traced_statement_is_shown_once() -> None:
    displayed = shown(
        ["490", "1 ", "a", "Seri sastra ;", "v", "jil. 3"],
        ["830", " 0", "a", "Sastra Nusantara ;", "v", "3.", "x", "1234-5679"],
        ["490", "0 ", "a", "Buku saku"],
    )
    assert displayed["in_series"] == [
        {
            "text": "Sastra Nusantara ; 3", "title": "Sastra Nusantara", "volume": "3", "issn": "1234-5679",
        },
        {"text": "Buku saku", "title": "Buku saku"},
    ]  # fmt: skip
    assert shown(["490", "1 ", "a", "Seri ;", "v", "3"])["in_series"] == [
        {"text": "Seri ; 3", "title": "Seri", "volume": "3"}
    ]


def test_notes_have_the_records_order_and_their_labels() -> None:
    displayed = shown(
        ["586", "  ", "a", "Hadiah Sastra 1955."],
        ["500", "  ", "a", "Terbit pertama kali 1955."],
        ["502", "  ", "a", "Skripsi", "c", "Universitas Andalas"],
        ["511", "1 ", "a", "Didi Petet."],
        ["521", "  ", "a", "Kelas 4–6."],
        ["561", "0 ", "a", "Rahasia"],
        ["500", "  ", "a", "  "],
    )["notes"]
    assert [(entry["type"], entry["text"]) for entry in displayed] == [
        ("awards", "Hadiah Sastra 1955."),
        ("general", "Terbit pertama kali 1955."),
        ("thesis", "Skripsi Universitas Andalas"),
        ("performers", "Didi Petet."),
        ("audience", "Kelas 4–6."),
    ]


def test_contents_are_a_list() -> None:
    displayed = shown(
        ["505", "0 ", "a", "Anak kebanggaan / A. A. -- Nasihat-nasihat -- Datangnya dan perginya."],
        ["505", "80", "g", "2.", "t", "Surau --", "t", "Kakek."],
    )
    assert displayed["contents"] == [
        "Anak kebanggaan / A. A.", "Nasihat-nasihat", "Datangnya dan perginya", "2. Surau", "Kakek",
    ]  # fmt: skip


def test_rows_of_their_own_come_in_the_tables_order() -> None:
    displayed = shown(
        ["362", "0 ", "a", "Vol. 1, no. 1 (Jan. 1990)-"],
        ["255", "  ", "a", "Skala 1:50.000"],
        ["310", "  ", "a", "Bulanan"],
        ["321", "  ", "a", "Dwibulanan,", "b", "1990-1995"],
    )["more"]
    assert [(entry["key"], entry["values"]) for entry in displayed] == [
        ("scale", ["Skala 1:50.000"]),
        ("frequency", ["Bulanan"]),
        ("former_frequency", ["Dwibulanan, 1990-1995"]),
        ("numbering", ["Vol. 1, no. 1 (Jan. 1990)-"]),
    ]


def test_subjects_lead_to_the_facet_they_are() -> None:
    displayed = shown(
        ["650", " 4", "a", "Cerita pendek Indonesia", "x", "Sumatra Barat."],
        ["600", "14", "a", "Hatta, Mohammad,", "d", "1902-1980"],
        ["653", "  ", "a", "Surau", "a", "Kakek"],
        ["655", " 7", "a", "Novel", "2", "local"],
    )
    assert [heading["text"] for heading in displayed["headings"]] == displayed["subjects"]
    assert ("topic", ["Cerita pendek Indonesia", "Sumatra Barat"]) in [
        (heading["kind"], heading["parts"]) for heading in displayed["headings"]
    ]
    assert [heading["kind"] for heading in displayed["headings"]] == ["person", "topic", "free", "free", "genre"]


def test_roles_are_named_in_both_languages() -> None:
    displayed = shown(
        ["100", "1 ", "a", "Navis, A. A.,", "e", "pengarang."],
        ["700", "1 ", "a", "Hill, A. H.,", "4", "trl"],
        ["700", "1 ", "a", "Navis, A. A."],
        ["710", "2 ", "a", "Balai Pustaka,", "e", "pemilik lama."],
        ["711", "2 ", "a", "Kongres Bahasa"],
    )["contributors"]
    assert [(entry["name"], entry.get("label", {}).get("en")) for entry in displayed] == [
        ("Navis, A. A.", "author"),
        ("Hill, A. H.", "translator"),
        ("Balai Pustaka", "pemilik lama"),
        ("Kongres Bahasa", None),
    ]


def test_only_links_that_are_safe_to_follow_are_shown() -> None:
    displayed = shown(
        ["856", "40", "u", "https://example.org/surau", "y", "Teks penuh"],
        ["856", "42", "u", "FTP://example.org/x"],
        ["856", "40", "u", "javascript:alert(1)", "y", "Jahat"],
        ["856", "40", "u", "https://example.org/\"onclick='x'"],
        ["856", "40", "u", "data:text/html,x", "u", "//example.org"],
    )["links"]
    assert displayed == [
        {"url": "https://example.org/surau", "label": "Teks penuh", "relation": "resource"},
        {"url": "FTP://example.org/x", "label": "FTP://example.org/x", "relation": "related"},
    ]


def test_relations_say_which_way_and_how_to_find_the_other() -> None:
    displayed = shown(
        ["773", "0 ", "a", "Jassin, H. B.", "t", "Horison.", "g", "Vol. 3, no. 2", "x", "01259016", "w", "(PKS)7"],
        ["780", "01", "t", "Pandji Islam"],
        ["785", "00", "t", "Gema", "z", "0-306-40615-2"],
        ["787", "08", "i", "Bandingkan dengan:", "t", 'Kata "kunci"'],
        ["776", "08", "x", "1234-5679"],
    )["relations"]
    assert [(entry["kind"], entry["label"]["en"], entry["text"], entry["query"]) for entry in displayed] == [
        ("host", "In", "Jassin, H. B. Horison, Vol. 3, no. 2", "0125-9016"),
        ("earlier", "Continues in part", "Pandji Islam", 'title:"Pandji Islam"'),
        ("later", "Continued by", "Gema", "isbn:9780306406157"),
        ("related", "Bandingkan dengan", 'Kata "kunci"', 'title:"Kata  kunci"'),
    ]


def test_numbers_have_their_kind() -> None:
    displayed = shown(
        ["001", "42"],
        ["020", "  ", "a", "979-433-111-0"],
        ["022", "  ", "a", "1234-5679"],
        ["024", "7 ", "a", "10.1000/182", "2", "doi"],
        ["024", "2 ", "a", "M230671187"],
        ["024", "8 ", "a", "X1"],
        ["028", "02", "a", "BP 17", "b", "Lokananta"],
        ["035", "  ", "a", "(OCoLC)123"],
    )["identifiers"]
    assert displayed == {
        "isbn": ["9794331110"],
        "issn": ["1234-5679"],
        "doi": ["10.1000/182"],
        "ismn": ["M230671187"],
        "other": ["X1"],
        "publisher_number": ["BP 17 Lokananta"],
        "oclc": ["123"],
        "control_number": ["42"],
    }


@pytest.mark.parametrize(
    ("fields", "narrowest"),
    [
        ([["082", "04", "a", "899.221/3"]], "899"),
        ([["082", "74", "a", "2X4.1"]], "2X4.1"),
        ([["082", "04", "a", "297"]], "297"),
        ([], None),
    ],
)
def test_a_record_knows_its_place_in_the_classes(fields: list[Field], narrowest: str | None) -> None:
    assert shown(*fields).get("class") == narrowest


def test_a_translation_says_from_what() -> None:
    assert shown(["041", "1 ", "a", "ind", "h", "engfre"])["translated_from"] == ["eng", "fre"]


def test_a_control_number_is_looked_for_under_the_keys_it_may_have() -> None:
    tags = {"003": [["003", "PKS"]]}
    assert control_keys("(UMMY)7", tags) == ["(UMMY)7", "(PKS)7", "7"]
    assert control_keys("7", tags) == ["(PKS)7", "7"]
    assert control_keys(" ", tags) == []


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["a", "Bukittinggi", "b", "Nusantara", "c", "1956"], "Bukittinggi : Nusantara, 1956"),
        (["a", "Bukittinggi :", "b", "Nusantara,", "c", "1956."], "Bukittinggi : Nusantara, 1956"),
        (["a", "Padang", "a", "Jakarta", "b", "Pustaka"], "Padang ; Jakarta : Pustaka"),
        (["a", "Leiden", "e", "Delft", "f", "Drukkerij", "g", "1901"], "Leiden (Delft : Drukkerij, 1901)"),
        (["a", "[S.l.]", "c", "[1990]"], "[S.l.], [1990]"),
    ],
)
@pytest.mark.parametrize("tag", ["260", "264"])
def test_publication_has_its_punctuation_whether_the_record_has_it_or_not(
    tag: str, parts: list[str], text: str
) -> None:
    assert texts(shown([tag, " 1", *parts])["publication"]) == [text]


@pytest.mark.parametrize(("value", "notes"), [("1 2 31", []), ("12", []), ("Hadiah A.A. Navis 12", 1)])
@pytest.mark.parametrize("tag", ["590", "596", "599"])
def test_a_local_note_of_numbers_alone_is_hidden(tag: str, value: str, notes: object) -> None:
    assert len(shown([tag, "  ", "a", value])["notes"]) == (notes or 0)


@pytest.mark.parametrize("parts", [["a", "Rumah =", "b", "House /"], ["a", "Rumah", "b", "= House"]])
def test_a_title_after_an_equals_sign_is_parallel_and_no_subtitle(parts: list[str]) -> None:
    displayed = display(Record("00000nam a2200000   4500", [["245", "10", *parts]]))
    assert (displayed["title"], displayed.get("subtitle")) == ("Rumah", None)
    (title,) = displayed["titles_other"]
    assert (title["text"], title["label"]["id"]) == ("House", "Judul paralel")


def test_an_equals_sign_at_the_beginning_of_a_title_stays() -> None:
    for title in ("=", "= sama dengan"):
        record = Record("00000nam a2200000   4500", [["245", "10", "a", title]])
        assert display(record)["title"] == title


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("Hujan--Angin--Badai", ["Hujan", "Angin", "Badai"]),
        ("Sejarah 1945--1949 -- Lampiran", ["Sejarah 1945--1949", "Lampiran"]),
        ("Bab 1--Bab 2", ["Bab 1", "Bab 2"]),
    ],
)
def test_contents_are_divided_at_dashes_without_blanks_but_not_ranges(text: str, entries: list[str]) -> None:
    assert shown(["505", "0 ", "a", text])["contents"] == entries


def test_text_before_the_first_subfield_is_shown() -> None:
    displayed = display(
        Record(
            "00000nam a2200000   4500",
            [
                ["245", "10", "", "Judul tanpa subruas"],
                ["250", "  ", "", "Edisi kedua"],
                ["500", "  ", "", "Catatan", "a", "kedua"],
            ],
        )
    )
    assert (displayed["title"], displayed["edition"]) == ("Judul tanpa subruas", "Edisi kedua")
    assert texts(displayed["notes"]) == ["Catatan kedua"]


@pytest.mark.parametrize("mark", ["[E]", "Fic", "[Fic]", "F", "B", "JB", "E"])
def test_a_shelf_mark_is_no_class(mark: str) -> None:
    assert "ddc" not in shown(["082", "04", "a", mark])
    assert shown(["082", "04", "a", mark, "a", "813/.54"])["ddc"] == "813.54"


@pytest.mark.parametrize(
    "name",
    [
        "Navis, A. A.",
        "Navis, A.A.",
        "Navis , A. A.,",
        "NAVIS, A. A.",
        "Navis, A. A., 1924-2003",
        "Navis, A.A. (1924-2003)",
    ],
)
def test_an_author_has_one_heading_whatever_records_write_around_the_name(name: str) -> None:
    assert brief(Record("00000nam a2200000   4500", [["100", "1 ", "a", name]]))["authors"] == ["Navis, A. A."]
