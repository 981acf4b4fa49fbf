"""Limits the calls at once that compute the hash of a password: sign-ins, password codes, links and new passwords.

Further calls wait here and not in the members service, where each would take one of the threads that desks use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.requests import Request

from chassis.errors import TooMany
from gateway.clients import call

# Of all processes of `up`: each sends one call more than it computes hashes, whose rows are read and written meanwhile.
AT_ONCE = 2
WAIT_SECONDS = 2.0

Reply = TypeVar("Reply")


def password_limit(processes: int) -> asyncio.Semaphore:
    """Return the semaphore of a process, for `app.state.password_limit`; calls get it in the order of the requests.

    processes  those of `up`, which share the computations of hashes
    """
    return asyncio.Semaphore(max(1, AT_ONCE // processes) + 1)


async def call_within_limit(request: Request, method: Callable[..., Awaitable[Reply]], message: Any) -> Reply:
    """Do the same as `gateway.clients.call`, after a wait of at most two seconds.

    raises  the errors of `gateway.clients.call`
            TooMany  SIGN_IN_BUSY
    """
    limit: asyncio.Semaphore = request.app.state.password_limit
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await limit.acquire()
    except TimeoutError:
        raise TooMany("SIGN_IN_BUSY", seconds=int(WAIT_SECONDS)) from None
    try:
        return await call(request, method, message)
    finally:
        limit.release()
