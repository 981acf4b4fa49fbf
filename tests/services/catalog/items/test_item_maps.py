"""Item maps: their form, refused maps, and the items that they read from records."""

from __future__ import annotations

import pickle

import pytest

from chassis.errors import Invalid
from services.catalog.items.item_maps import USUAL, read_map
from services.catalog.items.parsing import items_of, split_date
from services.catalog.marc.record import Field, Record
from services.catalog.record.holdings import ItemFacts


def items(*fields: Field, item_map: str = "") -> list[ItemFacts]:
    return items_of(Record(fields=list(fields)), read_map(item_map) if item_map else USUAL)


SCHOOL = """
# A school's own system writes 990, one field a copy, with its own codes.
[[way]]
name = "Sekolah"
field = "990"
has = ["a"]
barcode = "a"
call_number = "k c | d m"
branch = "b"
collection = "f"
material = "g"
room = "r:2"
copy = "n"
enumeration = "v"
pieces = "e+"
status = [{ code = "s", begins = "H", is = "missing" }]
status_words = "s"
read_here = [{ code = "l", begins_not = "P" }]

[branches]
"01" = "PST"
[collections]
"RUJ" = "reference"
[materials]
"kaset" = "CD"
[statuses]
"Diperbaiki" = "in_repair"
"""


def test_a_source_may_have_its_own_item_map() -> None:
    (item,) = items(
        ["990", "  ", "a", "0007", "b", "01", "k", "R", "d", "813", "m", "NAV r", "f", "ruj", "g", "Kaset", "r", "A",
         "r", "Lantai 2", "n", "2", "v", "Jilid 2, 2019", "e", "1 CD", "e", "1 peta", "s", "diperbaiki"],
        item_map=SCHOOL,
    )  # fmt: skip
    assert item == ItemFacts(
        barcode="0007", call_number="R 813 NAV r", branch="PST", collection="reference", material="sound",
        status="in_repair", copy="2", room="Lantai 2", enumeration="Jilid 2", chronology="2019",
        pieces="1 CD 1 peta", call_sort="R 813 NAV R  000002 000002",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "status", "collection"),
    [
        (["990", "  ", "a", "1", "s", "Hilang 2019"], "missing", ""),
        (["990", "  ", "a", "1", "s", "entah"], "in_service", ""),
        (["990", "  ", "a", "1", "l", "P"], "in_service", ""),
        (["990", "  ", "a", "1", "l", "baca"], "in_service", "reference"),
        (["990", "  ", "a", "1", "l", "0"], "in_service", ""),
    ],
)
def test_conditions_give_the_status_and_items_that_are_read_here(field: Field, status: str, collection: str) -> None:
    (item,) = items(field, item_map=SCHOOL)
    assert (item.status, item.collection) == (status, collection)


def test_fields_without_the_required_subfields_are_no_items() -> None:
    assert items(["990", "  ", "b", "01"], ["990", "  ", "a", " "], ["852", "  ", "b", "PST"], item_map=SCHOOL) == []


def test_the_default_map_has_the_same_form_and_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(USUAL)) == USUAL
    assert [pattern.tag for pattern in USUAL.patterns] == ["952", "852"]


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("", "way", "at least one"),
        ("way = 3", "way", "at least one"),
        ("[[way]]\nfield = ", "TOML", ""),
        ("[[way]]\nfield = '99'\nbarcode = 'a'", "way 1: field", "three digits"),
        ("[[way]]\nfield = '001'\nbarcode = 'a'", "way 1: field", "three digits"),
        ("[[way]]\nname = 'Kami'\nfield = '990'", "way 1 (Kami)", "names no subfield"),
        ("[[way]]\nfield = '990'\nbarcod = 'a'", "way 1", "unknown: barcod"),
        ("[[way]]\nfield = '990'\nbarcode = ''", "way 1: barcode", "subfield codes"),
        ("[[way]]\nfield = '990'\nbarcode = 'ab'", "way 1: barcode", "“ab”"),
        ("[[way]]\nfield = '990'\nbarcode = 'a:x'", "way 1: barcode", "“a:x”"),
        ("[[way]]\nfield = '990'\nbarcode = 'a'\nhas = 'a'", "way 1: has", "list"),
        ("[[way]]\nfield = '990'\nbarcode = 'a'\nhas = ['ab']", "way 1: has", "“ab”"),
        ("[[way]]\nfield = '990'\nbarcode = 'a'\nstatus = [{code = 's', is = 'gone'}]", "way 1: status", "“gone”"),
        ("[[way]]\nfield = '990'\nbarcode = 'a'\nstatus = [{code = 's', says = 'x'}]", "way 1: status", "unknown"),
        ("[[way]]\nfield = '990'\nbarcode = 'a'\nread_here = [{code = 7}]", "way 1: read_here", "quotes"),
        ("[[way]]\nfield = '990'\nbarcode = 'a'\nitems_in = ['876']", "way 1", "needed together"),
        ("[[way]]\nfield = '990'\nbarcode = 'a'\n[branches]\n01 = 2", "branches", "lines"),
        ("[[way]]\nfield = '990'\nbarcode = 'a'\n[statuses]\nx = 'y'", "statuses.x", "“y”"),
        ("[shelves]\na = 'b'", "file", "unknown: shelves"),
        ("#" * 100_001, "file", "longer"),
    ],
)
def test_an_invalid_map_is_refused_with_place_and_problem(text: str, where: str, why: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read_map(text)
    assert refusal.value.reason == "ITEM_MAP"
    assert refusal.value.facts["where"] == where
    detail = refusal.value.facts["why"]
    assert why in detail.en
    assert detail.id != detail.en
    assert detail.id in refusal.value.sentence.id
    assert refusal.value.sentence.en


def test_numbers_are_read_with_their_captions() -> None:
    parsed_items = items(
        ["852", "  ", "8", "1", "b", "PST", "h", "050"],
        ["853", "20", "8", "1", "a", "Vol.", "b", "No.", "i", "(year)", "j", "(month)"],
        ["863", "40", "8", "1.1", "a", "3", "b", "2", "i", "2026", "j", "05"],
        ["863", "40", "8", "1.2", "a", "3", "b", "3", "i", "2026", "j", "06/07"],
        ["876", "  ", "8", "1.1", "p", "A1"],
        ["876", "  ", "8", "1.2", "p", "A2"],
        ["876", "  ", "8", "1.9", "p", "A3"],
    )
    assert [(item.enumeration, item.chronology) for item in parsed_items] == [
        ("Vol. 3 No. 2", "Mei 2026"),
        ("Vol. 3 No. 3", "Juni/Juli 2026"),
        ("", ""),
    ]


def test_items_without_item_records_have_the_only_863_or_the_text_of_866() -> None:
    (item,) = items(
        ["852", "  ", "8", "1", "b", "PST"],
        ["853", "20", "8", "1", "a", "Jilid"],
        ["863", "40", "8", "1.1", "a", "2"],
    )
    assert item.enumeration == "Jilid 2"
    items_of_branches = items(
        ["852", "  ", "8", "1", "b", "PST"],
        ["852", "  ", "8", "2", "b", "TJH"],
        ["866", "40", "8", "2", "a", "Vol. 1–9 (1990–1998)"],
    )
    assert [(item.enumeration, item.chronology) for item in items_of_branches] == [("", ""), ("Vol. 1–9", "1990–1998")]


def test_koha_items_have_their_issue_and_accompanying_material() -> None:
    (item,) = items(
        ["952", "  ", "a", "PST", "c", "LT2", "8", "BERKALA", "o", "050 HOR h", "p", "H1", "y", "CR",
         "h", "Vol. 3 No. 2, Mei 2026", "3", "1 poster", "t", "1"],
    )  # fmt: skip
    assert (item.room, item.collection, item.enumeration) == ("LT2", "serials", "Vol. 3 No. 2")
    assert (item.chronology, item.pieces, item.copy) == ("Mei 2026", "1 poster", "1")


def test_volume_copy_and_material_also_come_from_call_number_and_record() -> None:
    (item,) = items(
        ["300", "  ", "a", "2 jil. +", "e", "1 CD-ROM."], ["852", "  ", "b", "PST", "h", "813 NAV r jil. 2 c.3"]
    )
    assert (item.enumeration, item.copy, item.pieces) == ("jil. 2", "3", "1 CD-ROM")


def test_items_sort_by_volume_and_copy_that_the_call_number_lacks() -> None:
    parsed_items = items(
        ["852", "  ", "b", "PST", "h", "813", "i", "NAV r", "3", "Jilid 10", "t", "1"],
        ["852", "  ", "b", "PST", "h", "813", "i", "NAV r", "3", "Jilid 2", "t", "2"],
        ["852", "  ", "b", "PST", "h", "813", "i", "NAV r", "3", "Jilid 2", "t", "1"],
    )
    sorted_items = sorted(parsed_items, key=lambda item: item.call_sort)
    assert [(item.enumeration, item.copy) for item in sorted_items] == [
        ("Jilid 2", "1"),
        ("Jilid 2", "2"),
        ("Jilid 10", "1"),
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Vol. 3 No. 2, Mei 2026", ("Vol. 3 No. 2", "Mei 2026")),
        ("No. 7 (1998)", ("No. 7", "1998")),
        ("Th. 2, 1998/1999", ("Th. 2", "1998/1999")),
        ("Jilid 2", ("Jilid 2", "")),
        ("2019", ("2019", "")),
        ("Jilid 2, Sumatra", ("Jilid 2, Sumatra", "")),
        ("", ("", "")),
    ],
)
def test_a_date_at_the_end_of_a_numbering_is_split_off(text: str, parts: tuple[str, str]) -> None:
    assert split_date(text) == parts


def test_texts_longer_than_the_columns_are_cut() -> None:
    long = "x" * 9_000
    (item,) = items(
        ["952", "  ", "p", long, "o", long, "a", long, "c", long, "h", long, "t", long, "3", long, "y", "BK"]
    )
    lengths = [len(value or "") for value in (item.barcode, item.branch, item.room, item.collection)]
    assert lengths == [64, 64, 64, 32]
    assert max(len(value or "") for value in item) <= 500
