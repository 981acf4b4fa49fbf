"""A job waits while its process serves requests, and no longer than it says."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chassis.requests_first import CountedRequests, give_way


@contextmanager
def request_in_hand(scope: dict[str, Any], *, fails: bool = False) -> Iterator[threading.Event]:
    """Call an application in a thread; it answers, or fails, when the event is set."""
    begun, may_end = threading.Event(), threading.Event()

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        begun.set()
        await asyncio.to_thread(may_end.wait, 30)
        if fails:
            raise ValueError("a fault of a route")

    def call() -> None:
        try:
            asyncio.run(CountedRequests(app)(scope, None, None))
        except ValueError:
            assert fails

    thread = threading.Thread(target=call)
    thread.start()
    assert begun.wait(30)
    try:
        yield may_end
    finally:
        may_end.set()
        thread.join(30)


def waits(seconds: float) -> float:
    start = time.monotonic()
    give_way(seconds)
    return time.monotonic() - start


@pytest.mark.parametrize("fails", [False, True])
def test_a_job_waits_for_a_request_until_it_has_its_answer(fails: bool) -> None:
    with request_in_hand({"type": "http"}, fails=fails) as may_end:
        assert waits(0.05) >= 0.05
        threading.Timer(0.1, may_end.set).start()
        assert 0.05 < waits(60) < 30
    assert waits(60) < 30


def test_a_job_waits_for_nothing_else() -> None:
    with request_in_hand({"type": "lifespan"}):
        assert waits(60) < 30
