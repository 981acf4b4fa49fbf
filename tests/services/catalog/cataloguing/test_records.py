"""Records that cataloguers create, edit, delete and restore."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from chassis import clock
from chassis.audit import acts
from chassis.bus.outbox import outbox
from chassis.context import READER
from chassis.database.db import Database
from chassis.errors import Error, Gone, Invalid, NotFound, Outdated, Refused
from chassis.ids import new_id
from services.catalog.cataloguing.records import LONGEST_BYTES, MOST_FIELDS, read_marc
from services.catalog.importing.sources import sources
from services.catalog.marc import marcjson
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import EditedRecord, IndexQueue, Institution, Item, ItemState, NumberedChange, Record
from tests.builders import book
from tests.services.catalog.cataloguing.conftest import Cataloguer, titled
from tests.services.catalog.conftest import Importer
from tests.services.catalog.items.test_identities import take_events


def refusal(call: Any, *args: Any, **values: Any) -> Error:
    with pytest.raises(Error) as refused:
        call(*args, **values)
    return refused.value


def test_a_created_record_is_stored_whole_queued_numbered_published_and_audited(
    database: Database, cataloguer: Cataloguer
) -> None:
    saved = cataloguer.create(book("N1", "Negeri 5 menara", items=[("PST", "Z")]))
    row = cataloguer.row(saved.id)
    assert (saved.version, row.version, row.control_key) == (1, 1, "(TEST)N1")
    assert cataloguer.content(saved.id) == book("N1", "Negeri 5 menara", items=[("PST", "Z")])
    with database.reading(READER) as session:
        assert session.get(IndexQueue, row.number) is not None
        assert session.get(NumberedChange, row.number) is not None
        assert session.scalars(select(Item).where(Item.record_number == row.number)).all() == []
        assert {source.code for source in sources(session)} == {"TEST", "here:PKS"}
        bodies = "".join(session.scalars(select(outbox.c.body)).all())
        audited = session.execute(select(acts.c.act, acts.c.object, acts.c.actor)).all()
    assert str(saved.id) in bodies
    assert [tuple(act) for act in audited] == [("catalog.create_record", str(saved.id), "account-1")]


def test_a_record_without_a_control_number_gets_one_and_a_taken_number_is_refused(cataloguer: Cataloguer) -> None:
    saved = cataloguer.create(book(None))
    assert cataloguer.content(saved.id).control("001") == saved.id.hex
    cataloguer.create(book("N1"))
    assert refusal(cataloguer.create, book("N1", "Lain")).reason == "CONTROL_NUMBER_TAKEN"


def test_an_edit_is_a_new_version_and_the_items_stay_with_the_new_title(
    database: Database, cataloguer: Cataloguer, imported: UUID
) -> None:
    take_events(database)
    edited = Marc("00000nam a2200000 i 4500", [["001", "1"], ["003", "TEST"], ["245", "10", "a", "Kemarau panjang"]])
    assert cataloguer.save(imported, 1, edited).version == 2
    row = cataloguer.row(imported)
    assert (row.version, row.marc_version, cataloguer.content(imported)) == (2, 2, edited)
    assert b'"items":2' in row.holdings
    assert {(item["barcode"], item["title"]) for item in take_events(database)} == {
        ("A", "Kemarau panjang"),
        ("B", "Kemarau panjang"),
    }
    with database.reading(READER) as session:
        assert len(session.scalars(select(Item)).all()) == 2
        assert session.get(IndexQueue, row.number).version == 2  # type: ignore[union-attr]


def test_two_editors_of_one_record_one_is_refused_and_nothing_is_lost(cataloguer: Cataloguer, imported: UUID) -> None:
    base = cataloguer.content(imported)
    mine, theirs = titled(base, "Kemarau panjang"), Marc(base.leader, [*base.fields, ["650", " 4", "a", "Novel"]])
    barrier, problems = threading.Barrier(2), []

    def save(marc: Marc) -> None:
        barrier.wait()
        try:
            cataloguer.save(imported, 1, marc)
        except Outdated as outdated:
            problems.append(outdated)

    threads = [threading.Thread(target=save, args=(marc,)) for marc in (mine, theirs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (problem,) = problems
    stored = cataloguer.content(imported)
    assert stored in (mine, theirs)
    assert (problem.facts["version"], problem.facts["given"]) == (2, 1)
    assert problem.facts["changed"] == (["245"] if stored == mine else ["650"])
    assert [version.version for version in cataloguer.versions(imported)] == [2, 1]
    assert cataloguer.versions(imported)[1].record == base


def test_a_conflict_names_what_all_later_versions_changed(cataloguer: Cataloguer, imported: UUID) -> None:
    base = cataloguer.content(imported)
    cataloguer.save(imported, 1, titled(base, "Dua"))
    cataloguer.save(imported, 2, Marc("00000cam a2200000 i 4500", titled(base, "Dua").fields))
    problem = refusal(cataloguer.save, imported, 1, titled(base, "Lain"))
    assert (problem.reason, problem.facts["changed"]) == ("VERSION_OUTDATED", ["245", "leader"])
    assert refusal(cataloguer.save, imported, 9, base).reason == "VERSION_OUTDATED"


def test_a_save_that_is_repeated_changes_nothing(cataloguer: Cataloguer, imported: UUID) -> None:
    edited = titled(cataloguer.content(imported), "Kemarau panjang")
    assert cataloguer.save(imported, 1, edited) == cataloguer.save(imported, 1, edited)
    assert len(cataloguer.versions(imported)) == 2


@pytest.mark.parametrize("control", [[["001", "2"], ["003", "TEST"]], [["001", "1"]], []])
def test_the_control_number_of_a_record_stays(cataloguer: Cataloguer, imported: UUID, control: list[list[str]]) -> None:
    base = cataloguer.content(imported)
    changed = Marc(base.leader, [*control, *(field for field in base.fields if field[0] not in ("001", "003"))])
    problem = refusal(cataloguer.save, imported, 1, changed)
    assert (problem.reason, problem.facts["stored"]) == ("CONTROL_NUMBER_CHANGED", "(TEST)1")
    assert cataloguer.content(imported) == base


def test_content_that_an_older_release_imported_begins_a_new_history(
    database: Database, cataloguer: Cataloguer, imported: UUID
) -> None:
    base = cataloguer.content(imported)
    cataloguer.save(imported, 1, titled(base, "Kemarau panjang"))
    brought = titled(base, "Dari impor")
    with database.transaction(cataloguer.context) as session:
        session.execute(update(Record).values(marc=brought.pack(), fingerprint=brought.fingerprint(), version=3))
    assert cataloguer.versions(imported) == []
    problem = refusal(cataloguer.save, imported, 2, titled(base, "Lain"))
    assert (problem.reason, problem.facts["changed"]) == ("VERSION_OUTDATED", ["245"])
    cataloguer.save(imported, 3, titled(base, "Empat"))
    newest, oldest = cataloguer.versions(imported)
    assert (newest.version, newest.act, newest.differences[0].before) == (4, "edit", "245 10 $aDari impor")
    assert (oldest.version, oldest.act, oldest.record) == (3, "import", brought)


def test_an_item_that_came_meanwhile_is_no_conflict(cataloguer: Cataloguer, imported: UUID, import_: Importer) -> None:
    import_([book("2", "Lain", items=[("PST", "C")])])
    cataloguer.save(imported, 1, titled(cataloguer.content(imported), "Dua"))
    # The barcode of another record moves to this one: a new version with the same content.
    import_([book("2", "Lain")])
    import_([book("1", "Kemarau", items=[("PST", "A"), ("PST", "B"), ("PST", "C")])])
    assert cataloguer.row(imported).version == 3
    assert cataloguer.save(imported, 2, titled(cataloguer.content(imported), "Tiga")).version == 4


def test_a_change_of_an_import_is_a_conflict_that_names_the_fields_that_differ(
    cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    base = cataloguer.content(imported)
    import_([book("1", "Kemarau baru", items=[("PST", "A"), ("PST", "B")])])
    assert refusal(cataloguer.save, imported, 1, base).facts["changed"] == ["245"]


def test_a_record_with_items_is_not_deleted(database: Database, cataloguer: Cataloguer, imported: UUID) -> None:
    with database.transaction(cataloguer.context) as session:
        item = session.scalars(select(Item).where(Item.barcode == "A")).one()
        out = {"institution_id": item.institution_id, "state": "on_loan", "state_version": 1, "due_on": "2026-12-09"}
        session.add(ItemState(item_id=item.id, **out))
    problem = refusal(cataloguer.delete, imported, 1)
    assert (problem.reason, problem.facts) == ("RECORD_HAS_ITEMS", {"items": 2, "out": 1})


def test_a_record_whose_items_are_withdrawn_is_deleted_and_restored(
    database: Database, cataloguer: Cataloguer, imported: UUID, import_: Importer
) -> None:
    with database.transaction(cataloguer.context) as session:
        for item in session.scalars(select(Item)):
            item.status = "withdrawn"
    base = cataloguer.content(imported)
    assert refusal(cataloguer.delete, imported, 7).reason == "VERSION_OUTDATED"
    cataloguer.delete(imported, 1)
    with pytest.raises(Gone):
        cataloguer.content(imported)
    import_([book("1", "Kemarau baru")])
    assert cataloguer.row(imported).deleted_at is not None
    assert cataloguer.restore(imported).version == 3
    assert cataloguer.content(imported) == base
    assert [version.act for version in cataloguer.versions(imported)] == ["restore", "delete", "import"]


def test_an_earlier_content_comes_back_as_a_new_version(cataloguer: Cataloguer, imported: UUID) -> None:
    base = cataloguer.content(imported)
    cataloguer.save(imported, 1, titled(base, "Dua"))
    cataloguer.save(imported, 2, titled(base, "Tiga"))
    assert cataloguer.restore(imported, 1).version == 4
    assert cataloguer.content(imported) == base
    assert cataloguer.restore(imported, 3).version == 5
    assert cataloguer.content(imported) == titled(base, "Tiga")
    with pytest.raises(NotFound):
        cataloguer.restore(imported, 9)
    assert refusal(cataloguer.restore, imported).reason == "VERSION_MISSING"
    assert refusal(cataloguer.restore, imported, 1, version=4).reason == "VERSION_OUTDATED"


def test_the_versions_of_a_record_tell_who_changed_what(cataloguer: Cataloguer, imported: UUID) -> None:
    base = cataloguer.content(imported)
    cataloguer.save(imported, 1, Marc(base.leader, [*titled(base, "Dua").fields, ["650", " 4", "a", "Novel"]]))
    newest, oldest = cataloguer.versions(imported)
    assert (newest.version, newest.actor, newest.act) == (2, "account-1", "edit")
    assert [(change.tag, change.before, change.after) for change in newest.differences] == [
        ("245", "245 10 $aKemarau", "245 10 $aDua"),
        ("650", "", "650 #4 $aNovel"),
    ]
    assert (oldest.version, oldest.actor, oldest.act, oldest.differences) == (1, "", "import", [])


def test_only_records_of_ones_own_institution_are_edited(cataloguer: Cataloguer, imported: UUID) -> None:
    stranger = Cataloguer(cataloguer.database, replace(cataloguer.context, institution=str(new_id())))
    for act in (
        lambda: stranger.save(imported, 1, book("1", "Lain")),
        lambda: stranger.delete(imported, 1),
        lambda: stranger.restore(imported, 1),
        lambda: stranger.versions(imported),
    ):
        assert refusal(act).reason == "RECORD_UNKNOWN"
    assert refusal(cataloguer.save, new_id(), 1, book("1")).reason == "RECORD_UNKNOWN"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "JSON_MALFORMED"),
        (b"[]", "NOT_MARCJSON"),
        (b'{"leader": "x", "fields": []}', "NO_FIELDS"),
        (b'{"leader": "x", "fields": [{"245": {"subfields": "a"}}]}', "FIELD_BAD"),
        (b'{"leader": "x", "fields": [{"245": {"ind1": "1", "ind1": "2", "subfields": []}}]}', "DUPLICATE_KEYS"),
        (b'{"fields": [{"001": "1"}]}', "LEADER_BAD"),
        (b'{"leader": null, "fields": [{"001": "1"}]}', "LEADER_BAD"),
        (b'{"leader": "00000nz  a2200000   4500", "fields": [{"001": "1"}]}', "NOT_BIBLIOGRAPHIC"),
        (b" " * (LONGEST_BYTES + 1), "RECORD_TOO_LARGE"),
        (marcjson.encode(book("1", subjects=["a"] * MOST_FIELDS)), "FIELDS_TOO_MANY"),
    ],
)
def test_a_body_that_is_no_record_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_marc(content)
    assert refused.value.reason == reason


def test_a_sandbox_has_no_records_of_its_own(database: Database, cataloguer: Cataloguer) -> None:
    with database.transaction(cataloguer.context) as session:
        session.scalars(select(Institution)).one().code = "SANDBOX-1"
    problem = refusal(cataloguer.create, book("N1"))
    assert isinstance(problem, Refused)
    assert problem.reason == "SANDBOX_WITHOUT_CATALOGUE"


def test_a_record_of_a_sandbox_is_not_published_by_a_restoration(
    database: Database, cataloguer: Cataloguer, imported: UUID
) -> None:
    with database.transaction(cataloguer.context) as session:
        session.scalars(select(Institution)).one().code = "SANDBOX-1"
        session.scalars(select(Record)).one().deleted_at = clock.now()
    assert refusal(cataloguer.restore, imported).reason == "SANDBOX_WITHOUT_CATALOGUE"
    assert cataloguer.row(imported).deleted_at is not None


def test_hostile_texts_stay_text(database: Database, cataloguer: Cataloguer) -> None:
    texts = [
        "<script>alert(1)</script>",
        "'; DROP TABLE records; --",
        "{{7*7}}",
        "\u202eabc",
        "a\x00b",
        "$a",
        "😀" * 50,
    ]
    for number, text in enumerate(texts):
        marc = book(f"H{number}", text, author=text, subjects=[text])
        saved = cataloguer.create(read_marc(marcjson.encode(marc)))
        assert cataloguer.content(saved.id).fields == marc.fields
        cataloguer.save(saved.id, 1, titled(marc, f"{text} lagi"))
        assert cataloguer.versions(saved.id)[1].record.fields == marc.fields
    with database.reading(READER) as session:
        assert len(session.scalars(select(EditedRecord)).all()) == len(texts)
