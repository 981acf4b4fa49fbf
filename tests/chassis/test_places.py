"""Places admit a few threads at a time, in the order in which they come."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from chassis.context import READER, Context
from chassis.errors import TooLate
from chassis.places import Places
from tests.example_services.installation import eventually


def test_no_more_threads_are_in_than_there_are_places() -> None:
    places, inside, most = Places(2), 0, 0
    lock = threading.Lock()

    def work(_number: int) -> None:
        nonlocal inside, most
        with places.take(READER):
            with lock:
                inside += 1
                most = max(most, inside)
            time.sleep(0.001)
            with lock:
                inside -= 1

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(40)))
    assert (inside, most) == (0, 2)


def test_the_first_that_comes_is_the_first_that_goes_in() -> None:
    places, order = Places(1), []

    def work(number: int) -> None:
        with places.take(READER):
            order.append(number)

    def waits(count: int) -> bool:
        return len(places._waiting) == count

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    with places.take(READER):
        for number, thread in enumerate(threads, start=1):
            thread.start()
            eventually(partial(waits, number))
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3]


def test_a_wait_ends_with_the_deadline_and_takes_no_place() -> None:
    places = Places(1)
    with places.take(READER), pytest.raises(TooLate), places.take(Context(deadline=time.monotonic() + 0.01)):
        pass
    with places.take(READER):
        pass
