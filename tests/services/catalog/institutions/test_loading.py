"""Institutions and branches from a file that people write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from google.protobuf.json_format import Parse
from sqlalchemy import select

from chassis.bus import outbox
from chassis.context import READER, system
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged
from services.catalog import sample
from services.catalog.institutions.file import read_institutions
from services.catalog.institutions.loading import load_institutions
from services.catalog.tables import Branch, Institution, Record
from tests.builders import book
from tests.services.catalog.conftest import Importer

GOOD = """
[[institution]]
code = "PKS"
kind = "public"
npp = "1371"
zone = "Asia/Jakarta"
name = { id = "Perpustakaan Kota Solok", en = "Solok City Library" }

[[institution.branch]]
code = "PST"
name = { id = "Pusat", en = "Main" }

[[institution.branch]]
code = "JYP"
zone = "Asia/Jayapura"
name = { id = "Jayapura", en = "Jayapura" }
"""


def read(folder: Path, text: str | bytes) -> list[dict[str, Any]]:
    path = folder / "institutions.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_institutions(path)


def load(database: Database, institutions_data: list[dict[str, Any]]) -> tuple[int, int, int]:
    with database.transaction(system("test")) as session:
        counts = load_institutions(session, institutions_data, context=system("test"))
    return counts.institutions, counts.branches, counts.changed


def branches(database: Database) -> dict[str, tuple[str, str, str, bool]]:
    with database.reading(READER) as session:
        return {
            row.code: (row.name_id, row.name_en, row.zone, row.confirmed) for row in session.scalars(select(Branch))
        }


def test_a_file_is_loaded_and_a_branch_has_its_institutions_zone_unless_it_says_otherwise(
    database: Database, tmp_path: Path
) -> None:
    assert load(database, read(tmp_path, GOOD)) == (1, 2, 3)
    assert branches(database) == {
        "PST": ("Pusat", "Main", "Asia/Jakarta", True),
        "JYP": ("Jayapura", "Jayapura", "Asia/Jayapura", True),
    }
    with database.reading(READER) as session:
        institution = session.scalars(select(Institution)).one()
    assert (institution.npp, institution.name_en) == ("1371", "Solok City Library")


def test_the_same_file_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    load(database, read(tmp_path, GOOD))
    assert load(database, read(tmp_path, GOOD)) == (1, 2, 0)


def test_fields_that_the_file_does_not_name_stay(database: Database, tmp_path: Path) -> None:
    load(database, read(tmp_path, GOOD))
    load(database, read(tmp_path, GOOD.replace('"PST"', '"BARU"')))
    assert set(branches(database)) == {"PST", "BARU", "JYP"}


def test_a_branch_that_an_import_named_becomes_confirmed_and_its_name_follows_to_the_records(
    import_: Importer, database: Database, tmp_path: Path
) -> None:
    import_([book("1", items=[("PST", "B1")]), book("2", items=[("LAIN", "B2")])])
    assert branches(database)["PST"][3] is False
    assert load(database, read(tmp_path, GOOD))[2] == 3
    assert branches(database)["PST"] == ("Pusat", "Main", "Asia/Jakarta", True)
    assert branches(database)["LAIN"][3] is False
    with database.reading(READER) as session:
        holdings = [orjson.loads(text)[0] for text in session.scalars(select(Record.holdings).order_by(Record.number))]
    assert holdings[0]["branch_name"] == {"id": "Pusat", "en": "Main"}
    assert holdings[1]["branch"] == "LAIN"
    assert holdings[1]["branch_name"] != {"id": "Pusat", "en": "Main"}


def test_the_sample_library_has_five_branches_of_three_institutions(database: Database) -> None:
    institution_count, places, _ = load(database, read_institutions(sample.institutions_path()))
    assert institution_count == 3
    assert places >= 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no [[institution]]"),
        ("a = = 1", "line 1"),
        (b"\xff\xfe", "utf-8"),
        (GOOD.replace('code = "PKS"\n', ""), "needs a code"),
        (GOOD.replace(', en = "Main"', ""), "branch PKS/PST: name needs id and en"),
        (GOOD.replace('name = { id = "Pusat", en = "Main" }', 'name = "Pusat"'), "branch PKS/PST"),
        (GOOD.replace("Asia/Jakarta", "WIB"), "zone must be one such as Asia/Jakarta"),
        (GOOD.replace('zone = "Asia/Jakarta"\n', ""), "zone"),
        (GOOD.replace("1371", "1" * 33), "npp must be a text of at most 32"),
        (GOOD.replace('"1371"', "1371"), "npp must be a text"),
        (GOOD.replace('"PST"', f'"{"P" * 65}"'), "code"),
        ('institution = "PKS"', "institution: it must be a table"),
        (GOOD.split("[[institution.branch]]")[0] + 'branch = "PST"', "branch PKS: it must be a table"),
        (GOOD + GOOD, "institution PKS occurs twice"),
        (GOOD.replace("Asia/Jakarta", "Asia"), "zone must be one such as Asia/Jakarta"),
        (GOOD.replace('"JYP"', '"PST"'), "branch PKS/PST occurs twice"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_as_a_whole_and_says_what_is_wrong(
    tmp_path: Path, text: str | bytes, expected: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        read(tmp_path, text)
    assert refusal.value.reason == "INSTITUTIONS_FILE"
    why = refusal.value.facts["why"]
    assert expected in why.en
    assert why.id != why.en
    assert why.id in refusal.value.sentence.id
    assert str(tmp_path) in refusal.value.sentence.id


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        read_institutions(tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as refusal:
        read_institutions(tmp_path / "nowhere.toml")
    assert refusal.value.reason == "PATH_NOT_FOUND"


def test_a_new_or_changed_institution_is_published_once_with_a_growing_version(
    database: Database, tmp_path: Path
) -> None:
    institutions_data = read(tmp_path, GOOD)
    load(database, institutions_data)
    load(database, institutions_data)
    institutions_data[0]["name"]["en"] += " of the town"
    load(database, institutions_data)
    with database.reading(system("test")) as session:
        changes = [Parse(event.body, InstitutionsChanged()) for event in outbox.unpublished(session, limit=10)]
    copies = [[(copy.code, copy.version) for copy in change.institutions] for change in changes]
    assert copies == [[(entry["code"], 1) for entry in institutions_data], [(institutions_data[0]["code"], 2)]]
    assert changes[1].institutions[0].name.en.endswith("of the town")
