"""While PostgreSQL is down or does not reply, each response comes in time with the reason; one log line a change.

The processes are real: `serve catalog` with four threads, the gateway, and a proxy before PostgreSQL.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.conditions import eventually
from tests.faults.database_drill import PATHS, Clients, Drill, answers, filled_drill, start_cluster

pytestmark = pytest.mark.timeout(120)

RECOVERY_SECONDS = 10
CALL_SECONDS = 5  # longest call of the gateway
GRACE_SECONDS = 25  # a process ends 12 s after SIGTERM by itself; Kubernetes kills it after 30 s


@pytest.fixture(scope="module")
def filled(servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    """A filled database and index, for all drills of this module."""
    with filled_drill(tmp_path_factory.mktemp("drill")) as drilled:
        yield drilled


@pytest.fixture
def drilled(filled: Drill) -> Iterator[Drill]:
    yield filled
    filled.proxy.cut()
    filled.proxy.open()
    filled.end()


def test_a_database_that_is_away_is_503_everywhere_and_one_line_a_change(drilled: Drill) -> None:
    serve, _gateway, address = start_cluster(drilled)
    with Clients(address) as clients:
        drilled.proxy.shut()
        eventually(lambda: serve.events("database_away") == 1)
        # Answers that were on their way when the connections were cut may still arrive.
        eventually(lambda: set(clients.statuses_of(seconds=1)) == {503}, seconds=RECOVERY_SECONDS)
        clients.statuses_of(seconds=3)
        away, without_retry_after = dict(clients.statuses), clients.without_retry_after
        problem = httpx.get(f"{address}{PATHS[0]}", timeout=10)
        drilled.proxy.open()
        seconds = eventually(lambda: answers(address) == 200, seconds=RECOVERY_SECONDS)
    assert set(away) == {503}
    assert away[503] > 30
    assert without_retry_after == 0
    assert problem.json()["reason"] == "DATABASE_UNAVAILABLE"
    assert seconds < RECOVERY_SECONDS
    eventually(lambda: serve.events("database_back") == 1)
    assert serve.events("database_away") == 1
    assert "Traceback" not in serve.log
    # Besides: which lease was taken, and one line about the connections that were open.
    assert len(serve.log.splitlines()) < 30


def test_silent_connections_hold_no_thread_while_new_ones_work(drilled: Drill) -> None:
    """A failover: the old server drops packets, and a new one answers at the same address."""
    serve, _gateway, address = start_cluster(drilled)
    with Clients(address) as clients:
        eventually(lambda: clients.statuses[200] > 20)
        drilled.proxy.silence()
        time.sleep(RECOVERY_SECONDS)
        clients.statuses_of(seconds=RECOVERY_SECONDS / 2)
        assert set(clients.statuses) == {200}
        assert clients.statuses[200] > 20
    assert "Traceback" not in serve.log


def test_a_silent_server_is_503_within_the_time_of_a_call_and_ends_no_service(drilled: Drill) -> None:
    serve, _gateway, address = start_cluster(drilled)
    with Clients(address) as clients:
        eventually(lambda: clients.statuses[200] > 20)
        drilled.proxy.stall()
        # Calls that wait behind a statement which has already begun may end with their own time, as 504.
        time.sleep(CALL_SECONDS)
        clients.statuses_of(seconds=3)
        assert set(clients.statuses) == {503}
        assert clients.statuses[503] > 30
        drilled.proxy.silence()
        drilled.proxy.open()
        assert eventually(lambda: answers(address) == 200, seconds=RECOVERY_SECONDS) < RECOVERY_SECONDS
    assert serve.process.poll() is None


@pytest.mark.parametrize("words", [("serve", "catalog"), ("up", "--workers", "2")], ids=" ".join)
def test_sigterm_ends_a_process_whose_database_is_silent(drilled: Drill, words: tuple[str, ...]) -> None:
    if words[0] == "serve":
        program, _gateway, address = start_cluster(drilled)
    else:
        program = drilled.start(*words)
        address = program.first["address"]
        eventually(lambda: answers(address) == 200)
    with Clients(address) as clients:
        eventually(lambda: clients.statuses[200] > 10)
        drilled.proxy.stall()
        time.sleep(1)
        seconds = program.stop()
    assert seconds < GRACE_SECONDS
