"""The copy of another library's record has what is valid everywhere, and can be saved."""

from __future__ import annotations

import pytest

from services.catalog.cataloguing.faults import faults_of
from services.catalog.cataloguing.lookup.copies import copy_of
from services.catalog.marc.record import Field, Record
from tests.builders import book
from tests.corpus import loaded, sets

LEADER = "01234cam a2200289 i 4500"


def copied(*fields: Field, agency: str = "DLC") -> list[Field]:
    return copy_of(Record(LEADER, [*fields]), agency=agency, copied_by="PKS").fields


def test_the_control_number_becomes_a_035_with_its_agency_and_040_names_who_copies() -> None:
    record = book("77", more=[["040", "  ", "a", "DLC", "b", "eng", "c", "DLC", "d", "XX"]])
    record.fields.insert(2, ["005", "20240101000000.0"])
    copy = copy_of(record, agency="DLC", copied_by="PKS")
    assert [field[0] for field in copy.fields][:3] == ["008", "035", "100"]
    assert copy.values("035", "a") == ["(TEST)77"]  # 003 has priority
    assert copy.text("040") == "DLC eng DLC XX PKS"
    assert copy_of(copy, agency="", copied_by="PKS").fields == copy.fields  # copied twice
    assert copied(["001", "77"], ["245", "00", "a", "T"]) == [
        ["035", "  ", "a", "(DLC)77"], ["040", "  ", "a", "DLC", "c", "DLC", "d", "PKS"], ["245", "00", "a", "T"],
    ]  # fmt: skip
    assert copied(["001", "77"], agency="") == [["040", "  ", "d", "PKS"]]
    assert (record.control("001"), record.text("040")) == ("77", "DLC eng DLC XX")  # the original stays


def test_local_fields_holdings_and_fields_of_one_institution_are_left_out() -> None:
    local = [
        ["009", "x"], ["019", "  ", "a", "1"], ["049", "  ", "a", "DLCC"], ["090", "  ", "a", "PS 1"],
        ["590", "  ", "a", "Kopi perpustakaan"], ["690", " 4", "a", "Lokal"], ["852", "  ", "b", "PST"],
        ["876", "  ", "p", "B1"], ["906", "  ", "a", "7"], ["995", "  ", "a", "x"], ["LKR", "  ", "a", "x"],
        ["500", "  ", "a", "Cap perpustakaan.", "5", "DLC"], ["650", " 7", "9", "4711"],
    ]  # fmt: skip
    shared = [["035", "  ", "a", "(OCoLC)1"], ["490", "0 ", "a", "Seri"], ["856", "40", "u", "https://example.org"]]
    fields = copied(*local, *shared, ["100", "1 ", "a", "Navis", "0", "(DE-588)1", "9", "v:1"])
    assert [field for field in fields if field[0] != "040"] == [*shared, ["100", "1 ", "a", "Navis", "0", "(DE-588)1"]]


def test_what_marc_does_not_know_is_left_out_because_a_save_would_be_refused_for_it() -> None:
    fields = copied(
        ["008", "too short"], ["035", "  ", "a", "(X)1", "b", "own"], ["245", "x0", "a", "Judul", "c", "A", "c", "B"],
        ["245", "10", "a", "Judul lain"], ["260", "  ", "d", "1956"],
    )  # fmt: skip
    assert [field for field in fields if field[0] != "040"] == [
        ["035", "  ", "a", "(X)1"], ["245", "00", "a", "Judul", "c", "A"],
    ]  # fmt: skip


@pytest.mark.parametrize("name", sets())
def test_every_record_of_the_sets_can_be_saved_after_a_copy(name: str) -> None:
    for record in loaded(name):
        copy = copy_of(record, agency="X", copied_by="PKS")
        assert {fault.reason for fault in faults_of(copy)} <= {"MARC_FIELD_MISSING"}
