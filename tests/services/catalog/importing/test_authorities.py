"""Authority records are imported once, and give "see" and "see also"."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from sqlalchemy import func, select

from chassis.context import READER
from chassis.database.db import Database
from services.catalog.browse.lists import Row, forms_of_headings, see_references
from services.catalog.marc.faults import REASONS, MarcError
from services.catalog.marc.record import Record
from services.catalog.record.headings import authority_of, heading_sort
from services.catalog.tables import Authority, AuthorityForm
from tests.builders import book
from tests.services.catalog.conftest import Importer

LEADER = "00000nz  a2200000n  4500"


def authority(
    number: str, heading: str, *, tag: str = "100", see: Iterable[str] = (), also: Iterable[str] = ()
) -> Record:
    fields = [["001", number], ["003", "TEST"], [tag, "1 ", "a", heading]]
    fields += [[f"4{tag[1:]}", "1 ", "a", form] for form in see]
    fields += [[f"5{tag[1:]}", "1 ", "a", form] for form in also]
    return Record(LEADER, fields)


HAMKA = authority(
    "a1", "Hamka,", see=["Amrullah, Haji Abdul Malik Karim", "Buya Hamka"], also=["Karim Amrullah, Abdul"]
)


def counts(database: Database) -> tuple[int, int]:
    with database.reading(READER) as session:
        authorities = session.scalar(select(func.count()).select_from(Authority)) or 0
        return authorities, session.scalar(select(func.count()).select_from(AuthorityForm)) or 0


@pytest.mark.parametrize(
    ("fields", "kind", "forms"),
    [
        ([["100", "1 ", "a", "Rusli, Marah,", "d", "1889-1968"], ["400", "1 ", "a", "Roesli, Marah"]],
         "author", [("heading", "Rusli, Marah"), ("see", "Roesli, Marah")]),
        ([["150", "  ", "a", "Surau", "x", "Sejarah"], ["450", "  ", "a", "Langgar"], ["550", "  ", "a", "Masjid"]],
         "subject", [("heading", "Surau -- Sejarah"), ("see", "Langgar"), ("see_also", "Masjid")]),
        ([["130", " 0", "a", "Seri adat"], ["430", " 0", "a", "Seri adat", "p", "Kecil"]],
         "series", [("heading", "Seri adat"), ("see", "Seri adat Kecil")]),
        ([["110", "1 ", "a", "Indonesia.", "b", "Departemen Agama"], ["410", "2 ", "a", "Depag"]],
         "author", [("heading", "Indonesia. Departemen Agama"), ("see", "Depag")]),
        ([["100", "1 ", "a", "Navis, A. A.", "t", "Kemarau"], ["400", "1 ", "a", "Navis, A. A.", "t", "Musim kering"]],
         "title", [("heading", "Navis, A. A. Kemarau"), ("see", "Navis, A. A. Musim kering")]),
        ([["100", "0 ", "a", "Hamka"], ["400", "0 ", "w", "nnaa", "a", "Tersembunyi"], ["400", "0 ", "a", "Hamka"]],
         "author", [("heading", "Hamka")]),
    ],
)  # fmt: skip
def test_variants_and_related_headings_of_an_authority_record_are_read(
    fields: list[list[str]], kind: str, forms: list[tuple[str, str]]
) -> None:
    authority_record = authority_of(Record(LEADER, fields))
    assert (authority_record.kind, authority_record.heading, list(authority_record.forms)) == (kind, forms[0][1], forms)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ([["400", "1 ", "a", "Roesli"]], "AUTHORITY_WITHOUT_HEADING"),
        ([["100", "1 ", "a", " "]], "AUTHORITY_WITHOUT_HEADING"),
        ([["180", "  ", "x", "Sejarah"]], "AUTHORITY_KIND_UNKNOWN"),
    ],
)
def test_an_authority_record_without_heading_or_kind_is_rejected_with_its_reason(
    import_: Importer, fields: list[list[str]], reason: str
) -> None:
    with pytest.raises(MarcError) as bad:
        authority_of(Record(LEADER, fields))
    assert bad.value.reason == reason
    assert reason in REASONS
    counts = import_([Record(LEADER, [["001", "x"], *fields])])
    assert (counts.read, counts.put_aside, import_.reasons) == (1, 1, [reason])


def test_authorities_are_counted_with_the_others_and_put_in_once(database: Database, import_: Importer) -> None:
    records = [HAMKA, book("b1"), authority("a2", "Navis, A. A.")]
    first_counts = import_(records)
    assert (first_counts.read, first_counts.created, first_counts.unchanged) == (3, 3, 0)
    second_counts = import_(records)
    assert (second_counts.read, second_counts.created, second_counts.updated, second_counts.unchanged) == (3, 0, 0, 3)
    assert counts(database) == (2, 5)


def test_a_changed_authority_replaces_its_variants(database: Database, import_: Importer) -> None:
    import_([HAMKA])
    changed = import_([authority("a1", "Hamka", see=["Abdul Malik"])])
    assert changed.updated == 1
    with database.reading(READER) as session:
        row = session.scalars(select(Authority)).one()
        forms = session.scalars(select(AuthorityForm.text).order_by(AuthorityForm.position)).all()
    assert (row.version, list(forms)) == (2, ["Hamka", "Abdul Malik"])


def test_two_different_authorities_under_one_number_are_both_kept_and_stay_so(
    database: Database, import_: Importer
) -> None:
    records = [HAMKA, authority("a1", "Orang lain")]
    assert import_(records, dry_run=True).created == 2
    assert import_(records).created == 2
    assert import_(records).unchanged == 2
    assert counts(database)[0] == 2


def test_lists_have_see_and_see_also(database: Database, import_: Importer) -> None:
    import_([HAMKA, authority("a2", "Karim Amrullah, Abdul", also=["Hamka"])])
    with database.reading(READER) as session:
        variant = [Row(heading_sort(text), text, text) for text in ("Buya Hamka", "Hamka")]
        assert see_references(session, "author", variant) == {("buya hamka", "Buya Hamka"): ["Hamka"]}
        assert forms_of_headings(session, "author", "see_also", variant) == {
            ("hamka", "Hamka"): ["Karim Amrullah, Abdul"]
        }
        assert forms_of_headings(session, "author", "see", variant) == {
            ("hamka", "Hamka"): ["Amrullah, Haji Abdul Malik Karim", "Buya Hamka"]
        }
        assert see_references(session, "subject", variant) == {}
