"""Hashes of passwords are computed by two threads after other work, and leave the memory as it was."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

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
    assert passwords._compute(niceness) == passwords.NICENESS
    assert niceness() == before


def test_two_threads_compute_all_hashes() -> None:
    with ThreadPoolExecutor(4) as calls:
        names = set(calls.map(lambda _: passwords._compute(lambda: threading.current_thread().name), range(40)))
    assert len(names) <= passwords.AT_ONCE


def test_the_error_of_a_computation_reaches_its_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        passwords._compute(lambda: 1 // 0)
    assert passwords.verify_password(passwords.hash_password(PASSWORD), PASSWORD)
    assert not passwords.verify_password(passwords.hash_password(PASSWORD), PASSWORD + "!")


def test_processes_share_the_computations() -> None:
    try:
        for processes, share in ((1, 2), (2, 1), (8, 1)):
            passwords.share_turns(processes)
            assert passwords._threads._max_workers == share
            assert passwords._places._value == share + passwords.MOST_WAITING
            assert password_limit(processes)._value == share + 1
    finally:
        passwords.share_turns(1)
