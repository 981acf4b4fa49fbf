"""Similar records."""

from __future__ import annotations

from uuid import UUID, uuid4

import orjson
import pytest
from sqlalchemy import update

from chassis.context import READER, system
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound
from services.catalog.index.port import Index
from services.catalog.marc.record import Record
from services.catalog.search.similar import SimilarRecord, similar
from services.catalog.tables import Record as Row
from tests.builders import book as made
from tests.fakes.library import Library, book
from tests.services.catalog.conftest import Importer
from tests.services.catalog.indexes import run_indexer


def list_similar(library: Library, query: str, limit: int = 0) -> list[SimilarRecord]:
    record_id = UUID(library.find(query).hits[0].id)
    return similar(library.database, library.index, context=READER, record_id=record_id, limit=limit)


def titles(records: list[SimilarRecord]) -> list[str]:
    return [orjson.loads(record.brief)["title"] for record in records]


def test_a_rare_subject_has_more_weight_than_a_common_one(library: Library) -> None:
    library.put([book("Awal", subject="Surau"), book("Jauh", subject="Surau"), book("Dekat", author="Navis, A. A.")])
    library.put(book(f"Lain {number}", author="Navis, A. A.") for number in range(20))
    library.put([book("Asal", subject="Surau", author="Navis, A. A.")])
    similar_records = list_similar(library, "asal")
    assert titles(similar_records)[:2] == ["Awal", "Jauh"]
    assert (similar_records[0].reason.id, similar_records[0].reason.en) == (
        "Subjek yang sama: Surau",
        "Same subject: Surau",
    )
    assert similar_records[2].reason.id == "Pengarang yang sama: Navis, A. A."


def test_editions_of_one_work_are_one_similar_record(database: Database, import_: Importer, index: Index) -> None:
    record = made("r1", "Robohnya surau kami", subjects=["Surau"])
    import_(
        [
            record,
            made("r2", "Robohnya surau kami", year="1986", subjects=["Surau"]),
            made("r3", "Kemarau", subjects=["Surau"]),
            made("r4", "Kemarau", year="1992", subjects=["Surau"]),
            made("r5", "Rumah gadang", author="Lain, Orang", subjects=["Surau"]),
        ]
    )
    run_indexer(database, index)
    similar_records = list_similar(Library(database, index), "robohnya tahun:1956")
    assert titles(similar_records) == ["Kemarau", "Rumah gadang"]


def test_a_class_is_the_last_of_reasons(database: Database, import_: Importer, index: Index) -> None:
    for number, title in (("r1", "Satu"), ("r2", "Dua")):
        import_([made(number, title, author="", more=[["082", "  ", "a", "899.221"]])], source=number)
    import_([made(f"x{at}", f"Lain {at}", author="") for at in range(4)], source="x")
    run_indexer(database, index)
    similar_records = list_similar(Library(database, index), "satu")
    assert [record.reason.en for record in similar_records] == ["Same class: 899"]


def test_a_record_is_not_similar_to_itself_or_to_records_without_shared_headings(library: Library) -> None:
    library.put([book("Sendiri", subject="Surau", author="Navis, A. A."), book("Lain", subject="Adat")])
    assert list_similar(library, "sendiri") == []


def many_subjects(title: str, *subjects: str) -> Record:
    record = book(title)
    record.fields += [["650", "  ", "a", subject] for subject in subjects]
    return record


def test_a_shared_heading_may_be_the_last_of_many(library: Library) -> None:
    others = [f"Hal {at}" for at in range(30)]
    library.put([book("Asal", subject="Surau"), many_subjects("Segala hal", *others, "Surau"), book("Lain")])
    similar_records = list_similar(library, "asal")
    assert titles(similar_records) == ["Segala hal"]
    assert similar_records[0].reason.en == "Same subject: Surau"
    assert titles(list_similar(library, "segala")) == [], "who is about everything is like little"


def test_a_record_that_shares_nothing_any_more_is_left_out(library: Library) -> None:
    library.put([book("Asal", subject="Surau"), book("Dulu", subject="Surau"), book("Kini", subject="Surau")])
    with library.database.transaction(system("test")) as session:  # without a change of the index
        changed = book("Dulu", subject="Adat").pack()
        session.execute(update(Row).where(Row.number == 2).values(marc=changed))
    assert titles(list_similar(library, "asal")) == ["Kini"]


def test_similar_records_are_at_most_the_limit(sample_library: Library) -> None:
    assert len(list_similar(sample_library, "robohnya surau kami")) == 6
    similar_records = list_similar(sample_library, "robohnya surau kami", limit=20)
    assert len(similar_records) == len({record.id for record in similar_records}) == 20
    assert all(record.reason.id and record.reason.en for record in similar_records)


def test_an_unknown_record_is_refused(sample_library: Library) -> None:
    with pytest.raises(NotFound):
        similar(sample_library.database, sample_library.index, context=READER, record_id=uuid4())
    with pytest.raises(Invalid):
        list_similar(sample_library, "robohnya surau kami", limit=21)
