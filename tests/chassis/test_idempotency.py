"""An act with an Idempotency-Key is done once, also when it is repeated, interrupted or done twice at the same time."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from chassis import clock
from chassis.bus.outbox import tidy
from chassis.context import system
from chassis.database.db import Database
from chassis.database.idempotency import RETENTION, effects
from chassis.errors import Conflict, KeyReused, Refused
from chassis.operations.testing import migrated_database
from chassis.service import Resources
from chassis.settings import Settings, environment_with
from tests import servers
from tests.conftest import CHECKOUT
from tests.example_services.keyed_writer import CALLER, write, write_in_the_end
from tests.example_services.stock.service import SERVICE
from tests.example_services.stock.tables import articles
from tests.migrated import MigratedDatabases
from tests.programs import start_program

TEST = system("test")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def database(request: pytest.FixtureRequest, tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Database]:
    if request.param == "postgresql":
        request.getfixturevalue("servers")
    with migrated.open(SERVICE, request.param, tmp_path) as database:
        yield database


def names(database: Database) -> list[str]:
    with database.reading(TEST) as session:
        return sorted(session.scalars(select(articles.c.name)))


def stored(database: Database) -> Any:
    with database.reading(TEST) as session:
        return session.execute(select(effects)).all()


def start_writer(database: Database, *arguments: str) -> subprocess.Popen[bytes]:
    url = database.url.render_as_string(hide_password=False)
    program = "tests.example_services.keyed_writer:main"
    return start_program([url, *arguments], program=program, env=environment_with(), cwd=CHECKOUT)


def test_a_repeated_call_gets_the_reply_of_the_first_and_does_nothing(database: Database) -> None:
    first = write(database, "k", "pisang")
    assert first[1] is False
    assert write(database, "k", "pisang") == (first[0], True)
    assert names(database) == ["pisang"]


def test_a_key_with_another_body_is_refused(database: Database) -> None:
    write(database, "k", "pisang")
    with pytest.raises(KeyReused) as refusal:
        write(database, "k", "mangga")
    assert (refusal.value.reason, refusal.value.http_status) == ("IDEMPOTENCY_KEY_REUSED", 422)
    assert clock.now() - clock.now().fromisoformat(refusal.value.facts["used_at"]) < timedelta(minutes=1)
    assert names(database) == ["pisang"]


@pytest.mark.parametrize("change", [{"session": "s2"}, {"session": "", "actor": "uda"}, {"method": "/examples.v1.A/B"}])
def test_each_client_and_each_method_has_its_own_keys(database: Database, change: dict[str, str]) -> None:
    write(database, "k", "pisang")
    assert write(database, "k", "mangga", caller=replace(CALLER, **change))[1] is False
    assert names(database) == ["mangga", "pisang"]


def test_a_refused_act_leaves_no_trace_and_is_judged_afresh(database: Database) -> None:
    def refuse() -> None:
        raise Refused("NOTE_TOO_RUDE")

    for _ in range(2):
        with pytest.raises(Refused):
            write(database, "k", "pisang", act=refuse)
    assert (names(database), stored(database)) == ([], [])
    assert write(database, "k", "mangga")[1] is False


def test_a_reply_that_is_not_kept_is_not_in_the_database_and_not_repeated(database: Database) -> None:
    write(database, "k", "pisang", keep_reply=False)
    assert [row.reply for row in stored(database)] == [None]
    with pytest.raises(Refused) as refusal:
        write(database, "k", "pisang", keep_reply=False)
    assert refusal.value.reason == "REPLY_NOT_KEPT"
    with pytest.raises(KeyReused):
        write(database, "k", "mangga", keep_reply=False)
    assert names(database) == ["pisang"]


def test_neither_the_key_nor_the_request_is_stored(database: Database) -> None:
    write(database, "a-secret-key", "a-secret-text")
    (row,) = stored(database)
    assert b"secret" not in b"".join(value for value in row if isinstance(value, bytes))
    assert "secret" not in repr(row)


def test_a_method_that_is_not_keyed_cannot_store_replies(database: Database) -> None:
    with pytest.raises(ValueError, match="keyed"):
        write(database, "", "pisang")


def test_while_the_first_call_runs_a_second_waits_on_sqlite_and_is_refused_on_postgresql(database: Database) -> None:
    is_begun, may_end = threading.Event(), threading.Event()

    def linger() -> None:
        is_begun.set()
        assert may_end.wait(20)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(write, database, "k", "pisang", act=linger)
        assert is_begun.wait(20)
        second = pool.submit(write, database, "k", "pisang")
        if not database.is_sqlite:
            with pytest.raises(Conflict) as refusal:
                second.result(timeout=20)
            assert (refusal.value.reason, refusal.value.http_status) == ("IDEMPOTENCY_KEY_IN_USE", 409)
            assert write(database, "another", "mangga")[1] is False
        may_end.set()
        reply, _ = first.result(timeout=20)
        if database.is_sqlite:
            assert second.result(timeout=20) == (reply, True)
        assert write(database, "k", "pisang") == (reply, True)
    assert names(database).count("pisang") == 1


def test_threads_with_the_same_keys_do_each_act_once(database: Database) -> None:
    with ThreadPoolExecutor(6) as pool:
        keys = [f"k{number % 10}" for number in range(60)]
        replies = list(pool.map(lambda key: write_in_the_end(database, key, key), keys))
    assert names(database) == sorted(set(keys))
    assert Counter(is_replay for _, is_replay in replies) == {False: 10, True: 50}
    assert len({reply for reply, _ in replies}) == 10


def test_two_processes_with_the_same_keys_do_each_act_once(database: Database) -> None:
    writers = [start_writer(database, "40") for _ in range(2)]
    replies = [json.loads(writer.communicate(timeout=60)[0] or b"") for writer in writers]
    assert names(database) == sorted(f"article {number}" for number in range(40))
    for first, second in zip(*replies, strict=True):
        assert first[0] == second[0]
        assert sorted([first[1], second[1]]) == [False, True]


def test_an_act_whose_process_dies_between_effect_and_reply_is_replayed(database: Database) -> None:
    with start_writer(database, "1", "die") as writer:
        assert writer.wait(timeout=60) == -signal.SIGKILL
    assert names(database) == ["article 0"]
    assert write(database, "key-0", "article 0")[1] is True
    assert names(database) == ["article 0"]


def test_a_stored_reply_is_kept_for_48_hours_or_longer_and_then_purged(database: Database) -> None:
    write(database, "k", "pisang")
    write(database, "offline", "mangga", retention=timedelta(days=30))
    resources = Resources(settings=Settings(), database=database, service=SERVICE)
    now = clock.now()
    with clock.frozen(now + RETENTION - timedelta(minutes=5)):
        tidy(resources, threading.Event())
        assert write(database, "k", "pisang")[1] is True
    with clock.frozen(now + RETENTION + timedelta(minutes=5)):
        assert write(database, "k", "pisang")[1] is False, "a key whose time has passed is new again"
        tidy(resources, threading.Event())
        assert len(stored(database)) == 2
    with clock.frozen(now + timedelta(days=29)):
        tidy(resources, threading.Event())
        assert [row.until > now + timedelta(days=29) for row in stored(database)] == [True]
        assert write(database, "offline", "mangga")[1] is True
    with clock.frozen(now + timedelta(days=31)):
        tidy(resources, threading.Event())
        assert stored(database) == []


# (key, body, the act is refused)
CALLS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.booleans()), max_size=20)


@settings(max_examples=40)
@given(calls=CALLS)
def test_any_sequence_of_calls_has_the_effects_of_its_first_calls(any_database: Database, calls: Any) -> None:
    def refuse() -> None:
        raise Refused("NOTE_TOO_RUDE")

    with any_database.transaction(TEST) as session:
        session.execute(delete(articles))
        session.execute(delete(effects))
    done: dict[str, tuple[str, int]] = {}
    for key, body, is_refused in calls:
        act = refuse if is_refused else None
        if key not in done and is_refused:
            with pytest.raises(Refused):
                write(any_database, key, body, act=act)
        elif key not in done:
            reply, is_replay = write(any_database, key, body)
            assert not is_replay
            done[key] = (body, reply)
        elif done[key][0] == body:
            assert write(any_database, key, body, act=act) == (done[key][1], True)
        else:
            with pytest.raises(KeyReused):
                write(any_database, key, body, act=act)
    assert names(any_database) == sorted(body for body, _ in done.values())
    with any_database.reading(TEST) as session:
        assert session.scalar(select(func.count()).select_from(effects)) == len(done)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def any_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One database for all examples of a property."""
    if request.param == "sqlite":
        with migrated_database(SERVICE, f"sqlite:///{tmp_path_factory.mktemp('stock')}/stock.db") as database:
            yield database
        return
    request.getfixturevalue("servers")
    name = f"test_{uuid.uuid4().hex[:12]}"
    servers.create_database(name)
    owner = servers.database_url(name, owner=True)
    with migrated_database(SERVICE, servers.database_url(name), owner_url=owner) as database:
        yield database
    servers.drop_database(name)
