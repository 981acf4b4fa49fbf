"""Passwords: argon2id hashes, computed by two threads of low priority; common passwords are refused."""

from __future__ import annotations

import os
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from chassis.errors import Invalid, TooMany
from chassis.gc_tuning import return_large_blocks

SHORTEST, LONGEST = 8, 128
# OWASP's minimum for argon2id: 19 MiB, two passes, one lane; 30 ms on an old PC.
HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Each computation uses a processor and 19 MiB, which the desk and searches need too. Of all processes of `up`.
AT_ONCE = 2
WAIT_SECONDS = 2.0
# Threads that may wait for a computation; the other threads of the pool stay free for other calls.
MOST_WAITING = 4
# Desks and searches come first, but a sign-in must not starve beside an import: with 19 a hash took 8 to 15 s beside
# four busy processes, with 5 at most 1 s.
NICENESS = 5


def _lower_priority() -> None:
    if sys.platform == "linux":  # elsewhere a priority is of the whole process
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _new_threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="password", initializer=_lower_priority)


_at_once = AT_ONCE
# The same threads compute all hashes: each new thread may get a new heap, which keeps its 19 MiB. They start at the
# first hash, after the forks of `up`.
_threads = _new_threads(AT_ONCE)
_places = threading.BoundedSemaphore(AT_ONCE + MOST_WAITING)

Result = TypeVar("Result")


def share_turns(processes: int) -> None:
    """Take this process's share of the computations; call it before the first one. processes: those of `up`."""
    global _at_once, _threads, _places
    return_large_blocks()
    share = max(1, AT_ONCE // processes)
    if share != _at_once:
        _at_once, _threads = share, _new_threads(share)
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
    return compute(lambda: HASHER.hash(_normal(password)))


def verify_password(password_hash: str, password: str) -> bool:
    """Compare a password with a hash; for "" take the same time and return False.

    raises  TooMany  SIGN_IN_BUSY
    """

    def verify() -> bool:
        try:
            return HASHER.verify(password_hash or _unknown_hash(), _normal(password)) and bool(password_hash)
        except (VerificationError, InvalidHashError):
            return False

    return compute(verify)


def is_outdated(password_hash: str) -> bool:
    """Return whether the hash was made with weaker parameters than those of this release."""
    return HASHER.check_needs_rehash(password_hash)


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
    return HASHER.hash("\0")


def _normal(password: str) -> str:
    """Return the form that is hashed: devices encode the same letters in different ways (RFC 8265 §4.2)."""
    return unicodedata.normalize("NFC", password[: 4 * LONGEST])


def compute(work: Callable[[], Result]) -> Result:
    """Run the work in one of the threads; wait at most two seconds for its start.

    raises  TooMany  SIGN_IN_BUSY
    """
    future = _threads.submit(work)
    try:
        return future.result(WAIT_SECONDS)
    except TimeoutError:
        if future.cancel():
            raise TooMany("SIGN_IN_BUSY", seconds=int(WAIT_SECONDS)) from None
        return future.result()
