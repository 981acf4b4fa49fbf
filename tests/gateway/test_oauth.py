"""OAuth tokens for programs, with a client library of others; members is in this process or behind gRPC."""

from __future__ import annotations

import json
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from sqlalchemy import func, select
from typer.testing import CliRunner

from chassis.errors import Unauthenticated
from chassis.rpc.client import token_verifier
from chassis.urls import resolve
from services.members import commands
from services.members.keys import Keys
from services.members.roles import roles, scopes_of
from services.members.settings import MembersSettings
from services.members.sign_in import clients
from services.members.tables import RevokedToken
from tests.conditions import eventually
from tests.fakes.accounts import PKS, TEST, add_institution
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import running, served_catalog, served_gateway, served_members

GRANT = {"grant_type": "client_credentials"}


@dataclass
class Library:
    """The address of a gateway, and a client of the role desk."""

    address: str
    client_id: str
    secret: str

    def post(self, path: str, data: dict[str, str] | str, **options: Any) -> httpx.Response:
        options["headers"] = {"Content-Type": "application/x-www-form-urlencoded", **options.get("headers", {})}
        body = data if isinstance(data, str) else str(httpx.QueryParams(data))
        return httpx.post(f"{self.address}{path}", content=body, timeout=20, verify=False, **options)

    @property
    def own(self) -> dict[str, str]:
        return {"client_id": self.client_id, "client_secret": self.secret}

    def session(self, method: str = "client_secret_basic", **options: Any) -> OAuth2Client:
        """A client of the library authlib, configured by the metadata document."""
        found = httpx.get(f"{self.address}/.well-known/oauth-authorization-server", verify=False).json()
        return OAuth2Client(
            self.client_id, self.secret, token_endpoint=found["token_endpoint"], token_endpoint_auth_method=method,
            revocation_endpoint_auth_method=method, base_url=self.address, timeout=20, verify=False, **options,
        )  # fmt: skip

    def scopes(self, token: str) -> set[str]:
        headers = {"Authorization": f"Bearer {token}"}
        response = httpx.get(f"{self.address}/api/v1/account", headers=headers, verify=False)
        return set(response.json()["scopes"]) if response.status_code == 200 else set()


@pytest.fixture(scope="module", params=["embedded", "cluster"])
def library(request: pytest.FixtureRequest) -> Iterator[Library]:
    with ExitStack() as stack:
        catalog = stack.enter_context(served_catalog(FakeCatalog()))
        address = stack.enter_context(served_gateway(catalog))
        members = running["members"]
        if request.param == "cluster":
            urls = {"members": stack.enter_context(served_members(members))}
            address = stack.enter_context(served_gateway(catalog, urls=urls, without=("members",)))
        add_institution()
        # There is a signing key before the gateway reads the keys, which it does every 15 seconds.
        Keys(members.database, members.settings.of(MembersSettings)).signing_key()
        yield Library(address, *add_client("kios"))


def add_client(name: str, role: str = "desk") -> tuple[str, str]:
    with running["members"].database.transaction(TEST) as session:
        client, secret = clients.add_client(
            session, institution_id=PKS, name=name, role=role, context=TEST, granter=None
        )
        return str(client.id), secret


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_library_of_others_gets_a_token_and_calls_the_api_with_it(library: Library, method: str) -> None:
    with library.session(method) as session:
        token = session.fetch_token(grant_type="client_credentials")
        assert (token["token_type"], token["expires_in"]) == ("Bearer", 300)
        assert set(token["scope"].split()) == scopes_of(["desk"])
        assert session.get("/api/v1/account").json()["user"] == "kios"


def test_a_token_has_only_the_scopes_that_were_requested(library: Library) -> None:
    with library.session(scope="account members.read") as session:
        token = session.fetch_token(grant_type="client_credentials")
        assert token["scope"] == "account members.read"
        assert library.scopes(token["access_token"]) == {"account", "members.read"}
        assert session.get("/api/v1/members?q=siti").status_code == 200
        assert session.get("/api/v1/notices").json()["reason"] == "SCOPE_NEEDED"


def test_a_scope_of_another_role_is_refused(library: Library) -> None:
    with library.session(scope="account staff.manage") as session, pytest.raises(OAuthError) as refusal:
        session.fetch_token(grant_type="client_credentials")
    assert (refusal.value.error, "staff.manage" in refusal.value.description) == ("invalid_scope", True)


def test_a_wrong_secret_is_refused_with_a_challenge(library: Library) -> None:
    for options in ({"auth": (library.client_id, "wrong")}, {"headers": {"Authorization": "Basic ????"}}, {}):
        response = library.post("/oauth/token", GRANT, **options)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
        assert response.headers["www-authenticate"].startswith('Basic realm="')
        assert response.headers["cache-control"] == "no-store"


REQUESTS: dict[str, tuple[dict[str, str] | str, int, str]] = {
    "no grant": ({}, 400, "invalid_request"),
    "another grant": ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    "a repeated parameter": ("grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
    "two ways": ({**GRANT, "client_secret": "x"}, 400, "invalid_request"),
    "another id": ({**GRANT, "client_id": "x"}, 400, "invalid_request"),
    "no UTF-8": ("grant_type=%ff", 400, "invalid_request"),
    "many parameters": ("&".join(f"p{number}=1" for number in range(30)), 400, "invalid_request"),
    "a long body": ("grant_type=" + "x" * 9_000, 413, "invalid_request"),
    "an unknown scope": ({**GRANT, "scope": '"\\ é'}, 400, "invalid_scope"),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_a_request_that_cannot_be_read_is_refused_in_the_form_of_oauth(library: Library, case: str) -> None:
    body, status, code = REQUESTS[case]
    response = library.post("/oauth/token", body, auth=(library.client_id, library.secret))
    assert (response.status_code, response.json()["error"]) == (status, code), response.text
    assert set(response.json()) == {"error", "error_description"}
    description = response.json()["error_description"]
    assert description.isascii()
    assert not {'"', "\\"} & set(description)


def test_other_parameters_and_parameters_without_a_value_are_ignored(library: Library) -> None:
    body = {**GRANT, **library.own, "scope": "", "audience": "x"}
    assert set(library.post("/oauth/token", body).json()["scope"].split()) == scopes_of(["desk"])


def test_a_body_of_another_kind_and_another_method_are_refused(library: Library) -> None:
    answers = [
        httpx.post(f"{library.address}/oauth/token", json={**GRANT, **library.own}, verify=False),
        httpx.get(f"{library.address}/oauth/token", headers={"Accept": "text/html"}, verify=False),
    ]
    assert [(answer.status_code, answer.json()["error"]) for answer in answers] == [
        (400, "invalid_request"),
        (405, "invalid_request"),
    ]


def test_a_revoked_token_is_refused_and_the_next_token_of_the_client_is_valid(library: Library) -> None:
    with library.session() as session:
        token = session.fetch_token(grant_type="client_credentials")["access_token"]
        assert library.scopes(token)
        assert session.revoke_token(f"{library.address}/oauth/revoke", token=token).status_code == 200
        new = session.fetch_token(grant_type="client_credentials")["access_token"]
    eventually(lambda: not library.scopes(token), seconds=30)
    assert library.scopes(new)
    members = running["members"]
    fresh = token_verifier(members.settings, resolve(members.service.rpc)(members))
    with pytest.raises(Unauthenticated, match="TOKEN_REVOKED"):
        fresh.verify(f"Bearer {token}")
    assert fresh.verify(f"Bearer {new}").id == library.client_id


def test_an_unknown_token_is_no_error_and_a_token_of_another_client_stays_valid(library: Library) -> None:
    other_id, other_secret = add_client(f"opac-{library.client_id}", "manager")
    other = {"client_id": other_id, "client_secret": other_secret}
    token = library.post("/oauth/token", {**GRANT, **other}).json()["access_token"]
    unknown = library.post("/oauth/revoke", {**library.own, "token": "invented", "token_type_hint": "access_token"})
    assert (unknown.status_code, unknown.content) == (200, b"")
    foreign = library.post("/oauth/revoke", {**library.own, "token": token})
    assert (foreign.status_code, foreign.json()["error"]) == (400, "invalid_grant")
    wrong = library.post("/oauth/revoke", {**other, "client_secret": "wrong", "token": token})
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    with running["members"].database.reading(TEST) as session:
        revoked = select(func.count()).where(RevokedToken.client_id == UUID(other_id))
        assert session.scalar(revoked) == 0
    for _ in range(2):
        assert library.post("/oauth/revoke", {**other, "token": token}).status_code == 200
    with running["members"].database.reading(TEST) as session:
        assert session.scalar(revoked) == 1


def test_a_client_cannot_revoke_more_tokens_than_every_process_can_read(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "MOST_REVOKED", 2)
    client_id, secret = add_client(f"ulang-{library.client_id}")
    statuses = []
    for _ in range(3):
        own = {"client_id": client_id, "client_secret": secret}
        token = library.post("/oauth/token", {**GRANT, **own}).json()["access_token"]
        statuses.append(library.post("/oauth/revoke", {**own, "token": token}).status_code)
    assert statuses == [200, 200, 429]


def test_the_metadata_document_names_what_there_is(library: Library) -> None:
    document = httpx.get(f"{library.address}/.well-known/oauth-authorization-server", verify=False).json()
    assert document["issuer"] == library.address
    assert document["token_endpoint"] == f"{library.address}/oauth/token"
    assert document["revocation_endpoint"] == f"{library.address}/oauth/revoke"
    assert document["grant_types_supported"] == ["client_credentials"]
    # Those of the roles of clients, without the two that only commands and the desk's pages use.
    of_roles = scopes_of(role for role in roles() if role != "member")
    assert set(document["scopes_supported"]) == of_roles - {"audit.read", "members.import"}


def test_a_secret_is_not_accepted_on_a_connection_that_others_can_read(library: Library) -> None:
    basic = b64encode(f"{library.client_id}:{library.secret}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Host": "perpustakaan.example"}
    response = library.post("/oauth/token", GRANT, headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(("language", "words"), [("id_ID", "Meminta token akses"), ("en_GB", "To get an access token")])
def test_the_command_that_a_new_client_is_shown_gets_a_token(library: Library, language: str, words: str) -> None:
    environment = {"DATA": str(running["members"].settings.data), "PUBLIC_URL": library.address, "LANG": language}
    name = f"mesin-{library.client_id}-{language[:2]}"
    options = ["client", "create", name, "--institution", "PKS", "--role", "desk"]
    result = CliRunner().invoke(commands.app, options, env=environment)
    assert result.exit_code == 0, result.output
    assert words in result.output
    line = next(line for line in result.output.splitlines() if line.startswith("curl "))
    answer = json.loads(subprocess.run(line, shell=True, capture_output=True, check=True).stdout)
    assert library.scopes(answer["access_token"]) == scopes_of(["desk"])
    options[2] += "-2"
    output = CliRunner().invoke(commands.app, [*options, "--json"], env=environment).output
    of_json = json.loads(output.splitlines()[-1])
    assert set(of_json) == {"client_id", "client_secret", "curl"}
    assert of_json["client_secret"] in of_json["curl"]
