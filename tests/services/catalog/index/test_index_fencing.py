"""A holder whose index lease on PostgreSQL has ended deletes no rows of the queue and swaps no index."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from sqlalchemy import text

from chassis.context import system
from chassis.database.db import Database
from chassis.errors import Conflict
from chassis.jobs.lease import FencedDatabase, Lease, Leases
from services.catalog.index.indexer import Indexer
from services.catalog.index.port import Change, Index
from services.catalog.index.rebuilds import request_rebuild
from tests.services.catalog.indexes import books, numbers, queued_rows, rebuild_requests, run_indexer

ROLE = "index"


@pytest.fixture(params=[pytest.param("postgresql", marks=pytest.mark.servers)])
def database(database: Database) -> Database:
    """PostgreSQL: only there a lease can end while its holder runs."""
    return database


@pytest.fixture
def lease(database: Database) -> Iterator[Lease]:
    with Leases(database).hold(ROLE, threading.Event()) as lease:
        assert lease is not None
        yield lease


def oversleep(database: Database) -> None:
    """Let the lease end and another process take the role, unknown to the first holder."""
    with database.transaction(system("test")) as session:
        session.execute(text("UPDATE leases SET until = clock_timestamp() - interval '1 minute'"))
    assert Leases(database).try_hold(ROLE) is not None


def test_changes_that_a_former_holder_wrote_stay_queued_for_the_next_holder(
    database: Database, index: Index, lease: Lease, import_: Callable[..., object]
) -> None:
    indexer = run_indexer(database, index, Indexer(FencedDatabase(database, lease), index))
    import_(books("Sitti Nurbaya"))

    class Slow(type(index)):  # type: ignore[misc]
        def write(self, changes: Sequence[Change]) -> None:
            super().write(changes)
            oversleep(database)

    plain, index.__class__ = index.__class__, Slow
    with pytest.raises(Conflict) as refusal:
        indexer.step()
    assert refusal.value.reason == "LEASE_LOST"
    assert len(queued_rows(database)) == 1
    index.__class__ = plain
    run_indexer(database, index)
    assert (len(queued_rows(database)), len(numbers(index))) == (0, 1)


def test_a_former_holder_cannot_swap_its_new_index(
    database: Database, index: Index, lease: Lease, import_: Callable[..., object]
) -> None:
    import_(books("Sitti Nurbaya", "Salah Asuhan"))
    indexer = run_indexer(database, index, Indexer(FencedDatabase(database, lease), index))
    live = index.name()
    request_rebuild(database)
    oversleep(database)
    with pytest.raises(Conflict):
        indexer.step()
    assert (index.name(), rebuild_requests(database)[-1].state) == (live, "wanted")
    run_indexer(database, index)
    assert index.name() != live
    assert len(numbers(index)) == 2
