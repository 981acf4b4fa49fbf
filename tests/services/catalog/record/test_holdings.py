"""Items of a record, their availability and the holdings."""

from __future__ import annotations

import pytest

from services.catalog.items.parsing import items_of
from services.catalog.marc.record import Field, Record
from services.catalog.record.holdings import ItemFacts, Lending, availability_of, holdings


def items(*fields: Field) -> list[ItemFacts]:
    return items_of(Record(fields=list(fields)))


def test_an_852_is_an_item() -> None:
    assert items(
        [
            "852",
            "1 ",
            "a",
            "PKS",
            "b",
            "PST",
            "c",
            "referensi",
            "k",
            "R",
            "h",
            "297.1",
            "i",
            "HAM t",
            "p",
            "0012",
            "t",
            "2",
        ]
    ) == [
        ItemFacts(
            barcode="0012",
            call_number="R 297.1 HAM t",
            branch="PST",
            collection="reference",
            copy="2",
            call_sort="R 297.1 HAM T   000002",
        )
    ]


def test_876s_are_the_items_of_the_852_they_are_linked_to() -> None:
    parsed_items = items(
        ["852", "  ", "8", "1.1", "b", "PST", "h", "813"],
        ["852", "  ", "8", "2.1", "b", "TJH", "h", "814"],
        ["876", "  ", "8", "1.1", "p", "A1", "t", "1"],
        ["876", "  ", "8", "1.2", "p", "A2", "t", "2", "j", "in repair"],
        ["876", "  ", "8", "2.1", "p", "B1"],
    )
    assert [(item.barcode, item.branch, item.call_number, item.status) for item in parsed_items] == [
        ("A1", "PST", "813", "in_service"),
        ("A2", "PST", "813", "in_repair"),
        ("B1", "TJH", "814", "in_service"),
    ]


def test_876s_without_a_link_belong_to_the_only_852() -> None:
    parsed_items = items(["852", "  ", "b", "PST"], ["876", "  ", "p", "A1"], ["876", "  ", "p", "A2"])
    assert [item.barcode for item in parsed_items] == ["A1", "A2"]


KOHA = ["952", "  ", "0", "0", "1", "0", "4", "0", "7", "0", "8", "ANAK", "a", "PST", "b", "TJH", "o", "813 NAV r",
        "p", "000123", "t", "1", "y", "BK"]  # fmt: skip


def test_a_952_of_koha_is_an_item() -> None:
    assert items(KOHA, ["852", "  ", "b", "other"]) == [
        ItemFacts(
            barcode="000123",
            call_number="813 NAV r",
            branch="PST",
            collection="children",
            material="book",
            copy="1",
            call_sort=" 813 NAV R   000001",
        )
    ]


@pytest.mark.parametrize(
    ("code", "value", "status", "expected"),
    [
        ("0", "1", "withdrawn", "not_available"),
        ("1", "4", "missing", "not_available"),
        ("4", "1", "in_repair", "not_available"),
        ("7", "-1", "in_process", "not_available"),
        ("7", "1", "in_service", "read_here_only"),
        ("7", "0", "in_service", "can_be_borrowed"),
    ],
)
def test_kohas_flags_become_a_status(code: str, value: str, status: str, expected: str) -> None:
    field = list(KOHA)
    field[field.index(code, 2) + 1] = value
    (item,) = items(field)
    assert item.status == status
    assert availability_of(item, item.lending) == expected


@pytest.mark.parametrize(
    "field",
    [
        ["952", "  ", "a", "351331783", "z", "BTCTA", "b", "BAKER & TAYLOR", "d", "URI", "p", "lccopycat"],
        ["952", "  ", "d", "265", "j", "2018", "e", "3", "b", "16"],
        ["952", "  ", "a", "econ"],
        ["852", "  ", "h", "813"],
        ["852", "  ", "", ""],
        ["852", "teks"],
    ],
)
def test_a_field_that_only_resembles_an_item_is_ignored(field: Field) -> None:
    assert items(field) == []


def test_a_barcode_names_one_item() -> None:
    parsed_items = items(["852", "  ", "b", "PST", "p", "1"], ["852", "  ", "b", "TJH", "p", "1"])
    assert [item.barcode for item in parsed_items] == ["1", None]


def test_codes_are_shortened_to_the_length_of_the_columns() -> None:
    (item,) = items(["852", "  ", "b", "B" * 100, "c", "C" * 100, "p", "P" * 100])
    assert (len(item.branch), len(item.collection), len(item.barcode or "")) == (64, 32, 64)


def test_holdings_count_available_items_by_branch() -> None:
    entries = holdings(
        [
            ItemFacts(barcode="1", branch="TJH", call_number="813"),
            ItemFacts(barcode="2", branch="PST", collection="reference", call_number="R 813"),
            ItemFacts(branch="PST", status="in_repair"),
            ItemFacts(branch="PST", status="withdrawn"),
            ItemFacts(branch="TJH", status="missing"),
        ],
        {("PKS", "PST"): ("Pusat", "Main library")},
        institution="PKS",
    )
    assert entries == [
        {
            "institution": "PKS",
            "branch": "PST",
            "branch_name": {"id": "Pusat", "en": "Main library"},
            "call_number": "R 813",
            "items": 2,
            "available": 0,
            "answer": "read_here_only",
        },
        {
            "institution": "PKS",
            "branch": "TJH",
            "branch_name": {"id": "TJH", "en": "TJH"},
            "call_number": "813",
            "items": 2,
            "available": 1,
            "answer": "can_be_borrowed",
        },
    ]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (ItemFacts(barcode="1"), "can_be_borrowed"),
        (ItemFacts(), "ask_the_library"),
        (ItemFacts(collection="reference"), "ask_the_library"),
        (ItemFacts(status="in_process"), "not_available"),
        (ItemFacts(access="online"), "online"),
        (ItemFacts(barcode="1", access="ask_the_library"), "ask_the_library"),
        (ItemFacts(barcode="1", access="ask_the_library", lending=Lending("on_loan", "2026-12-03")), "out_until"),
        (ItemFacts(lending=Lending("on_loan", "2026-12-03")), "out_until"),
    ],
)
def test_only_what_can_be_scanned_can_be_borrowed(item: ItemFacts, expected: str) -> None:
    assert availability_of(item, item.lending) == expected


@pytest.mark.parametrize(
    ("code", "note", "status", "access"),
    [
        ("z", "Due back: 12/03/04", "in_service", "ask_the_library"),
        ("x", "ON ORDER 2026", "in_process", ""),
        ("y", "Withdrawn.", "withdrawn", ""),
        ("x", "withdrawn copy 3, v.20-70", "in_service", ""),
        ("x", "Bindery no.: 1014", "in_service", ""),
        ("z", "Hilang", "missing", ""),
        ("x", "Available", "in_service", ""),
        ("z", "Daring", "in_service", "online"),
    ],
)
def test_notes_of_an_852_say_its_status(code: str, note: str, status: str, access: str) -> None:
    for fields in (["z", "Vol. 1-3", code, note], [code, note], [code, note, "x", "* ccs"]):
        (item,) = items(["852", "  ", "b", "PST", "p", "1", *fields])
        assert (item.status, item.access) == (status, access)


def test_the_item_record_decides_over_the_note_of_its_852() -> None:
    location = ["852", "  ", "b", "PST", "x", "due back 2004"]
    (available,) = items(location, ["876", "  ", "p", "A1", "j", "Available"])
    (unsaid,) = items(location, ["876", "  ", "p", "A1"])
    (noted,) = items(["852", "  ", "b", "PST"], ["876", "  ", "p", "A1", "j", "x", "j", "Checked out 3"])
    assert [item.access for item in (available, unsaid, noted)] == ["", "ask_the_library", "ask_the_library"]


@pytest.mark.parametrize(
    ("leader", "fixed", "more", "expected"),
    [
        ("am", {23: "o"}, [], "online"),
        ("em", {29: "o"}, [], "online"),
        ("am", {23: "s"}, [["007", "co "]], ""),
        ("jm", {23: "s"}, [["007", "cr "]], "online"),
        ("gm", {}, [["007", "cr "], ["856", "40", "u", "https://example.org"]], "online"),
        ("am", {}, [["007", "cr "], ["856", "42", "u", "https://example.org"]], ""),
        ("am", {}, [["856", "40", "u", "https://example.org"]], ""),
    ],
)
def test_an_e_resource_is_online(leader: str, fixed: dict[int, str], more: list[Field], expected: str) -> None:
    text = "".join(fixed.get(place, " ") for place in range(40))
    record = Record(f"00000n{leader} a2200000 a 4500", [["008", text], ["852", "  ", "b", "PST"], *more])
    (item,) = items_of(record)
    assert item.access == expected
    record.fields[1] = ["852", "  ", "b", "PST", "p", "1"]
    assert items_of(record)[0].access == ""
