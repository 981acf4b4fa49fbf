"""Access tokens are valid for five minutes, and for half an hour more while members does not answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis import clock
from chassis.errors import Unauthenticated, Unavailable
from chassis.security import auth
from chassis.security.auth import Principal, TokenState, TokenVerifier, sign_token

PRINCIPAL = Principal("siti", "PKS", "s1", frozenset({"loans.write"}))
KEY = Ed25519PrivateKey.generate()


class Members:
    """Its keys and revoked sessions; `is_away` makes it unavailable."""

    def __init__(self) -> None:
        self.state = TokenState({"k1": KEY.public_key().public_bytes_raw()}, frozenset())
        self.is_away = False

    def read(self) -> TokenState:
        if self.is_away:
            raise Unavailable("SERVICE_UNAVAILABLE", service="members")
        return self.state


@pytest.fixture
def members(monkeypatch: pytest.MonkeyPatch) -> Members:
    """Members, whose state is read for every token."""
    monkeypatch.setattr(auth, "LEAST_STATE_SECONDS", 0.0)
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
