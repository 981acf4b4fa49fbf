"""Faults of records are named by field, subfield and reason; a save is refused for those that it brings."""

from __future__ import annotations

from uuid import UUID

import pytest

from chassis.errors import Invalid
from services.catalog.cataloguing.faults import Fault, faults_of, refuse_new_faults
from services.catalog.marc.record import Record as Marc
from tests.builders import book
from tests.services.catalog.cataloguing.conftest import Cataloguer

SOUND = Marc("00000nam a2200000 i 4500", [["001", "1"], ["245", "10", "a", "Kemarau"]])


def with_field(*fields: list[str]) -> Marc:
    return Marc(SOUND.leader, [*SOUND.fields, *fields])


@pytest.mark.parametrize(
    ("record", "fault"),
    [
        (Marc(SOUND.leader, [["001", "1"]]), Fault("MARC_FIELD_MISSING", "245", "a")),
        (Marc(SOUND.leader, [["245", "10", "a", " "]]), Fault("MARC_FIELD_MISSING", "245", "a")),
        (with_field(["001", "2"]), Fault("MARC_FIELD_REPEATED", "001")),
        (with_field(["100", "1 ", "a", "A"], ["100", "1 ", "a", "B"]), Fault("MARC_FIELD_REPEATED", "100")),
        (with_field(["008", "260101"]), Fault("MARC_FIELD_LENGTH", "008", value="6")),
        (with_field(["650", " 9", "a", "A"]), Fault("MARC_INDICATOR", "650", "2", "9")),
        (with_field(["490", "  ", "a", "A"]), Fault("MARC_INDICATOR", "490", "1", "#")),
        (with_field(["020", "  ", "b", "A"]), Fault("MARC_SUBFIELD_UNKNOWN", "020", "b")),
        (with_field(["020", "  ", "a", "A", "a", "B"]), Fault("MARC_SUBFIELD_REPEATED", "020", "a")),
        (Marc("00000dam a2200000 i 4500", SOUND.fields), Fault("MARC_STATUS_REFUSED", "leader", value="d")),
    ],
)
def test_a_fault_names_its_field_its_subfield_and_its_reason(record: Marc, fault: Fault) -> None:
    assert list(faults_of(record)) == [fault]


def test_sound_records_have_no_faults() -> None:
    assert list(faults_of(with_field(["999", "xx", "q", "local"], ["650", " 4", "a", "A", "9", "7"]))) == []
    assert list(faults_of(book("1", isbn="9789794030462", subjects=["Novel"], items=[("PST", "A")]))) == []


def test_a_save_is_refused_for_the_faults_it_brings_in(cataloguer: Cataloguer, imported: UUID) -> None:
    base = cataloguer.content(imported)
    bad = ["650", " 9", "a", "Novel"]
    with pytest.raises(Invalid) as refused:
        cataloguer.save(imported, 1, Marc(base.leader, [*base.fields, bad, ["020", "  ", "b", "x"]]))
    assert [(refusal.reason, refusal.facts) for refusal in refused.value.refusals] == [
        ("MARC_INDICATOR", {"tag": "650", "indicator": "2", "given": "9"}),
        ("MARC_SUBFIELD_UNKNOWN", {"tag": "020", "code": "b"}),
    ]
    assert cataloguer.content(imported) == base
    with pytest.raises(Invalid):
        cataloguer.create(Marc(base.leader, [["100", "1 ", "a", "Navis"]]))


def test_faults_that_were_there_before_are_reported_and_not_refused() -> None:
    before = with_field(["650", " 9", "a", "Novel"])
    after = with_field(["650", " 9", "a", "Roman"])
    assert refuse_new_faults(after, before) == [Fault("MARC_INDICATOR", "650", "2", "9")]
    with pytest.raises(Invalid):
        refuse_new_faults(with_field(*[["650", " 9", "a", text] for text in "AB"]), before)
