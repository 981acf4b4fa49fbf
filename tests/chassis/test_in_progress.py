"""Jobs of all processes let short requests go first, and wait no longer than they should."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from types import SimpleNamespace

import pytest

from chassis import in_progress
from chassis.gc_tuning import TURN_SECONDS
from chassis.supervisor import FORK


async def nothing(*_: object) -> None:
    return None


class Worker:
    """A process that answers one request, until it is told to end it."""

    def __init__(self, number: int) -> None:
        self._ours, theirs = FORK.Pipe()
        self.process = FORK.Process(target=self._answer, args=(number, theirs), daemon=True)
        self.process.start()
        assert self._ours.recv() == "begun"

    @staticmethod
    def _answer(number: int, channel: Connection) -> None:
        async def app(*_: object) -> None:
            channel.send("begun")
            channel.recv()

        in_progress.take_place(number)
        asyncio.run(in_progress.CountedRequests(app)({"type": "http"}, nothing, nothing))
        channel.send("ended")
        channel.recv()

    def end_request(self) -> None:
        self._ours.send("end")
        assert self._ours.recv() == "ended"

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


@pytest.fixture(autouse=True)
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # Restored afterwards, because other tests of this process have no shared memory.
    monkeypatch.setattr(in_progress, "_shared", None)
    monkeypatch.setattr(in_progress, "_own", 0)
    monkeypatch.setattr(in_progress, "_waits_again_at", 0.0)
    # However slow the machine is, a request of these tests counts as short.
    monkeypatch.setattr(in_progress, "SHORT_SECONDS", 600.0)
    in_progress.share(2)
    turn = sys.getswitchinterval()
    yield
    sys.setswitchinterval(turn)


@pytest.fixture
def start() -> Iterator[Callable[[int], Worker]]:
    workers: list[Worker] = []

    def start_worker(number: int) -> Worker:
        workers.append(Worker(number))
        return workers[-1]

    yield start_worker
    for worker in workers:
        worker.kill()


def test_a_request_of_another_process_is_seen_until_it_ends(start: Callable[[int], Worker]) -> None:
    assert not in_progress.is_any()
    workers = [start(0), start(1)]
    assert in_progress.is_any()
    workers[0].end_request()
    assert in_progress.is_any()
    workers[1].end_request()
    assert not in_progress.is_any()


def test_a_job_does_not_wait_without_requests_and_has_half_of_the_time_beside_one(
    start: Callable[[int], Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(in_progress, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    monkeypatch.setattr(in_progress, "SHORT_SECONDS", 1e9)
    in_progress.give_way()
    assert waits == []
    start(0)
    for _ in range(2):
        in_progress.give_way()
        assert sum(waits) == pytest.approx(in_progress.LONGEST_WAIT_SECONDS, abs=in_progress.POLL_SECONDS)
        in_progress.give_way()
        assert sum(waits) == pytest.approx(in_progress.LONGEST_WAIT_SECONDS, abs=in_progress.POLL_SECONDS)
        waits.clear()
        now[0] += in_progress.LONGEST_WAIT_SECONDS + in_progress.POLL_SECONDS


@pytest.mark.parametrize("gap_seconds", [0.0, 0.0015, 0.004])
def test_a_job_has_half_of_the_time_beside_many_requests(monkeypatch: pytest.MonkeyPatch, gap_seconds: float) -> None:
    request_seconds, piece_seconds, pieces = 0.008, 0.0009, 1_000
    now = [0.0]

    def advance(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(in_progress, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=advance))
    monkeypatch.setattr(in_progress, "is_any", lambda: now[0] % (request_seconds + gap_seconds) < request_seconds)
    for _ in range(pieces):
        advance(piece_seconds)
        in_progress.give_way()
    assert piece_seconds * pieces / now[0] == pytest.approx(0.5, abs=0.1)


def test_a_request_of_this_process_ends_the_short_turns_of_a_job_that_goes_on() -> None:
    turns = []

    async def app(*_: object) -> None:
        turns.append(sys.getswitchinterval())
        in_progress.give_way()
        turns.append(sys.getswitchinterval())

    in_progress.give_way()
    assert sys.getswitchinterval() == pytest.approx(in_progress.ARRIVAL_TURN_SECONDS)
    asyncio.run(in_progress.CountedRequests(app)({"type": "http"}, nothing, nothing))
    assert turns == [pytest.approx(TURN_SECONDS)] * 2
    in_progress.give_way()
    assert sys.getswitchinterval() == pytest.approx(in_progress.ARRIVAL_TURN_SECONDS)


def test_a_long_request_is_not_waited_for(start: Callable[[int], Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    start(0)
    monkeypatch.setattr(in_progress, "SHORT_SECONDS", 0.0)
    assert not in_progress.is_any()


def test_the_request_of_a_killed_process_ends_with_its_successor(start: Callable[[int], Worker]) -> None:
    start(1).kill()
    assert in_progress.is_any()
    in_progress.take_place(1)
    assert not in_progress.is_any()


def test_a_process_without_shared_memory_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_progress, "_shared", None)
    asyncio.run(in_progress.CountedRequests(nothing)({"type": "http"}, nothing, nothing))
    assert not in_progress.is_any()
