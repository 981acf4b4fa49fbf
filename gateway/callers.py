"""The caller of a request, for rate limits: a session or client that this process can verify, else an address.

An unverified credential counts as none, because an attacker can invent any number of credentials.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from starlette.types import Scope

from chassis.addresses import caller_of
from chassis.errors import Error, Unauthenticated
from chassis.security.auth import LEAST_STATE_SECONDS, STATE_SECONDS, TokenState, TokenVerifier
from gateway.request_guard import header_fields
from gateway.sessions import Sessions, secret_of

log = logging.getLogger(__name__)

_CREDENTIAL = "rangkiang.credential"


class Callers:
    """Verifies credentials without waiting: tokens with the keys of members, cookies with the known sessions.

    The first token that a process sees, and the first cookie of each browser, cannot be verified yet.
    """

    def __init__(self, sessions: Sessions, read_state: Callable[[], Awaitable[TokenState]]) -> None:
        """
        sessions    the browser sessions that this process knows
        read_state  reads the keys and revoked sessions from members; may raise any `Error`
        """
        self._sessions, self._read_state = sessions, read_state
        self._state = TokenState(keys={}, revoked=frozenset())
        self._problem: Error | None = None  # of the last read
        self._verifier = TokenVerifier(self._last_state)
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    def credential(self, scope: Scope) -> str:
        """Return the account and session of a request, "" without a verified credential."""
        credential: str | None = scope.get(_CREDENTIAL)
        if credential is None:
            header = header_fields(scope).get(b"authorization")
            credential = self._of_token(header) if header else self._of_cookie(scope)
            scope[_CREDENTIAL] = credential
        return credential

    async def require(self, scope: Scope) -> None:
        """Refuse an invalid token. Services verify tokens too, but a request may fail before a service gets it.

        raises  Unauthenticated  SIGN_IN_NEEDED, and the errors of TokenVerifier.verify
                Unavailable      SIGN_IN_UNAVAILABLE  members has not answered yet
        """
        header = header_fields(scope).get(b"authorization")
        if not header:
            raise Unauthenticated("SIGN_IN_NEEDED")
        self._begin_reading()
        if self._reading is not None and not self._state.keys:
            await asyncio.wait([self._reading])
        self._verifier.verify(header.decode("latin-1"))

    def _begin_reading(self) -> None:
        if time.monotonic() - self._read_at > STATE_SECONDS and self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read())

    def _of_token(self, header: bytes) -> str:
        self._begin_reading()
        if not self._state.keys:
            return ""
        try:
            principal = self._verifier.verify(header.decode("latin-1"))
        except Error:
            return ""
        return f"{principal.id}/{principal.session}"

    def _of_cookie(self, scope: Scope) -> str:
        secret = secret_of(scope)
        return self._sessions.caller(secret) if secret else ""

    def _last_state(self) -> TokenState:
        if self._problem is not None:
            raise self._problem
        return self._state

    async def _read(self) -> None:
        try:
            self._state = await self._read_state()
            # A new library has no key until its first token, so the next read is soon.
            early_seconds = 0 if self._state.keys else STATE_SECONDS - LEAST_STATE_SECONDS
            self._read_at, self._problem = time.monotonic() - early_seconds, None
        except Error as problem:
            self._problem = problem
            self._read_at = time.monotonic() - STATE_SECONDS + LEAST_STATE_SECONDS
            log.debug("token_state_unavailable", extra={"reason": problem.reason})
        finally:
            self._reading = None


def address_of(scope: Scope) -> str:
    """Return the caller's IP address; for IPv6 its first 64 bits. A proxy in TRUSTED_PROXIES may report the address."""
    return caller_of((scope.get("client") or ("",))[0])
