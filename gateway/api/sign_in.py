"""Routes to get access tokens for people and programs, to read the caller's account, and to change its password."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.callers import address_of
from gateway.clients import Members, call
from gateway.password_limit import call_within_limit
from gateway.sessions import require_secure
from rangkiang.members.v1 import members_pb2, models
from rangkiang.members.v1 import sign_in_pb2 as wire

router = APIRouter(tags=["sign-in"], route_class=ApiRoute)

# Longer values are refused before any work, such as hashing a password.
LONGEST_PASSWORD, LONGEST_NEW_PASSWORD = 256, 128


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


class SignedIn(models.AccessToken):
    """An access token of a person."""

    device: str = Field(
        description="To keep, and to send with the next sign-in on this device, of this or another account.",
        examples=["0pbIJ2ZVSWLRk3PvqAyZmQ.mG2aTq3zV0bLw9sXcK4e"],
    )


@router.post("/sign-in", **documented("Sign in", "members.SignIn", errors=(401, 403)))
async def sign_in(request: Request, body: models.Credentials, members: Members) -> SignedIn:
    """Return an access token for five minutes. After TOTP_REQUIRED, repeat the request with `totp`.

    After SIGN_IN_INSTITUTION_NEEDED, repeat it with one of the codes in the fact `institutions`, or with that of any
    institution if the list is empty.
    """
    require_secure(request)
    message = to_message(wire.SignInRequest, body, address=address_of(request.scope))
    reply = await call_within_limit(request, members.SignIn, message)
    return to_model(SignedIn, reply.token, device=reply.device)


@router.post("/tokens", **documented("Get an access token for a client", "members.IssueToken", errors=(401, 403)))
async def issue_token(request: Request, body: models.ClientCredentials, members: Members) -> models.AccessToken:
    """Return an access token for five minutes, for a program of another system."""
    require_secure(request)
    reply = await call(request, members.IssueToken, to_message(wire.IssueTokenRequest, body))
    return to_model(models.AccessToken, reply.token)


@router.get("/account", **documented("The caller's own account", "members.GetAccount", errors=(404,)))
async def get_account(request: Request, query: NoParameters, members: Members) -> models.Account:
    """Return the account and the scopes of the access token."""
    reply = await call(request, members.GetAccount, members_pb2.GetAccountRequest())
    return to_model(models.Account, reply.account)


@router.post(
    "/account/password",
    **documented("Change the caller's own password", "members.ChangePassword", errors=(404,), status=204),
)
async def change_password(request: Request, body: PasswordChange, members: Members) -> None:
    """Change the caller's password, and end the account's other sessions."""
    require_secure(request)
    message = members_pb2.ChangePasswordRequest(password=body.password, new_password=body.new_password)
    await call_within_limit(request, members.ChangePassword, message)
