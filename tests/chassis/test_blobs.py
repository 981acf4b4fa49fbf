"""Files of institutions in the database of a service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from chassis import clock
from chassis.context import READER, Context, system
from chassis.database import blobs
from chassis.database.blobs import Rendition
from chassis.database.db import Database
from chassis.errors import Error
from chassis.operations.testing import migrated_database
from tests.example_services.stock.service import SERVICE
from tests.migrated import MigratedDatabases

OWN, OTHER = UUID(int=1), UUID(int=2)
TEST = system("test")
PHOTO = [Rendition("image/jpeg", b"wide", 960), Rendition("image/jpeg", b"narrow", 480)]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Database]:
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    with migrated.open(SERVICE, request.param, tmp_path) as database:
        yield database


def put(database: Database, renditions: list[Rendition] = PHOTO, *, owner: UUID = OWN, caller: Context = TEST) -> str:
    with database.transaction(caller) as session:
        return blobs.put(session, owner, renditions)


def get(database: Database, file_id: str, width: int = 0) -> Rendition:
    with database.reading(READER) as session:
        return blobs.get(session, file_id, width=width)


def drop(database: Database, file_id: str, *, owner: UUID = OWN, days: int = 0) -> None:
    """Drop a file so many days ago."""
    with database.transaction(TEST) as session:
        blobs.drop(session, owner, [file_id])
        if days:
            then = clock.now() - days * blobs.KEPT
            session.execute(update(blobs.blobs).where(blobs.blobs.c.id == file_id).values(dropped_at=then))


def reason(call: object, *args: object, **values: object) -> str:
    with pytest.raises(Error) as refusal:
        call(*args, **values)  # type: ignore[operator]
    return refusal.value.reason


def test_the_narrowest_rendition_that_is_wide_enough_is_served(database: Database) -> None:
    file_id = put(database)
    assert [get(database, file_id, width).content for width in (0, 1, 480, 481, 960, 9999)] == [
        b"wide", b"narrow", b"narrow", b"wide", b"wide", b"wide",
    ]  # fmt: skip


def test_the_same_file_is_stored_once_for_each_institution(database: Database) -> None:
    assert put(database) == put(database) == put(database, owner=OTHER)
    with database.reading(READER) as session:
        assert session.scalar(select(func.count()).select_from(blobs.blobs)) == 4


def test_a_file_that_one_institution_drops_stays_with_the_other(database: Database) -> None:
    file_id = put(database)
    put(database, owner=OTHER)
    drop(database, file_id, days=2)
    put(database, [Rendition("image/png", b"logo", 9)])
    assert get(database, file_id).content == b"wide"


def test_a_dropped_file_is_readable_for_a_day_and_stays_when_it_is_stored_again(database: Database) -> None:
    file_id = put(database)
    drop(database, file_id)
    assert get(database, file_id)
    put(database)
    drop(database, "none", days=0)
    assert get(database, file_id)
    drop(database, file_id, days=2)
    drop(database, "none")
    assert reason(get, database, file_id) == "FILE_NOT_FOUND"


def test_an_institution_has_so_many_bytes(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "MOST_BYTES", 20)
    put(database)
    assert reason(put, database, [Rendition("image/png", b"x" * 11)]) == "FILES_FULL"
    assert put(database, [Rendition("image/png", b"x" * 10)])
    assert put(database, [Rendition("image/png", b"x" * 20)], owner=OTHER)
    assert put(database) == blobs.id_of(PHOTO)


@pytest.mark.servers
def test_on_postgresql_an_institution_stores_no_file_for_another(postgres_url: str, postgres_owner_url: str) -> None:
    with migrated_database(SERVICE, postgres_url, owner_url=postgres_owner_url) as database:
        caller = replace(READER, institution=str(OWN))
        assert put(database, caller=caller)
        with pytest.raises(Exception, match="row-level security"):
            put(database, owner=OTHER, caller=caller)
