"""Hashes of passwords are computed by two threads after other work, and leave the memory as it was."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from chassis.errors import TooMany
from gateway.password_limit import password_limit
from services.members.sign_in import passwords

PASSWORD = "kopi jendela sungai"
# As in `serve members`: calls arrive in threads of a server, and all fail. Prints the growth in MB.
FAILED_SIGN_INS = """
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from services.members.sign_in import passwords

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

def sign_in(_):
    assert not passwords.verify_password("", "wrong password")

passwords.WAIT_SECONDS = 60
passwords.share_turns(1)
before = resident()
with ThreadPoolExecutor(4) as calls:
    list(calls.map(sign_in, range(60)))
print(resident() - before)
"""
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have one priority for a process")


def threads_of(*, computations: int) -> set[str]:
    """Names of the threads that computed; each computation takes long enough that another thread starts the next."""

    def compute() -> str:
        passwords.HASHER.hash(PASSWORD)
        return threading.current_thread().name

    with ThreadPoolExecutor(4) as calls:
        return set(calls.map(lambda _: passwords.compute(compute), range(computations)))


def taken_places() -> int:
    """How many calls can hold a place at once."""
    with ExitStack() as stack:
        for count in range(100):
            try:
                stack.enter_context(passwords.place())
            except TooMany:
                return count
    raise AssertionError("no limit")


async def calls_at_once(limit: asyncio.Semaphore) -> int:
    count = 0
    while not limit.locked():
        await limit.acquire()
        count += 1
    return count


@only_linux
def test_failed_sign_ins_leave_the_memory_as_it_was() -> None:
    # In a process of its own, because tests hash with weaker parameters (tests/conftest.py).
    result = subprocess.run([sys.executable, "-c", FAILED_SIGN_INS], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 30


@only_linux
def test_a_computation_gives_way_to_other_threads() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    assert passwords.compute(niceness) == passwords.NICENESS
    assert niceness() == before


def test_two_threads_compute_all_hashes() -> None:
    assert len(threads_of(computations=40)) <= passwords.AT_ONCE


def test_the_error_of_a_computation_reaches_its_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        passwords.compute(lambda: 1 // 0)
    assert passwords.verify_password(passwords.hash_password(PASSWORD), PASSWORD)
    assert not passwords.verify_password(passwords.hash_password(PASSWORD), PASSWORD + "!")


def test_processes_share_the_computations() -> None:
    try:
        for processes, share in ((1, 2), (2, 1), (8, 1)):
            passwords.share_turns(processes)
            assert len(threads_of(computations=40)) == share
            assert taken_places() == share + passwords.MOST_WAITING
            assert asyncio.run(calls_at_once(password_limit(processes))) == share + 1
    finally:
        passwords.share_turns(1)
