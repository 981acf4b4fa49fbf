"""OAuth 2.0 for programs: access tokens (RFC 6749 §4.4), revocation (RFC 7009) and the metadata document (RFC 8414)."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote_plus

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, Invalid, Unauthenticated
from gateway import problems
from gateway.clients import call, members
from gateway.links import absolute_url
from gateway.request_guard import accept_bodies, header_fields
from gateway.responses import respond
from gateway.sessions import require_secure
from rangkiang.members.v1 import sign_in_pb2 as wire

router = APIRouter()

ROOT = "/oauth/"
TOKEN, REVOKE = f"{ROOT}token", f"{ROOT}revoke"
GRANT = "client_credentials"
LONGEST_FORM_BYTES = 8_192
MOST_PARAMETERS = 20
_FORM = "application/x-www-form-urlencoded"
# RFC 6749 §5.1
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# Error codes (RFC 6749 §5.2) by reason; other reasons have the code of their status, or invalid_request.
_CODES = {
    "CLIENT_MISSING": "invalid_client",
    "CLIENT_REFUSED": "invalid_client",
    "GRANT_TYPE_UNSUPPORTED": "unsupported_grant_type",
    "SCOPE_NOT_HELD": "invalid_scope",
    "TOKEN_OF_OTHER_CLIENT": "invalid_grant",
}
_CODES_OF_STATUS = {500: "server_error", 503: "temporarily_unavailable", 504: "temporarily_unavailable"}
# `error_description` has characters of ASCII only, without " and \ (RFC 6749 §5.2).
_PLAIN = str.maketrans({"“": "'", "”": "'", "‘": "'", "’": "'", '"': "'", "–": "-"})
_NOT_ALLOWED = re.compile(r"[^\x20-\x21\x23-\x5b\x5d-\x7e]")


@router.post(TOKEN)
@accept_bodies(LONGEST_FORM_BYTES)
async def issue_oauth_token(request: Request) -> Response:
    """Return an access token for five minutes. `scope` reduces its scopes."""
    require_secure(request)
    form = await _read_form(request)
    client_id, secret = _read_client(request, form)
    if _required(form, "grant_type") != GRANT:
        raise Invalid("GRANT_TYPE_UNSUPPORTED", known=GRANT)
    message = wire.IssueTokenRequest(client_id=client_id, client_secret=secret, scope=form.get("scope", ""))
    reply = await call(request, members(request).IssueToken, message)
    body = {
        "access_token": reply.token.token,
        "token_type": "Bearer",
        "expires_in": reply.token.expires_in_seconds,
        "scope": reply.scope,
    }
    return Response(orjson.dumps(body), media_type="application/json", headers=_NO_STORE)


@router.post(REVOKE)
@accept_bodies(LONGEST_FORM_BYTES)
async def revoke_oauth_token(request: Request) -> Response:
    """Revoke one access token of the client. All services refuse it within 20 seconds. An unknown token is no error."""
    require_secure(request)
    form = await _read_form(request)
    client_id, secret = _read_client(request, form)
    token = _required(form, "token")
    message = wire.RevokeTokenRequest(client_id=client_id, client_secret=secret, token=token)
    await call(request, members(request).RevokeToken, message)
    return Response(headers=_NO_STORE)


@router.get("/.well-known/oauth-authorization-server")
async def oauth_metadata(request: Request) -> Response:
    """Describe the authorization server, for libraries that configure themselves."""
    methods = ["client_secret_basic", "client_secret_post"]
    document = {
        "issuer": absolute_url(request, ""),
        "token_endpoint": absolute_url(request, TOKEN),
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": absolute_url(request, REVOKE),
        "revocation_endpoint_auth_methods_supported": methods,
        "grant_types_supported": [GRANT],
        "scopes_supported": request.app.state.scopes,
        "response_types_supported": [],
    }
    return respond(request, orjson.dumps(document), "application/json", cache="public, max-age=300", vary="Host")


def refusal(request: Request, error: Error) -> Response:
    """Return the response to an error in OAuth's form (RFC 6749 §5.2); the description is in English."""
    code = _CODES.get(error.reason) or _CODES_OF_STATUS.get(error.http_status, "invalid_request")
    status = 400 if error.http_status == 403 else error.http_status
    description = _NOT_ALLOWED.sub("", error.sentence.en.translate(_PLAIN))
    headers = {**problems.headers(error, "en"), **_NO_STORE}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="rangkiang", charset="UTF-8"'
    body = orjson.dumps({"error": code, "error_description": description})
    return Response(body, status_code=status, media_type="application/json", headers=headers)


async def _read_form(request: Request) -> dict[str, str]:
    """Return the parameters of the body; those without a value are left out (RFC 6749 §3.2).

    raises  Invalid  FORM_NOT_READABLE, PARAMETER_REPEATED
    """
    media_type = header_fields(request.scope).get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != _FORM.encode():
        raise Invalid("FORM_NOT_READABLE", media_type=_FORM, most=MOST_PARAMETERS)
    try:
        text = (await request.body()).decode()
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise Invalid("FORM_NOT_READABLE", media_type=_FORM, most=MOST_PARAMETERS) from None
    form = dict(pairs)
    if len(form) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise Invalid("PARAMETER_REPEATED", parameter=repeated[:40], times=1)
    return {name: value for name, value in form.items() if value}


def _read_client(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """Return the id and the secret of the client, from the header or the body but not from both (RFC 6749 §2.3.1).

    raises  Unauthenticated  CLIENT_MISSING
            Invalid          CLIENT_GIVEN_TWICE
    """
    client_id, secret = form.get("client_id", ""), form.get("client_secret", "")
    header = header_fields(request.scope).get(b"authorization", b"")
    if header:
        user, password = read_basic(header)
        if secret or client_id not in ("", user):
            raise Invalid("CLIENT_GIVEN_TWICE")
        client_id, secret = user, password
    if not client_id or not secret:
        raise Unauthenticated("CLIENT_MISSING")
    return client_id, secret


def read_basic(header: bytes) -> tuple[str, str]:
    """Return the id and the secret of the client in a header. Raises Unauthenticated CLIENT_MISSING."""
    scheme, _, value = header.decode("latin-1").partition(" ")
    if scheme.lower() != "basic":
        raise Unauthenticated("CLIENT_MISSING")
    try:
        user, _, password = b64decode(value.strip(), validate=True).decode().partition(":")
        return unquote_plus(user, errors="strict"), unquote_plus(password, errors="strict")
    except ValueError:
        raise Unauthenticated("CLIENT_MISSING") from None


def _required(form: Mapping[str, str], name: str) -> str:
    if name not in form:
        raise Invalid("PARAMETER_MISSING", parameter=name)
    return form[name]
