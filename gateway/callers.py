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
from chassis.security.auth import (
    READ_PAUSE_SECONDS,
    RETRY_SECONDS,
    STATE_SECONDS,
    KeyUnknown,
    TokenState,
    TokenVerifier,
)
from gateway.basic import BasicCredentials, is_basic
from gateway.oauth import read_basic
from gateway.request_guard import header_fields, replace_header
from gateway.sessions import Sessions, secret_of

log = logging.getLogger(__name__)

_CREDENTIAL = "rangkiang.credential"


class Callers:
    """Verifies credentials: tokens with the keys of members, cookies with the known sessions.

    `credential` does not wait: it verifies neither a token with a key that this process does not know yet, nor the
    first cookie of a browser. The other methods wait for a read of the keys.
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
        self._verifier = TokenVerifier(self._last_state, is_local=True)
        self._read_at = float("-inf")
        self._ended_read_begun_at = float("-inf")  # when the last read that has ended began
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
        await self._wait_for_keys()
        try:
            self._verifier.verify(authorization)
        except (Unauthenticated, Unavailable) as refusal:
            # Since the last read there may be another key, or an outage, in which expired tokens are valid for longer.
            if not isinstance(refusal, KeyUnknown | Unavailable) and refusal.reason != "TOKEN_EXPIRED":
                raise
            await self._read_again()
            self._verifier.verify(authorization)

    async def _wait_for_keys(self) -> None:
        self._begin_reading()
        if not self._state.keys and self._reading is not None:
            await asyncio.wait([self._reading])

    async def _read_again(self) -> None:
        """Wait for a read that began after this call; while members does not answer, for one a second."""
        called_at = time.monotonic()
        if self._problem is not None and not self._is_due():
            return
        for _ in range(2):  # a read that runs now may have begun before this call
            if self._ended_read_begun_at <= called_at:
                pause_seconds = self._ended_read_begun_at + READ_PAUSE_SECONDS - time.monotonic()
                await asyncio.wait([self._reading or self._start_reading(pause_seconds)])

    async def require(self, scope: Scope) -> None:
        """Refuse an invalid token. Services verify tokens too, but a request may fail before a service gets it.

        raises  Unauthenticated  SIGN_IN_NEEDED, and the errors of TokenVerifier.verify
                Unavailable      SIGN_IN_UNAVAILABLE  members has not answered yet
        """
        header = header_fields(scope).get(b"authorization")
        if not header:
            raise Unauthenticated("SIGN_IN_NEEDED")
        await self._verify(header.decode("latin-1"))

    def _begin_reading(self) -> None:
        if self._is_due() and self._reading is None:
            self._start_reading()

    def _is_due(self) -> bool:
        return time.monotonic() - self._read_at > STATE_SECONDS

    def _start_reading(self, pause_seconds: float = 0.0) -> asyncio.Task[None]:
        self._reading = asyncio.get_running_loop().create_task(self._read(pause_seconds))
        return self._reading

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

    async def _read(self, pause_seconds: float) -> None:
        try:
            await asyncio.sleep(max(0.0, pause_seconds))
            begun_at = time.monotonic()
            try:
                self._state = await self._read_state()
                # A new library has no key until its first token, so the next read is soon.
                early_seconds = 0 if self._state.keys else STATE_SECONDS - RETRY_SECONDS
                self._read_at, self._problem = time.monotonic() - early_seconds, None
            except Error as problem:
                self._problem = problem
                self._read_at = time.monotonic() - STATE_SECONDS + RETRY_SECONDS
                log.debug("token_state_unavailable", extra={"reason": problem.reason})
            self._ended_read_begun_at = begun_at
        finally:
            self._reading = None


def address_of(scope: Scope) -> str:
    """Return the caller's IP address; for IPv6 its first 64 bits. A proxy in TRUSTED_PROXIES may report the address."""
    return caller_of((scope.get("client") or ("",))[0])
