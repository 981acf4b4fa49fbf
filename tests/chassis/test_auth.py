"""Access tokens are valid for five minutes, and for half an hour more while members does not answer."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis import clock
from chassis.errors import Error, Unauthenticated, Unavailable
from chassis.security import auth
from chassis.security.auth import Principal, TokenState, TokenVerifier, sign_token
from tests.conditions import eventually

PRINCIPAL = Principal("siti", "PKS", "s1", frozenset({"loans.write"}))
KEY = Ed25519PrivateKey.generate()


class Members:
    """Its keys and revoked sessions; `is_away` makes it unavailable; reads return after `hold` is set."""

    def __init__(self) -> None:
        self.state = TokenState({"k1": KEY.public_key().public_bytes_raw()}, frozenset())
        self.is_away = False
        self.reads = 0
        self.hold = threading.Event()
        self.hold.set()

    def read(self) -> TokenState:
        self.reads += 1
        if self.is_away:
            raise Unavailable("SERVICE_UNAVAILABLE", service="members")
        state = self.state
        assert self.hold.wait(60)
        return state

    def add_key(self, key_id: str) -> None:
        self.state = replace(self.state, keys={**self.state.keys, key_id: KEY.public_key().public_bytes_raw()})


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> Members:
    """Members, whose state is read for every token."""
    monkeypatch.setattr(auth, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(auth, "STATE_SECONDS", 0.0)
    return Members()


def test_an_expired_token_is_accepted_for_half_an_hour_while_members_is_away(
    members: Members, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = TokenVerifier(members.read)
    authorization = "Bearer " + sign_token(PRINCIPAL, key_id="k1", private_key=KEY.private_bytes_raw())
    assert verifier.verify(authorization) == PRINCIPAL
    with clock.frozen(clock.now() + timedelta(minutes=6)):
        with pytest.raises(Unauthenticated, match="TOKEN_EXPIRED"):
            verifier.verify(authorization)
        members.is_away = True
        assert verifier.verify(authorization) == PRINCIPAL
    with clock.frozen(clock.now() + timedelta(minutes=34)):
        assert verifier.verify(authorization) == PRINCIPAL
    with clock.frozen(clock.now() + timedelta(minutes=36)), pytest.raises(Unauthenticated, match="TOKEN_EXPIRED"):
        verifier.verify(authorization)
    with clock.frozen(clock.now() + timedelta(minutes=20)):
        members.is_away = False
        # Until the gateway has renewed it: otherwise everybody would have to sign in again.
        assert verifier.verify(authorization) == PRINCIPAL
        monkeypatch.setattr(auth, "RETURN_SECONDS", 0.0)
        with pytest.raises(Unauthenticated, match="TOKEN_EXPIRED"):
            verifier.verify(authorization)


def test_a_session_that_was_revoked_before_the_outage_stays_refused(members: Members) -> None:
    verifier = TokenVerifier(members.read)
    authorization = "Bearer " + sign_token(PRINCIPAL, key_id="k1", private_key=KEY.private_bytes_raw())
    members.state = replace(members.state, revoked=frozenset({"s1"}))
    with pytest.raises(Unauthenticated, match="SESSION_ENDED"):
        verifier.verify(authorization)
    members.is_away = True
    with clock.frozen(clock.now() + timedelta(minutes=10)), pytest.raises(Unauthenticated, match="SESSION_ENDED"):
        verifier.verify(authorization)


def test_a_process_that_starts_during_the_outage_accepts_no_token(members: Members) -> None:
    members.is_away = True
    authorization = "Bearer " + sign_token(PRINCIPAL, key_id="k1", private_key=KEY.private_bytes_raw())
    with pytest.raises(Unavailable, match="SIGN_IN_UNAVAILABLE"):
        TokenVerifier(members.read).verify(authorization)


def signed(key_id: str) -> str:
    return "Bearer " + sign_token(PRINCIPAL, key_id=key_id, private_key=KEY.private_bytes_raw())


def reason(call: Future[Principal]) -> str:
    problem = call.exception(60)
    return problem.reason if isinstance(problem, Error) else ""


def test_a_token_of_a_key_that_is_newer_than_the_last_read_is_valid() -> None:
    members = Members()
    verifier = TokenVerifier(members.read)
    assert verifier.verify(signed("k1")) == PRINCIPAL
    members.add_key("k2")
    assert verifier.verify(signed("k2")) == PRINCIPAL
    assert members.reads == 2


def test_a_token_of_a_new_key_waits_for_a_read_that_began_after_it() -> None:
    members, waits = Members(), threading.Event()

    class Verifier(TokenVerifier):
        def _read_again(self) -> bool:
            if members.reads == 2:
                waits.set()
            return super()._read_again()

    verifier = Verifier(members.read)
    assert verifier.verify(signed("k1")) == PRINCIPAL
    members.hold.clear()
    with ThreadPoolExecutor(2) as threads:
        invented = threads.submit(verifier.verify, signed("invented"))
        eventually(lambda: members.reads == 2)
        # This read has not got the key that is added now.
        members.add_key("k2")
        valid = threads.submit(verifier.verify, signed("k2"))
        assert waits.wait(60)
        members.hold.set()
        assert valid.result(60) == PRINCIPAL
        with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
            invented.result(60)


def test_many_tokens_with_invented_keys_cost_few_reads() -> None:
    members = Members()
    verifier = TokenVerifier(members.read)
    assert verifier.verify(signed("k1")) == PRINCIPAL
    tokens = [signed(f"invented-{number}") for number in range(200)]
    start = time.monotonic()
    with ThreadPoolExecutor(auth.MOST_WAITING) as threads:
        calls = [threads.submit(verifier.verify, token) for token in tokens]
        assert {reason(call) for call in calls} == {"TOKEN_INVALID"}
    assert members.reads <= (time.monotonic() - start) / auth.READ_PAUSE_SECONDS + 2


def test_tokens_with_invented_keys_do_not_hold_all_threads() -> None:
    members = Members()
    verifier = TokenVerifier(members.read)
    assert verifier.verify(signed("k1")) == PRINCIPAL
    members.hold.clear()
    with ThreadPoolExecutor(2 * auth.MOST_WAITING) as threads:
        tokens = [signed(f"invented-{number}") for number in range(2 * auth.MOST_WAITING)]
        calls = [threads.submit(verifier.verify, token) for token in tokens]
        eventually(lambda: sum(call.done() for call in calls) == auth.MOST_WAITING)
        assert {reason(call) for call in calls if call.done()} == {"SIGN_IN_UNAVAILABLE"}
        assert verifier.verify(signed("k1")) == PRINCIPAL
        members.hold.set()
        assert {reason(call) for call in calls} == {"SIGN_IN_UNAVAILABLE", "TOKEN_INVALID"}


def test_while_members_is_away_a_token_of_an_unknown_key_is_not_called_invalid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auth, "RETRY_SECONDS", 3_600.0)
    members = Members()
    verifier = TokenVerifier(members.read)
    assert verifier.verify(signed("k1")) == PRINCIPAL
    members.is_away = True
    with pytest.raises(Unavailable, match="SIGN_IN_UNAVAILABLE"):
        verifier.verify(signed("k2"))
    reads = members.reads
    with pytest.raises(Unavailable, match="SIGN_IN_UNAVAILABLE"):
        verifier.verify(signed("k2"))
    assert members.reads == reads
    members.is_away = False
    members.add_key("k2")
    monkeypatch.setattr(auth, "RETRY_SECONDS", 0.0)
    assert verifier.verify(signed("k2")) == PRINCIPAL
