"""Passwords: argon2id hashes, at most two computed at a time and after other work; common passwords are refused."""

from __future__ import annotations

import os
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import cache
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from chassis.errors import Invalid, TooMany

SHORTEST, LONGEST = 8, 128
# OWASP's minimum for argon2id: 19 MiB, two passes, one lane; 30 ms on an old PC.
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Each computation uses a processor and 19 MiB, which the desk and searches need too. Of all processes of `up`.
AT_ONCE = 2
WAIT_SECONDS = 2.0
# Threads that may wait for a computation; the other threads of the pool stay free for other calls.
MOST_WAITING = 4
# A computation uses only what desks and searches leave of the processors. If it has no result after this time, a second
# thread begins it anew with this niceness, and so gets about a tenth of a processor.
GIVES_WAY_SECONDS = 0.5
NICENESS = 10
_at_once = AT_ONCE
_turns = threading.BoundedSemaphore(AT_ONCE)
# Threads that give way, also those for whose result nobody waits any more: each has 19 MiB.
_giving_way = threading.BoundedSemaphore(AT_ONCE)
_places = threading.BoundedSemaphore(AT_ONCE + MOST_WAITING)

Result = TypeVar("Result")


def share_turns(processes: int) -> None:
    """Take this process's share of the computations; call it before the first one. processes: those of `up`."""
    global _at_once, _turns, _giving_way, _places
    share = max(1, AT_ONCE // processes)
    if share != _at_once:
        _at_once = share
        _turns, _giving_way = threading.BoundedSemaphore(share), threading.BoundedSemaphore(share)
        _places = threading.BoundedSemaphore(share + MOST_WAITING)


@contextmanager
def place() -> Iterator[None]:
    """Hold one of the places for calls that compute a hash, from before their first write until their end.

    raises  TooMany  SIGN_IN_BUSY  before the block starts
    """
    if not _places.acquire(blocking=False):
        raise TooMany("SIGN_IN_BUSY", seconds=int(WAIT_SECONDS))
    try:
        yield
    finally:
        _places.release()


def hash_password(password: str) -> str:
    """Return the argon2id hash. Raises TooMany SIGN_IN_BUSY."""
    return _compute(lambda: _HASHER.hash(_normal(password)))


def verify_password(password_hash: str, password: str) -> bool:
    """Compare a password with a hash; for "" take the same time and return False.

    raises  TooMany  SIGN_IN_BUSY
    """

    def verify() -> bool:
        try:
            return _HASHER.verify(password_hash or _unknown_hash(), _normal(password)) and bool(password_hash)
        except (VerificationError, InvalidHashError):
            return False

    return _compute(verify)


def is_outdated(password_hash: str) -> bool:
    """Return whether the hash was made with weaker parameters than those of this release."""
    return _HASHER.check_needs_rehash(password_hash)


def check_new_password(password: str, *, about: Iterable[str]) -> None:
    """Check a new password.

    about   user name, name and so on; the password must not be one of these
    raises  Invalid  PASSWORD_TOO_SHORT, PASSWORD_TOO_LONG, PASSWORD_COMMON
    """
    password = _normal(password)
    if len(password) < SHORTEST:
        raise Invalid("PASSWORD_TOO_SHORT", shortest=SHORTEST)
    if len(password) > LONGEST:
        raise Invalid("PASSWORD_TOO_LONG", longest=LONGEST)
    folded = password.casefold()
    plain = folded.strip("0123456789!.@#_-* ")
    names = {word for text in about if text for word in (text.casefold(), text.casefold().replace(" ", ""))}
    is_repeated = len(set(folded)) <= 2
    if is_repeated or {folded, plain} & names or {folded, plain} & _common():
        raise Invalid("PASSWORD_COMMON")


# Common choices of Indonesian readers that the published lists do not have.
_LOCAL = ("perpustakaan", "rahasia", "katasandi", "bismillah", "indonesia", "sumatera", "minangkabau", "rangkiang",
          "kotasolok", "solok", "padang", "anggota", "merdeka", "sayang", "cintaku", "akusayangkamu")  # fmt: skip


@cache
def _common() -> frozenset[str]:
    """Return the 30,000 most frequent passwords of published lists."""
    # A local import: its lists take 100 ms to load, and only choosing a password needs them.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(FREQUENCY_LISTS["passwords"]) | frozenset(_LOCAL)


@cache
def _unknown_hash() -> str:
    """Return the hash that is compared for an unknown user, so that the answer takes the same time as for others."""
    return _HASHER.hash("\0")


def _normal(password: str) -> str:
    """Return the form that is hashed: devices encode the same letters in different ways (RFC 8265 §4.2)."""
    return unicodedata.normalize("NFC", password[: 4 * LONGEST])


def _compute(work: Callable[[], Result]) -> Result:
    """Run the work in a thread that gives way to others; wait at most two seconds for its start.

    raises  TooMany  SIGN_IN_BUSY
    """
    if not _turns.acquire(timeout=WAIT_SECONDS):
        raise TooMany("SIGN_IN_BUSY", seconds=int(WAIT_SECONDS))
    try:
        if _giving_way.acquire(blocking=False):
            with suppress(TimeoutError):  # while others need all processors, its thread gets nearly nothing
                return _start(work, gives_way=True).result(GIVES_WAY_SECONDS)
        return _start(work, gives_way=False).result()
    finally:
        _turns.release()


def _start(work: Callable[[], Result], *, gives_way: bool) -> Future[Result]:
    result: Future[Result] = Future()
    # A thread for each computation, because a pool's threads would be missing after a fork. It starts in 0.1 ms.
    threading.Thread(target=_run, args=(work, result, gives_way), name="password", daemon=True).start()
    return result


def _run(work: Callable[[], Result], result: Future[Result], gives_way: bool) -> None:
    _lower_priority(gives_way)
    try:
        result.set_result(work())
    except BaseException as problem:
        result.set_exception(problem)
    finally:
        if gives_way:
            _giving_way.release()


def _lower_priority(gives_way: bool) -> None:
    if sys.platform != "linux":  # where a priority is of the whole process
        return
    with suppress(OSError):
        if gives_way:
            # A search that begins gets this thread's processor at once; with niceness, up to 4 ms later. Without
            # privileges a thread cannot leave this policy again.
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        else:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
