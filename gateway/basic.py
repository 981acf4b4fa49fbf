"""Clients that send their id and secret with each request, as HTTP Basic (RFC 7617): one access token for each.

Programs that speak SRU or OAI-PMH can send a name and a password, but cannot get an access token.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from hashlib import sha256

from starlette.requests import Request

from chassis import clock
from chassis.errors import TooLate, Unauthenticated, Unavailable
from gateway.clients import call, members
from gateway.oauth import read_basic
from gateway.sessions import MOST_TOKENS, RENEW_BEFORE, RETRY_AFTER, require_secure
from rangkiang.members.v1 import sign_in_pb2 as wire


class BasicCredentials:
    """The access tokens of credentials that members accepted, by the hash of the header."""

    def __init__(self) -> None:
        # hash -> (header for calls to services, when to renew it); the newest is last
        self._tokens: OrderedDict[bytes, tuple[str, datetime]] = OrderedDict()

    def find(self, header: bytes) -> str:
        """Return the header with the access token for a Basic header; "" when this process has none."""
        return self._tokens.get(_digest(header), ("", None))[0]

    async def sign_in(self, request: Request, header: bytes, *, renew: bool) -> str:
        """Return the header with an access token; "" while members does not answer and this process has none.

        renew   also before the token is old
        raises  Unauthenticated  CLIENT_MISSING, CLIENT_REFUSED
                Forbidden        SIGN_IN_ELSEWHERE, SIGN_IN_NEEDS_HTTPS
        """
        require_secure(request)
        digest = _digest(header)
        authorization, renew_at = self._tokens.get(digest, ("", clock.now()))
        if authorization and clock.now() < renew_at and not renew:
            return authorization
        client_id, secret = read_basic(header)
        try:
            message = wire.IssueTokenRequest(client_id=client_id, client_secret=secret)
            token = (await call(request, members(request).IssueToken, message)).token
        except Unauthenticated:
            self._tokens.pop(digest, None)
            raise
        except (Unavailable, TooLate):
            if authorization:
                self._tokens[digest] = (authorization, clock.now() + RETRY_AFTER)
            return authorization
        renew_at = clock.now() + timedelta(seconds=token.expires_in_seconds) - RENEW_BEFORE
        self._tokens.pop(digest, None)
        self._tokens[digest] = (f"Bearer {token.token}", renew_at)
        if len(self._tokens) > MOST_TOKENS:
            self._tokens.popitem(last=False)
        return f"Bearer {token.token}"


def is_basic(header: bytes) -> bool:
    return header[:6].lower() == b"basic "


def _digest(header: bytes) -> bytes:
    return sha256(header).digest()
