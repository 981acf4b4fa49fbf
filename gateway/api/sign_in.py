"""Routes to get access tokens for people and programs, to read the caller's account, and to change its password."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel
from gateway.api.schemas import JSON
from gateway.callers import address_of
from gateway.clients import Members, call
from gateway.password_turns import call_in_turn
from gateway.sessions import require_secure
from rangkiang.members.v1 import members_pb2
from rangkiang.members.v1 import sign_in_pb2 as wire

router = APIRouter(tags=["sign-in"], route_class=ApiRoute)

# Longer values are refused before any work, such as hashing a password.
LONGEST_USER, LONGEST_PASSWORD, LONGEST_NEW_PASSWORD, LONGEST_SECRET = 64, 256, 128, 128
LONGEST_INSTITUTION, LONGEST_DEVICE = 32, 256


class Credentials(BaseModel):
    """A user name or card number, and a password."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field(description="User name of staff, or a card number.", max_length=LONGEST_USER, examples=["siti"])
    password: str = Field(
        description="The password.", max_length=LONGEST_PASSWORD, examples=["kopi jendela sungai"], repr=False
    )
    totp: str = Field(
        default="",
        description="Six-digit code of the authenticator, for accounts with a second factor.",
        pattern=r"^([0-9]{6})?$",
        examples=["287082"],
    )
    institution: str = Field(
        default="",
        description="Code of the institution, after SIGN_IN_INSTITUTION_NEEDED: several have the card number.",
        max_length=LONGEST_INSTITUTION,
        examples=["PKS"],
    )
    device: str = Field(
        default="",
        description="`device` of the last sign-in on this device. Failures of others then do not delay this sign-in.",
        max_length=LONGEST_DEVICE,
        examples=["0pbIJ2ZVSWLRk3PvqAyZmQ.mG2aTq3zV0bLw9sXcK4e"],
        repr=False,
    )


class ClientCredentials(BaseModel):
    """The id and the secret of a client."""

    model_config = ConfigDict(extra="forbid")

    client_id: str = Field(
        description="Id of the client, which `rangkiang client create` and POST /clients return.",
        max_length=LONGEST_SECRET,
        examples=["0192f3a4-5b6c-7d8e-9f01-23456789abcd"],
    )
    client_secret: str = Field(
        description="Secret of the client.",
        max_length=LONGEST_SECRET,
        examples=["zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wA"],
        repr=False,
    )


class PasswordChange(BaseModel):
    """The current password and a new one."""

    model_config = ConfigDict(extra="forbid")

    password: str = Field(
        description="The current password.", max_length=LONGEST_PASSWORD, examples=["kopi jendela sungai"], repr=False
    )
    new_password: str = Field(
        description="The new password, of 8 to 128 characters.",
        max_length=LONGEST_NEW_PASSWORD,
        examples=["lampu perahu kemarau"],
        repr=False,
    )


class AccessToken(ResponseModel):
    """An access token. Clients send it as `Authorization: Bearer …`."""

    access_token: str
    """A signed token (JWT)."""
    expires_in: int
    """Seconds until the token expires."""


class SignedIn(AccessToken):
    """An access token of a person."""

    device: str
    """To keep, and to send with the next sign-in on this device, of this or another account."""


class Account(ResponseModel):
    """The account of the caller."""

    id: str
    """Identifier (UUID)."""
    user: str
    """User name, card number, or name of the client."""
    name: str
    """Name of the person or of the client."""
    institution: str
    """Code of the institution."""
    roles: list[str]
    """Roles: member, desk, cataloguer, manager, administrator."""
    scopes: list[str]
    """Scopes of these roles."""


_TOKEN = {"access_token": "eyJhbGciOiJFZERTQSIsImtpZCI6IjEifQ.e30.c2lnbmF0dXJl", "expires_in": 300}
_SIGNED_IN = {**_TOKEN, "device": "0pbIJ2ZVSWLRk3PvqAyZmQ.mG2aTq3zV0bLw9sXcK4e"}
_ACCOUNT = {
    "id": "0192f3a4-5b6c-7d8e-9f01-23456789abcd",
    "user": "siti",
    "name": "Siti Rahma",
    "institution": "PKS",
    "roles": ["desk"],
    "scopes": ["account", "members.read"],
}


@router.post(
    "/sign-in",
    response_model=SignedIn,
    **documented(
        operation="sign_in",
        summary="Sign in",
        example=_SIGNED_IN,
        errors=(400, 401, 403, 429, 503, 504),
    ),
)
async def sign_in(request: Request, body: Credentials, members: Members) -> Response:
    """Return an access token for five minutes. After TOTP_REQUIRED, repeat the request with `totp`.

    After SIGN_IN_INSTITUTION_NEEDED, repeat it with one of the codes in the fact `institutions`, or with that of any
    institution if the list is empty.
    """
    require_secure(request)
    message = wire.SignInRequest(
        user=body.user,
        password=body.password,
        totp=body.totp,
        address=address_of(request.scope),
        institution=body.institution,
        device=body.device,
    )
    reply = await call_in_turn(request, members.SignIn, message)
    signed_in = SignedIn(access_token=reply.token.token, expires_in=reply.token.expires_in_seconds, device=reply.device)
    return _private(signed_in)


@router.post(
    "/tokens",
    response_model=AccessToken,
    **documented(
        operation="issue_token",
        summary="Get an access token for a client",
        example=_TOKEN,
        errors=(400, 401, 403, 429, 503, 504),
    ),
)
async def issue_token(request: Request, body: ClientCredentials, members: Members) -> Response:
    """Return an access token for five minutes, for a program of another system."""
    require_secure(request)
    message = wire.IssueTokenRequest(client_id=body.client_id, client_secret=body.client_secret)
    token = (await call(request, members.IssueToken, message)).token
    return _private(AccessToken(access_token=token.token, expires_in=token.expires_in_seconds))


@router.get(
    "/account",
    response_model=Account,
    **documented(
        operation="get_account",
        summary="The caller's own account",
        example=_ACCOUNT,
        errors=(400, 401, 403, 404, 429, 503, 504),
    ),
)
async def account(request: Request, query: Annotated[QueryModel, Query()], members: Members) -> Response:
    """Return the account and the scopes of the access token."""
    account = (await call(request, members.GetAccount, members_pb2.GetAccountRequest())).account
    body = Account(
        id=account.id,
        user=account.user,
        name=account.name,
        institution=account.institution,
        roles=list(account.roles),
        scopes=list(account.scopes),
    )
    return Response(body.to_json(), media_type=JSON)


@router.post(
    "/account/password",
    status_code=204,
    **documented(
        operation="change_password",
        summary="Change the caller's own password",
        errors=(400, 401, 403, 404, 429, 503, 504),
    ),
)
async def change_password(request: Request, body: PasswordChange, members: Members) -> Response:
    """Change the caller's password, and end the account's other sessions."""
    require_secure(request)
    message = members_pb2.ChangePasswordRequest(password=body.password, new_password=body.new_password)
    await call_in_turn(request, members.ChangePassword, message)
    return Response(status_code=204)


def _private(body: AccessToken) -> Response:
    return Response(body.to_json(), media_type=JSON, headers={"Cache-Control": "no-store"})
