"""Limits of time on connections to PostgreSQL, by kind of work and by the kernel."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from chassis.context import READER, Context, system
from chassis.database import postgres
from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.rpc.interceptors import unexpected
from tests.conditions import eventually
from tests.fakes.proxy import Proxy, proxy_to

SHOW = text("SHOW statement_timeout")
KNOWN_SECONDS = 2.0  # until a caller knows that the server is silent


@pytest.fixture
def database(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url, pool_size=2)
    yield database
    database.close()


@pytest.fixture
def proxied(postgres_url: str) -> Iterator[tuple[Database, Proxy]]:
    """A database behind a proxy."""
    url = make_url(postgres_url)
    with proxy_to(str(url.host), int(url.port or 0)) as proxy:
        database = Database(url.set(port=proxy.port).render_as_string(hide_password=False), pool_size=2)
        yield database, proxy
        database.close()


@pytest.mark.parametrize("moment", ["idle", "in a transaction", "at the first connection"])
def test_a_silent_server_is_known_within_two_seconds(proxied: tuple[Database, Proxy], moment: str) -> None:
    database, proxy = proxied
    with ExitStack() as stack:
        if moment == "idle":
            database.rows("SELECT 1", ())
        session = stack.enter_context(database.reading(READER)) if moment == "in a transaction" else None
        proxy.stall()
        start = time.monotonic()
        with pytest.raises((Unavailable, OperationalError)) as raised:
            session.execute(text("SELECT 1")) if session is not None else database.rows("SELECT 1", ())
        seconds = time.monotonic() - start
    assert "DATABASE_UNAVAILABLE" in str(raised.value) or session is not None
    assert seconds < KNOWN_SECONDS
    proxy.silence()
    proxy.open()
    eventually(lambda: _answers(database))


def _answers(database: Database) -> bool:
    try:
        return database.rows("SELECT 1", ()) == [(1,)]
    except Unavailable:
        return False


def test_a_slow_server_is_waited_for(proxied: tuple[Database, Proxy], caplog: pytest.LogCaptureFixture) -> None:
    database, proxy = proxied
    proxy.delay_seconds = 0.1  # a new connection takes 0.7 s
    assert database.rows("SELECT 1", ()) == [(1,)]
    with database.reading(Context(deadline=time.monotonic() + 60)) as session:
        session.execute(text("SELECT pg_sleep(1.7)"))
    assert database.rows("SELECT 1", ()) == [(1,)]
    assert "database_away" not in caplog.text


def test_statements_are_limited_by_kind_of_work(database: Database) -> None:
    caller = Context(deadline=time.monotonic() + 60)
    with database.reading(caller) as session:
        assert session.scalar(SHOW) == "3s"
    with database.transaction(caller) as session:
        assert session.scalar(SHOW) == "10s"
    with database.transaction(system("import")) as session:
        assert session.scalar(SHOW) == "2min"
    assert database.rows("SHOW statement_timeout", ()) == [("3s",)]


def test_a_statement_ends_at_the_deadline_of_its_caller(database: Database) -> None:
    start = time.monotonic()
    with (
        pytest.raises(Unavailable) as refusal,
        database.reading(Context(deadline=start + 0.5)) as session,
    ):
        session.execute(text("SELECT pg_sleep(20)"))
    assert refusal.value.reason == "DATABASE_BUSY"
    assert time.monotonic() - start < 5


def test_a_reader_without_a_free_connection_is_refused_before_its_caller_gives_up(database: Database) -> None:
    with database.reading(READER), database.reading(READER):
        start = time.monotonic()
        with pytest.raises(Unavailable) as refusal:
            database.rows("SELECT 1", ())
        assert refusal.value.reason == "DATABASE_POOL_USED_UP"
        assert time.monotonic() - start < 5


def test_the_kernel_ends_connections_that_drop_packets(database: Database) -> None:
    def options(connection: Any) -> list[int]:
        with socket.socket(fileno=socket.dup(connection.pgconn.socket)) as copy:
            return [
                copy.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                copy.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            ]

    with database.reading(READER) as session:
        assert options(session.connection().connection.dbapi_connection) == [1, 3, 6000]
    with postgres.open_connection(database.url) as connection:
        assert options(connection) == [1, 3, 6000]


def test_the_url_may_set_other_limits(postgres_url: str) -> None:
    database = Database(f"{postgres_url}?options=-c%20statement_timeout%3D7s&keepalives_idle=9")
    assert database.rows("SHOW statement_timeout", ()) == [("7s",)]
    database.close()


def test_a_wrong_statement_is_no_outage(database: Database) -> None:
    with pytest.raises(Exception, match="nowhere") as problem:
        database.rows("SELECT nowhere", ())
    assert not isinstance(problem.value, Unavailable)
    assert database.rows("SELECT 1", ()) == [(1,)]


def test_a_text_with_nul_is_refused_with_a_sentence(database: Database) -> None:
    with pytest.raises(DBAPIError) as problem, database.reading(READER) as session:
        session.execute(text("SELECT CAST(:given AS text)"), {"given": "a\0"})
    assert unexpected(problem.value, method="m", request_id="r").reason == "TEXT_HAS_NUL"
    with pytest.raises(DBAPIError) as problem:
        database.rows("SELECT CAST(%s AS text)", ("\0",))
    assert unexpected(problem.value, method="m", request_id="r").reason == "TEXT_HAS_NUL"


def test_a_read_uses_the_connection_of_the_read_before(postgres_url: str) -> None:
    database = Database(postgres_url, pool_size=4)
    assert len({database.rows("SELECT pg_backend_pid()", ())[0][0] for _ in range(3)}) == 1
    database.close()


def test_a_connection_that_the_server_ended_is_replaced(postgres_url: str) -> None:
    database = Database(postgres_url, pool_size=4)
    ((pid,),) = database.rows("SELECT pg_backend_pid()", ())
    with closing(Database(postgres_url, pool_size=1)) as other, other.reading(READER) as session:
        assert session.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    assert database.rows("SELECT 1", ()) == [(1,)]
    database.close()


def test_a_transaction_after_reads_is_rolled_back_as_a_whole(postgres_owner_url: str) -> None:
    database = Database(postgres_owner_url, pool_size=1)
    with database.transaction(READER) as session:
        session.execute(text("CREATE TABLE things (number integer)"))
    assert database.rows("SELECT * FROM things", ()) == []
    with database.transaction(READER) as session:
        session.execute(text("INSERT INTO things VALUES (1)"))
        session.rollback()
    assert database.rows("SELECT * FROM things", ()) == []
    database.close()
