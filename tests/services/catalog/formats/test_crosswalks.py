"""Each MARC field is converted as in the Library of Congress's crosswalks: tables of cases."""

from __future__ import annotations

import orjson
import pytest

from services.catalog.formats import FORMS
from services.catalog.marc.record import Field
from tests.services.catalog.formats.entries import document, entry

MODS = [
    (["245", "14", "a", "The tigers /", "c", "Hadler."], "<nonSort>The</nonSort><title>tigers</title>"),
    (["245", "10", "a", "Sejarah.", "n", "Jilid 2,", "p", "Padri"], "<partNumber>Jilid 2</partNumber>"),
    (["246", "3 ", "a", "Harimau"], '<titleInfo type="alternative"><title>Harimau</title></titleInfo>'),
    (["100", "1 ", "a", "Navis, A. A.,", "d", "1924-2003"], '<namePart type="date">1924-2003</namePart>'),
    (["100", "1 ", "a", "Navis, A. A."], '<role><roleTerm type="text">creator</roleTerm></role>'),
    (["700", "1 ", "a", "Owen, Sri", "4", "trl"], '<roleTerm type="code" authority="marcrelator">trl</roleTerm>'),
    (["710", "1 ", "a", "Indonesia.", "b", "Departemen Agama"], "<namePart>Departemen Agama</namePart>"),
    (["264", " 1", "a", "Padang :", "b", "Kartika,", "c", "1999"], "<dateIssued>1999</dateIssued>"),
    (["264", " 4", "c", "©1998"], '<originInfo eventType="copyright notice"><copyrightDate>©1998</copyrightDate>'),
    (["250", "  ", "a", "Cet. 2."], "<edition>Cet. 2</edition>"),
    (["041", "1 ", "a", "indeng"], '<languageTerm type="code" authority="iso639-2b">eng</languageTerm>'),
    (["300", "  ", "a", "140 hlm. ;", "c", "21 cm"], "<extent>140 hlm. ; 21 cm</extent>"),
    (["520", "3 ", "a", "Sari."], '<abstract type="Abstract">Sari.</abstract>'),
    (["521", "  ", "a", "Anak"], "<targetAudience>Anak</targetAudience>"),
    (["502", "  ", "a", "Skripsi"], '<note type="thesis">Skripsi</note>'),
    (["650", " 0", "a", "Surau", "z", "Solok"], '<subject authority="lcsh"><topic>Surau</topic><geographic>Solok<'),
    (["600", "17", "a", "Hamka", "2", "local"], '<subject authority="local"><name type="personal"><namePart>Hamka<'),
    (["082", "04", "a", "899.221", "2", "23"], '<classification authority="ddc" edition="23">899.221<'),
    (["490", "0 ", "a", "Seri Kaba ;", "v", "7"], '<part><detail type="volume"><number>7</number></detail></part>'),
    (["773", "0 ", "t", "Horison", "g", "Vol. 3"], '<relatedItem type="host"><titleInfo><title>Horison</title>'),
    (["785", "00", "t", "Singgalang baru"], '<relatedItem type="succeeding">'),
    (["700", "12", "a", "Hamka.", "t", "Tuan Direktur"], '<relatedItem type="constituent"><titleInfo><title>Tuan Dir'),
    (["020", "  ", "z", "9790000000000"], '<identifier type="isbn" invalid="yes">9790000000000</identifier>'),
    (["856", "40", "u", "https://contoh.example/a", "y", "Isi"], '<url displayLabel="Isi">https://contoh.example/a<'),
    (["540", "  ", "a", "Bebas"], '<accessCondition type="use and reproduction">Bebas</accessCondition>'),
]
DUBLIN_CORE = [
    (["245", "10", "a", "Kaba :", "b", "cerita"], "<dc:title>Kaba : cerita</dc:title>"),
    (["100", "1 ", "a", "Navis, A. A.", "d", "1924"], "<dc:creator>Navis, A. A.</dc:creator>"),
    (["700", "1 ", "a", "Owen, Sri"], "<dc:contributor>Owen, Sri</dc:contributor>"),
    (["650", " 0", "a", "Surau", "z", "Solok"], "<dc:subject>Surau -- Solok</dc:subject>"),
    (["264", " 1", "b", "Kartika,", "c", "[1999]"], "<dc:publisher>Kartika</dc:publisher>"),
    (["264", " 3", "b", "Percetakan"], ""),
    (["651", " 0", "a", "Solok"], "<dc:coverage>Solok</dc:coverage>"),
    (["773", "0 ", "a", "Ali.", "t", "Horison"], "<dc:relation>Ali. Horison</dc:relation>"),
    (["540", "  ", "a", "Bebas"], "<dc:rights>Bebas</dc:rights>"),
]
RIS = [
    (["245", "10", "a", "Kaba :", "b", "cerita"], "TI  - Kaba: cerita\r\n"),
    (["100", "1 ", "a", "Navis, A. A."], "AU  - Navis, A. A.\r\n"),
    (["700", "1 ", "a", "Owen, Sri", "e", "penyunting."], "A2  - Owen, Sri\r\n"),
    (["700", "1 ", "a", "Owen, Sri", "4", "http://id.loc.gov/vocabulary/relators/trl"], "A4  - Owen, Sri\r\n"),
    (["502", "  ", "a", "Skripsi"], "TY  - THES\r\n"),
    (["773", "0 ", "t", "Horison", "g", "Vol. 3 No. 2, hlm. 11-19"], "VL  - 3\r\nIS  - 2\r\nSP  - 11-19\r\n"),
    (["520", "  ", "a", "Satu\r\nER  - \r\nTY  - BOOK"], "AB  - Satu ER - TY - BOOK\r\n"),
]
BIBTEX = [
    (["245", "10", "a", "100% {Kaba} & Co_1"], r"title = {{100\% \textbraceleft{}Kaba\textbraceright{} \& Co\_1}}"),
    (["245", "10", "a", "Kaba { satu"], r"title = {{Kaba \textbraceleft{} satu}}"),
    (["110", "2 ", "a", "Pusat Bahasa"], "author = {{Pusat Bahasa}}"),
    (["100", "1 ", "a", "Simon and Co"], "author = {{Simon and Co}}"),
    (["700", "1 ", "a", "Owen, Sri", "4", "edt"], "editor = {Owen, Sri}"),
    (["856", "40", "u", "https://contoh.example/a_b"], "url = {https://katalog.example/"),
]


CASES = {"mods": MODS, "dc": DUBLIN_CORE, "ris": RIS, "bibtex": BIBTEX}


@pytest.mark.parametrize(
    ("form", "field", "expected"), [(form, *case) for form, cases in CASES.items() for case in cases]
)
def test_a_field_becomes(form: str, field: Field, expected: str) -> None:
    title: list[Field] = [] if field[0] == "245" else [["245", "10", "a", "Judul"]]
    output = document(form, *title, field)
    assert expected in output
    if not expected:
        assert field[-1] not in output


def test_a_title_in_arabic_script_is_beside_its_transliteration() -> None:
    output = document(
        "mods",
        ["245", "10", "6", "880-01", "a", "Kaba"],
        ["880", "10", "6", "245-01/(3/r", "a", "كابا"],
    )
    assert '<titleInfo altRepGroup="01"><title>Kaba</title></titleInfo>' in output
    assert '<titleInfo altRepGroup="01" script="Arab"><title>كابا</title></titleInfo>' in output


def test_an_illustrator_is_one_in_a_book_and_a_contributor_elsewhere() -> None:
    illustrator = ["700", "1 ", "a", "Raden", "4", "ill"]
    assert orjson.loads(document("jsonld", illustrator))["illustrator"] == [{"@type": "Person", "name": "Raden"}]
    assert "contributor" in orjson.loads(document("jsonld", illustrator, leader="00000ckm a2200000   4500"))


def test_languages_of_the_web_have_two_letters_where_there_are_some() -> None:
    for code, expected in (("ind", "id"), ("min", "min"), ("may", "ms")):
        assert orjson.loads(document("jsonld", ["008", " " * 35 + code]))["inLanguage"] == expected


@pytest.mark.parametrize("sign", "+-@＝＋－＠")
def test_a_cell_that_a_spreadsheet_would_calculate_is_text(sign: str) -> None:
    assert f",'{sign}SUM(A1)," in document("csv", ["245", "10", "a", f"{sign}SUM(A1)"])


def test_an_unsafe_link_is_in_none_of_the_citations() -> None:
    for form in ("ris", "bibtex", "jsonld", "mods"):
        assert "javascript" not in document(form, ["856", "40", "u", "javascript:alert(1)"])


def test_without_an_address_a_record_is_named_by_its_id() -> None:
    record_entry = entry(["245", "10", "a", "Kaba"])
    nowhere = FORMS["jsonld"].document(
        record_entry.__class__(record_entry.record, record_entry.id, 1, record_entry.updated_at)
    )
    assert orjson.loads(nowhere)["@id"] == f"urn:uuid:{record_entry.id}"
