"""Access tokens: each service verifies the caller's own token with the keys that members publishes.

A token is a JWT (RFC 7519) signed with Ed25519 (RFC 8037). It holds the caller, the institution and the scopes. It is
valid for five minutes; a session that ends before that is on the list of revoked sessions. While members does not
answer, nobody can renew a token, so services accept it for 30 more minutes, and for half a minute after its return.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm
from nacl.bindings import crypto_sign_BYTES, crypto_sign_open, crypto_sign_PUBLICKEYBYTES
from nacl.exceptions import BadSignatureError, CryptoError

from chassis import clock
from chassis.errors import Error, Unauthenticated, Unavailable
from chassis.ids import new_id_text

log = logging.getLogger(__name__)

ISSUER = "rangkiang"
AUDIENCE = "rangkiang"
ALGORITHM = "EdDSA"
TOKEN_SECONDS = 300
OUTAGE_SECONDS = 1_800  # a token is valid for so much longer while members does not answer
RETURN_SECONDS = 30.0  # after members has answered again, until the gateway has renewed every token
# Every service refuses a revoked session after this time plus the duration of one call.
STATE_SECONDS = 15.0
# While members does not answer, the time between two tries.
RETRY_SECONDS = 1.0
# Shortest time between two reads of the keys because of tokens with an unknown key, which anybody can invent.
READ_PAUSE_SECONDS = 0.05
# Tokens of one process that wait for such a read at the same time; the other threads serve other calls.
MOST_WAITING = 8
MOST_TOKENS = 4_096
MOST_HEADERS = 16
LONGEST_TOKEN = 4_096
_CLAIMS = ("iss", "aud", "exp", "iat", "sub", "sid", "ins", "scope")


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller that a token names.

    id           id of the account or client
    institution  id of the institution for which it acts
    session      id of its session; for a client the client's id
    scopes       acts that it may do
    """

    id: str
    institution: str
    session: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class TokenState:
    """The public keys of tokens by id, 32 bytes each, and the sessions and token ids that are no longer valid."""

    keys: Mapping[str, bytes]
    revoked: frozenset[str]


def sign_token(principal: Principal, *, key_id: str, private_key: bytes) -> str:
    """Return an access token that is valid for five minutes from now.

    private_key  Ed25519, 32 bytes
    """
    now = int(clock.now().timestamp())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        "jti": new_id_text(),
        "sub": principal.id,
        "sid": principal.session,
        "ins": principal.institution,
        "scope": " ".join(sorted(principal.scopes)),
    }
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": key_id})


def act_scope(act: str, subject: str = "") -> str:
    """Return the scope of a limited token, which allows only one act on one subject.

    act      the part of the method's option `act` before the colon
    subject  the values of the option's fields, separated by colons
    """
    return f"act:{act}:{subject}"


class KeyUnknown(Unauthenticated):
    """TOKEN_INVALID: no key of members has the id that the token names."""


class TokenVerifier:
    """Verifies tokens, and caches verified tokens by their hash until they expire.

    A token with a key that this process does not know waits for one more read, so a valid token is never refused. All
    tokens that wait share a read.

    read_state  asks members for its keys and revoked sessions; may raise any `Error`
    is_local    `read_state` returns at once what its process has in memory, so it is called for each token
    """

    def __init__(self, read_state: Callable[[], TokenState], *, is_local: bool = False) -> None:
        self._read_state, self._is_local = read_state, is_local
        self._lock = threading.Lock()  # of the verified tokens
        self._reading = threading.Lock()
        self._places = threading.BoundedSemaphore(MOST_WAITING)
        self._state: TokenState | None = None
        self._begun_at = float("-inf")  # when the last read began
        self._answered_begun_at = float("-inf")  # when the last read that members answered began
        self._read_at = float("-inf")
        self._is_away = False  # members did not answer the last time
        self._away_at = float("-inf")  # when it last did not answer
        # hash of a token -> (time of its expiry, its caller, its id); the newest is last
        self._verified: OrderedDict[bytes, tuple[float, Principal, str]] = OrderedDict()
        # encoded header of a valid token -> id of its key, because to decode it takes a sixth of the check
        self._key_ids: dict[str, str] = {}

    def verify(self, authorization: str) -> Principal:
        """Return the caller.

        authorization  value of the header: `Bearer TOKEN`
        raises         Unauthenticated  TOKEN_INVALID, TOKEN_EXPIRED, TOKEN_REVOKED, SESSION_ENDED
                       Unavailable      SIGN_IN_UNAVAILABLE  members does not answer, and this process knows no key or
                                        not this one
        """
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or len(token) > LONGEST_TOKEN:
            raise Unauthenticated("TOKEN_INVALID")
        digest = sha256(token.encode()).digest()
        verified = self._verified.get(digest)
        if verified is None or verified[0] <= clock.now().timestamp():
            verified = self._verify_new(token)
            self._remember(digest, verified)
        _, principal, token_id = verified
        revoked = self._current_state().revoked
        if principal.session in revoked:
            raise Unauthenticated("SESSION_ENDED")
        if token_id in revoked:
            raise Unauthenticated("TOKEN_REVOKED")
        return principal

    def _verify_new(self, token: str) -> tuple[float, Principal, str]:
        try:
            header = token.partition(".")[0]
            key_id = self._key_ids.get(header) or str(jwt.get_unverified_header(token).get("kid", ""))
            key = self._current_state().keys.get(key_id) or self._new_key(key_id)
            claims = read_claims(token, key)
            texts = [claims[name] for name in ("sub", "ins", "sid", "scope")]
            if not all(isinstance(text, str) for text in texts):
                raise TypeError("a claim that is no text")
            account, institution, session, scopes = texts
            principal = Principal(account, institution, session, frozenset(scopes.split()))
            expires, token_id = float(claims["exp"]), str(claims.get("jti", ""))
        except (jwt.PyJWTError, KeyError, ValueError, TypeError) as problem:
            raise Unauthenticated("TOKEN_INVALID") from problem
        # Checked here, because the library does not use chassis.clock, which tests set.
        late_seconds = clock.now().timestamp() - expires
        if late_seconds >= 0:
            # An outage may have begun since the last read.
            if not self._was_away():
                self._read_again()
            if not self._was_away() or late_seconds >= OUTAGE_SECONDS:
                raise Unauthenticated("TOKEN_EXPIRED")
        if len(self._key_ids) < MOST_HEADERS:
            self._key_ids[header] = key_id
        return expires, principal, token_id

    def _new_key(self, key_id: str) -> bytes:
        """Return a key that this process does not know yet. Raises KeyUnknown, Unavailable SIGN_IN_UNAVAILABLE."""
        is_answered = self._read_again()
        key = self._last_state().keys.get(key_id)
        if key is None:
            raise KeyUnknown("TOKEN_INVALID") if is_answered else Unavailable("SIGN_IN_UNAVAILABLE")
        return key

    def _was_away(self) -> bool:
        return time.monotonic() - self._away_at < RETURN_SECONDS

    def _remember(self, digest: bytes, verified: tuple[float, Principal, str]) -> None:
        with self._lock:
            self._verified[digest] = verified
            while len(self._verified) > MOST_TOKENS:
                self._verified.popitem(last=False)

    def _current_state(self) -> TokenState:
        """Return the state of the last `STATE_SECONDS`; while members does not answer, the last state.

        raises  Unavailable  SIGN_IN_UNAVAILABLE  no state has been read yet
        """
        # While one thread reads the state, the others use the old one.
        if self._is_old() and self._reading.acquire(blocking=self._state is None):
            try:
                if self._is_old():
                    self._read()
            finally:
                self._reading.release()
        return self._last_state()

    def _is_old(self) -> bool:
        return self._is_local or time.monotonic() - self._read_at > STATE_SECONDS

    def _read_again(self) -> bool:
        """Read the state; return whether members answered a read that began after this call."""
        called_at = time.monotonic()
        is_away = self._is_away and called_at - self._away_at < RETRY_SECONDS
        if not is_away and self._places.acquire(blocking=False):
            try:
                with self._reading:
                    # Another thread may have read while this one waited.
                    if self._begun_at <= called_at and self._away_at < called_at:
                        if not self._is_local:
                            time.sleep(max(0.0, self._begun_at + READ_PAUSE_SECONDS - time.monotonic()))
                        self._read()
            finally:
                self._places.release()
        return self._answered_begun_at >= called_at

    def _last_state(self) -> TokenState:
        if self._state is None:
            raise Unavailable("SIGN_IN_UNAVAILABLE")
        return self._state

    def _read(self) -> None:
        self._begun_at = time.monotonic()
        try:
            self._state = self._read_state()
            self._read_at, self._answered_begun_at = time.monotonic(), self._begun_at
            if self._is_away:
                log.warning("token_state_available")
            self._is_away = False
        except Error as problem:
            # The next read waits a little, so that not every call waits for a service that does not answer.
            self._away_at = time.monotonic()
            self._read_at = self._away_at - STATE_SECONDS + RETRY_SECONDS
            if not self._is_away:
                log.warning("token_state_unavailable", extra={"reason": problem.reason})
            self._is_away = True


class _Sodium(OKPAlgorithm):
    """Ed25519 with libsodium, which checks a signature in half of the time of OpenSSL. It only checks."""

    def prepare_key(self, key: Any) -> Any:
        """Return the key, 32 bytes, as it is; libsodium does not look at its length."""
        if len(key) != crypto_sign_PUBLICKEYBYTES:
            raise jwt.InvalidKeyError("a public key has 32 bytes")
        return key

    def verify(self, msg: str | bytes, key: Any, sig: str | bytes) -> bool:
        if not isinstance(msg, bytes) or not isinstance(sig, bytes) or len(sig) != crypto_sign_BYTES:
            return False
        try:
            crypto_sign_open(sig + msg, key)
        except BadSignatureError:
            return False
        return True


class _TokenReader(jwt.PyJWT):
    """The library's checks of form, claims and signature, with `_Sodium` for the signature."""

    def __init__(self) -> None:
        super().__init__()
        self._jws = jwt.PyJWS(algorithms=())
        self._jws.register_algorithm(ALGORITHM, _Sodium())


_READER = _TokenReader()


def read_claims(token: str, key: bytes) -> dict[str, Any]:
    """Return the claims of a token that the key has signed, also of one that has expired.

    key     public, 32 bytes
    raises  Unauthenticated  TOKEN_INVALID
    """
    try:
        claims: dict[str, Any] = _READER.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            options={"require": list(_CLAIMS), "verify_exp": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, CryptoError, ValueError, TypeError) as problem:
        raise Unauthenticated("TOKEN_INVALID") from problem
    return claims
