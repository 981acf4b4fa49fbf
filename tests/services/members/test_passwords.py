"""Hashes of passwords are computed when desks and searches leave a processor, but not later than somebody can wait."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from gateway.password_turns import password_turns
from services.members.sign_in import passwords

PASSWORD = "kopi jendela sungai"
only_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have one priority for a process")


@only_linux
def test_a_computation_gives_way_to_other_threads() -> None:
    assert passwords._compute(lambda: os.sched_getscheduler(0)) == os.SCHED_IDLE


@only_linux
def test_a_computation_that_gets_no_processor_is_begun_anew_with_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "GIVES_WAY_SECONDS", 0.05)
    others_end = threading.Event()

    def work() -> int:
        if os.sched_getscheduler(0) == os.SCHED_IDLE:
            others_end.wait(30)  # as if other programs used all processors
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    try:
        first = [passwords._compute(work) for _ in range(passwords.AT_ONCE)]
        threads = threading.active_count()
        # Both threads that give way are taken: the third computation begins none.
        assert [*first, passwords._compute(work)] == [passwords.NICENESS] * 3
        assert threading.active_count() <= threads
    finally:
        others_end.set()
    for _ in range(passwords.AT_ONCE):
        assert passwords._giving_way.acquire(timeout=30)
    passwords._giving_way.release(passwords.AT_ONCE)


def test_the_error_of_a_computation_reaches_its_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        passwords._compute(lambda: 1 // 0)
    assert passwords.verify_password(passwords.hash_password(PASSWORD), PASSWORD)
    assert not passwords.verify_password(passwords.hash_password(PASSWORD), PASSWORD + "!")


def test_processes_share_the_computations() -> None:
    try:
        for processes, share in ((1, 2), (2, 1), (8, 1)):
            passwords.share_turns(processes)
            assert (passwords._turns._value, passwords._giving_way._value) == (share, share)
            assert passwords._places._value == share + passwords.MOST_WAITING
            assert password_turns(processes)._value == share + 1
    finally:
        passwords.share_turns(1)
