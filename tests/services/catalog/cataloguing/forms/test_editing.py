"""What the page of a record's edit shows, from the tables."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from chassis.errors import Error
from chassis.ids import new_id
from services.catalog.cataloguing.forms.editing import MOST_LINES, EditedRecord, TypedRecord, open_record
from services.catalog.cataloguing.forms.marc_text import read_text, write_text
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import Record
from tests.builders import book
from tests.services.catalog.cataloguing.conftest import Cataloguer, titled
from tests.services.catalog.conftest import Importer

TOO_MANY = "LDR 00000nam a2200000   4500" + "\n500 ## $a x" * (MOST_LINES + 1)


def opened(cataloguer: Cataloguer, record_id: UUID | None = None, **given: Any) -> EditedRecord:
    values: dict[str, Any] = {"copy_of": "", "material": "", "typed": None, "version": 0, **given}
    with cataloguer.database.reading(cataloguer.context) as session:
        named = "" if record_id is None else str(record_id)
        return open_record(session, record_id=named, context=cataloguer.context, **values)


def newest(cataloguer: Cataloguer) -> UUID:
    """The id of the record that came last."""
    with cataloguer.database.reading(cataloguer.context) as session:
        return session.scalars(select(Record.id).order_by(Record.number.desc()).limit(1)).one()


def test_a_stored_record_is_opened_with_its_version_and_its_owner(cataloguer: Cataloguer, imported: UUID) -> None:
    first = opened(cataloguer, imported)
    assert (first.record, first.version, first.form.material) == (cataloguer.content(imported), 1, "book")
    assert (first.is_imported, first.source) == (True, "TEST")
    cataloguer.save(imported, 1, titled(first.record, "Lain"))
    second = opened(cataloguer, imported)
    assert (second.version, second.is_imported) == (2, False)
    assert not opened(cataloguer, cataloguer.create(book(None)).id).is_imported


def test_faults_of_the_typed_record_are_new_or_old_and_have_their_place(cataloguer: Cataloguer) -> None:
    old = book("N1", subjects=["Surau"])
    saved = cataloguer.create(old)
    typed = Marc(old.leader, [*old.fields, ["650", " 4", "q", "x"]])
    edited = opened(cataloguer, saved.id, typed=TypedRecord(text=write_text(typed)), version=1)
    assert [(fault.reason, fault.code, fault.place) for fault in edited.new] == [
        ("MARC_SUBFIELD_UNKNOWN", "q", len(old.fields))
    ]
    assert edited.old == []


def test_values_of_the_form_are_read_into_the_text_that_they_belong_to(cataloguer: Cataloguer) -> None:
    saved = cataloguer.create(book("N1"))
    base = write_text(opened(cataloguer, saved.id).record)
    typed = TypedRecord(base=base, values={"title-4-a0": "Judul", "language-f-0": "min"})
    edited = opened(cataloguer, saved.id, typed=typed, version=1)
    assert edited.record == book("N1", "Judul", language="min")


def test_lines_that_are_no_fields_are_named(cataloguer: Cataloguer) -> None:
    edited = opened(cataloguer, typed=TypedRecord(text="LDR 00000nam a2200000   4500\n245 10 $a x\nbukan ruas"))
    assert [(line.number, line.reason) for line in edited.bad_lines] == [(3, "TAG")]


def test_what_somebody_else_saved_meanwhile_is_merged_and_named(cataloguer: Cataloguer, imported: UUID) -> None:
    before = cataloguer.content(imported)
    cataloguer.save(imported, 1, Marc(before.leader, [*before.fields, ["500", "  ", "a", "Catatan orang lain"]]))
    mine = titled(before, "Judul saya")
    edited = opened(cataloguer, imported, typed=TypedRecord(text=write_text(mine)), version=1)
    assert [(each.tag, each.after) for each in edited.theirs] == [("500", "500 ## $aCatatan orang lain")]
    assert (edited.version, edited.record.text("245", "a")) == (2, "Judul saya")
    assert edited.record.values("500") == ["Catatan orang lain"]
    again = opened(cataloguer, imported, typed=TypedRecord(text=write_text(edited.record)), version=2)
    assert (again.theirs, again.record) == ([], edited.record)


def test_what_an_import_brought_meanwhile_is_named_and_the_typed_record_stays(
    cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    mine = titled(cataloguer.content(imported), "Judul saya")
    number = cataloguer.content(imported).control("001")
    import_([book(number, "Dari impor")])
    edited = opened(cataloguer, imported, typed=TypedRecord(text=write_text(mine)), version=1)
    assert edited.record == mine
    assert "Dari impor" in "".join(each.after for each in edited.theirs)


def test_a_copy_begins_a_new_record_without_what_belongs_to_the_other(
    cataloguer: Cataloguer, import_: Importer
) -> None:
    more = [
        ["005", "2026"],
        ["035", "  ", "a", "(X)1"],
        ["500", "  ", "a", "Catatan"],
        ["650", " 9", "a", "Surau", "q", "x"],
    ]
    import_([book("N1", items=[("PST", "1")], isbn="9789794030462", more=more)])
    copied = opened(cataloguer, copy_of=str(newest(cataloguer)))
    assert [field[0] for field in copied.record.fields] == ["008", "020", "100", "245", "264", "500", "650"]
    assert copied.version == 0
    assert copied.new == [], "the copy can be saved: it lacks the faults that the copied record has"


def test_a_new_record_begins_with_the_form_of_its_material(cataloguer: Cataloguer) -> None:
    record = opened(cataloguer, material="map").record
    assert record.leader[6] == "e"
    assert read_text(write_text(record)) == (record, [])
    assert cataloguer.create(Marc(record.leader, [*record.fields, ["245", "00", "a", "Peta"]])).version == 1


@pytest.mark.parametrize(
    "typed",
    [
        TypedRecord(text=TOO_MANY),
        TypedRecord(text=TOO_MANY.replace(" $a x", "")),
        TypedRecord(base=TOO_MANY, values={"title-4-a0": "Judul"}),
    ],
    ids=["text", "lines that are no field", "base"],
)
def test_a_text_of_far_too_many_lines_is_not_read(cataloguer: Cataloguer, imported: UUID, typed: TypedRecord) -> None:
    with pytest.raises(Error, match="FIELDS_TOO_MANY"):
        opened(cataloguer, imported, typed=typed, version=1)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"material": "nota"}, "MATERIAL_UNKNOWN"),
        ({"copy_of": str(new_id())}, "RECORD_NOT_FOUND"),
        ({"copy_of": "x"}, "RECORD_NOT_FOUND"),
        ({"record_id": new_id()}, "RECORD_UNKNOWN"),
        ({"typed": TypedRecord(text="x" * 1_000_001)}, "RECORD_TOO_LARGE"),
    ],
)
def test_what_cannot_be_opened_is_refused(cataloguer: Cataloguer, given: dict[str, Any], reason: str) -> None:
    with pytest.raises(Error) as refused:
        opened(cataloguer, **given)
    assert refused.value.reason == reason


def test_a_text_with_more_fields_than_a_record_may_have_is_shown_until_its_save_is_refused(
    cataloguer: Cataloguer, imported: UUID
) -> None:
    text = "LDR 00000nam a2200000   4500" + "\n500 ## $a x" * 2_001
    cataloguer.save(imported, 1, titled(opened(cataloguer, imported).record, "Lain"))
    assert len(opened(cataloguer, imported, typed=TypedRecord(text=text), version=1).record.fields) == 2_001
