"""The caller of a request, for rate limits: a session or client that this process can verify, else an address.

An unverified credential counts as none, because an attacker can invent any number of credentials.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.types import Scope

from chassis.addresses import caller_of
from chassis.errors import Error, Unauthenticated, Unavailable
from chassis.ids import parse_or_nil
from chassis.security.auth import LEAST_STATE_SECONDS, STATE_SECONDS, TokenState, TokenVerifier
from gateway.basic import BasicCredentials, is_basic
from gateway.oauth import read_basic
from gateway.request_guard import header_fields, replace_header
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
        self._basic = BasicCredentials()
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
            if header and is_basic(header):
                header = self._basic.find(header).encode()
            credential = self._of_token(header) if header else self._of_cookie(scope)
            scope[_CREDENTIAL] = credential
        return credential

    async def identify(self, request: Request, *, is_partner: bool) -> None:
        """Verify the credential of a request, also the first one of a client in this process.

        On a protocol of partners, id and secret as HTTP Basic are exchanged for an access token, and an invalid
        credential is refused. While members has not answered, the request has no credential.

        raises  Unauthenticated  CLIENT_MISSING, CLIENT_REFUSED, and the errors of TokenVerifier.verify
                Forbidden        SIGN_IN_ELSEWHERE, SIGN_IN_NEEDS_HTTPS
        """
        scope = request.scope
        header = header_fields(scope).get(b"authorization")
        if not header:
            return
        await self._wait_for_keys()
        scope.pop(_CREDENTIAL, None)
        if is_partner and is_basic(header):
            is_known = bool(self.credential(scope))
            authorization = await self._basic.sign_in(request, header, renew=not is_known)
            replace_header(scope, b"authorization", authorization.encode())
            # Members has accepted the id, in any spelling, and the secret; this process may not have the key of the new
            # token yet.
            client = parse_or_nil(read_basic(header)[0])
            scope[_CREDENTIAL] = f"{client}/{client}" if authorization else ""
        elif is_partner:
            with contextlib.suppress(Unavailable):
                await self._verify(header.decode("latin-1"))

    async def _verify(self, authorization: str) -> None:
        try:
            self._verifier.verify(authorization)
        except Unauthenticated:
            # The key may be newer than the last read.
            if time.monotonic() - self._read_at < LEAST_STATE_SECONDS:
                raise
            self._read_at = float("-inf")
            await self._wait_for_read()
            self._verifier.verify(authorization)

    async def _wait_for_keys(self) -> None:
        self._begin_reading()
        if not self._state.keys:
            await self._wait_for_read()

    async def _wait_for_read(self) -> None:
        self._begin_reading()
        if self._reading is not None:
            await asyncio.wait([self._reading])

    async def require(self, scope: Scope) -> None:
        """Refuse an invalid token. Services verify tokens too, but a request may fail before a service gets it.

        raises  Unauthenticated  SIGN_IN_NEEDED, and the errors of TokenVerifier.verify
                Unavailable      SIGN_IN_UNAVAILABLE  members has not answered yet
        """
        header = header_fields(scope).get(b"authorization")
        if not header:
            raise Unauthenticated("SIGN_IN_NEEDED")
        await self._wait_for_keys()
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
