"""Forged tokens are refused, also after a valid token with the same header."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chassis.errors import Unauthenticated
from chassis.security import auth
from chassis.security.auth import Principal, TokenState, TokenVerifier
from rangkiang.members.v1 import members_pb2
from rangkiang.members.v1 import sign_in_pb2 as wire
from services.members.keys import public_keys
from tests.services.members.conftest import PKS, TEST, Office, bearer


def account(office: Office, token: wire.AccessToken | str) -> Any:
    return office.stub.GetAccount(members_pb2.GetAccountRequest(), metadata=bearer(token)).account


def b64(data: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def forged(office: Office, **changes: Any) -> str:
    """A token with these changed claims, signed with the real key."""
    key_id, private_key = office.keys.signing_key()
    real = auth.sign_token(
        Principal("x", str(PKS), "s", frozenset({"account"})), key_id=key_id, private_key=private_key
    )
    claims = jwt.decode(real, options={"verify_signature": False}) | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": key_id})


def signed(office: Office, payload: bytes) -> str:
    """A token with this payload, signed with the real key."""
    private_key = Ed25519PrivateKey.from_private_bytes(office.keys.signing_key()[1])
    signed_part = f"{forged(office).partition('.')[0]}.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}"
    return f"{signed_part}.{base64.urlsafe_b64encode(private_key.sign(signed_part.encode())).rstrip(b'=').decode()}"


def with_claims_of_another(office: Office) -> str:
    header, _, signature = forged(office).split(".")
    return f"{header}.{forged(office, sub='another').split('.')[1]}.{signature}"


FORGERIES: dict[str, Callable[[Office], str]] = {
    "none": lambda office: f"{b64({'alg': 'none', 'kid': office.keys.signing_key()[0]})}.{b64({'sub': 'x'})}.",
    "hmac with the public key": lambda office: jwt.encode(
        {"sub": "x"}, b"k" * 32, algorithm="HS256", headers={"kid": office.keys.signing_key()[0]}
    ),
    "another key": lambda office: auth.sign_token(
        Principal("x", str(PKS), "s", frozenset({"account"})),
        key_id=office.keys.signing_key()[0],
        private_key=Ed25519PrivateKey.generate().private_bytes_raw(),
    ),
    "unknown key": lambda office: auth.sign_token(
        Principal("x", str(PKS), "s", frozenset({"account"})),
        key_id="ffffffffffffffff",
        private_key=Ed25519PrivateKey.generate().private_bytes_raw(),
    ),
    "issuer": lambda office: forged(office, iss="somebody"),
    "audience": lambda office: forged(office, aud="somebody"),
    "no scope": lambda office: forged(office, scope=None),
    "no expiry": lambda office: forged(office, exp=None),
    "a list as subject": lambda office: forged(office, sub=["x"]),
    "no time of issue": lambda office: forged(office, iat=None),
    "a number as session": lambda office: forged(office, sid=5),
    "an expiry that is no number": lambda office: forged(office, exp="soon"),
    "claims of another token": with_claims_of_another,
    "no signature": lambda office: forged(office).rpartition(".")[0] + ".",
    "a short signature": lambda office: forged(office)[:-8],
    "a signature that is not base64": lambda office: forged(office).rpartition(".")[0] + ".é",
    "a list as claims": lambda office: signed(office, b"[]"),
    "claims that are not JSON": lambda office: signed(office, b"{"),
    "two dots": lambda _: "a.b.c",
    "a header of many levels": lambda _: base64.urlsafe_b64encode(b'{"kid":' + b"[" * 2_900).decode() + ".e30.e30",
    "empty": lambda _: "",
    "long": lambda _: "a" * 5_000,
}


@pytest.mark.parametrize("is_header_known", [False, True])
@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_is_refused(office: Office, forgery: str, is_header_known: bool) -> None:
    if is_header_known:
        valid = office.keys.sign(Principal(office.staff("budi", "desk"), str(PKS), "s", frozenset({"account"})))
        assert account(office, valid).user == "budi"
    with pytest.raises(Unauthenticated, match="TOKEN_INVALID"):
        account(office, FORGERIES[forgery](office))


def test_a_known_header_and_a_new_one_lead_to_the_same_caller(office: Office) -> None:
    office.staff("budi", "desk")
    tokens = [office.sign_in("budi").token.token for _ in range(2)]
    with office.database.reading(TEST) as session:
        state = TokenState({key.id: key.public_key for key in public_keys(session)}, frozenset())
    verifier = TokenVerifier(lambda: state)
    first, next_ = (verifier.verify(f"Bearer {token}") for token in tokens)
    assert TokenVerifier(lambda: state).verify(f"Bearer {tokens[1]}") == next_
    assert (first.id, first.institution, first.scopes) == (next_.id, next_.institution, next_.scopes)
    assert first.session != next_.session
