"""A database connection that breaks during a call: the caller gets an error, and the next call works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from chassis import rpc
from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.rpc.client import sync_channel
from chassis.rpc.server import DatabaseCheck, Server
from chassis.settings import Settings
from tests.chassis.rpc import echo
from tests.chassis.rpc.echo import Echo, words

SETTINGS = Settings(grpc_port=0, grpc_threads=2)


class BrokenConnectionEcho(Echo):
    """An Echo whose database connection is broken between two statements on request."""

    def __init__(self, database: Database, owner_url: str) -> None:
        super().__init__()
        self._database, self._owner = database, create_engine(owner_url)

    def Say(self, request: Any, context: Any) -> Any:
        open_session = self._database.transaction if request.text == "write" else self._database.reading
        with open_session(rpc.context(context)) as session:
            process = session.scalar(text("SELECT pg_backend_pid()"))
            if request.number:
                with self._owner.begin() as owner:
                    owner.execute(text("SELECT pg_terminate_backend(:process)"), {"process": process})
            session.execute(text("SELECT 1"))
        return request

    SayOnce = Whisper = Confide = Say

    def close(self) -> None:
        self._owner.dispose()


@pytest.fixture
def stub(servers: dict[str, str], postgres_url: str, postgres_owner_url: str) -> Iterator[Any]:
    database = Database(postgres_url, pool_size=3)
    servicer = BrokenConnectionEcho(database, postgres_owner_url)
    server = Server(servicer, echo.add, SETTINGS, is_healthy=DatabaseCheck(database))
    server.start()
    with sync_channel(f"dns:///{server.address}", SETTINGS) as channel:
        yield echo.generated()[1].EchoStub(channel)
    server.stop(1)
    servicer.close()
    database.close()


@pytest.mark.parametrize("act", ["read", "write"])
def test_a_connection_lost_between_two_statements_is_an_outage_and_the_next_call_works(stub: Any, act: str) -> None:
    with pytest.raises(Unavailable) as raised:
        stub.SayOnce(words(act, 1))
    assert raised.value.reason == "DATABASE_UNAVAILABLE"
    assert stub.SayOnce(words(act, 0)).text == act


def test_an_unreachable_database_fails_its_check() -> None:
    unreachable = Database("postgresql+psycopg://nobody@127.0.0.1:1/nothing?connect_timeout=2")
    assert not DatabaseCheck(unreachable)()
    unreachable.close()
