"""The gateway behaves as its OpenAPI document describes, for valid and invalid requests."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.schemas import BaseSchema

from chassis.security.auth import Principal
from gateway.problems import MEDIA_TYPE
from services.members.keys import Keys
from services.members.people.store import NewMember, register
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from tests.described import ROUTES, call_as_described, document, is_public, needs_token, paths_of, schema_of
from tests.fakes import lending
from tests.fakes.accounts import PKS, TEST, add_institution
from tests.fakes.books import BOOKS
from tests.fakes.hours import add_hours
from tests.fakes.institutions import OWN
from tests.fakes.running import running
from tests.fakes.shelves import WORK

ROLES = itertools.cycle(("desk", "member", "administrator"))
# A token is used for this long; it lives for five minutes.
SECONDS_OF_TOKEN = 60


@pytest.fixture(params=paths_of(is_public))
def described(request: pytest.FixtureRequest) -> BaseSchema:
    return schema_of(request)


@pytest.fixture(params=paths_of(needs_token))
def described_with_token(request: pytest.FixtureRequest) -> BaseSchema:
    return schema_of(request)


@(
    schemathesis.pytest.from_fixture("described")
    .include(lambda context: is_public(context.operation.definition.raw))
    .parametrize()
)
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
def test_responses_are_as_described(case: Case, address: str) -> None:
    call_as_described(case, address)


@pytest.fixture(scope="module")
def sign(address: str) -> Callable[[str], tuple[str, dict[str, str]]]:
    """Returns a function that gives a token of a role, and ids of what is there, by the names of parameters."""
    members = running["members"]
    keys = Keys(members.database, members.settings.of(MembersSettings))
    master = keys.master
    add_institution()
    lending.add_items()
    context = replace(TEST, institution=str(PKS))
    with members.database.transaction(context) as session:
        new = NewMember({"name": "Buya Hamka", "category": "umum"})
        member_id = str(register(session, new, context=context, master=master).id)
    signed: dict[str, tuple[str, float]] = {}
    ids = {"member_id": member_id, "member": member_id, "item_id": lending.item_id(1), "branch": "PKS/PST"}

    def sign(role: str) -> tuple[str, dict[str, str]]:
        token, signed_at = signed.get(role, ("", 0.0))
        if not token or time.monotonic() - signed_at > SECONDS_OF_TOKEN:
            account = member_id if role == "member" else str(uuid.uuid4())
            token = keys.sign(Principal(account, str(PKS), str(uuid.uuid4()), scopes_of([role])))
            signed[role] = token, time.monotonic()
        return token, ids

    return sign


@(
    schemathesis.pytest.from_fixture("described_with_token")
    .include(lambda context: needs_token(context.operation.definition.raw))
    .parametrize()
)
@settings(max_examples=4, suppress_health_check=list(HealthCheck))
def test_responses_to_callers_with_a_token_are_as_described(
    case: Case, address: str, sign: Callable[[str], tuple[str, dict[str, str]]]
) -> None:
    token, ids = sign(next(ROLES))
    if len(repr(case.query)) % 2:
        case.path_parameters.update({name: ids[name] for name in case.path_parameters if name in ids})
    call_as_described(case, address, {"Authorization": f"Bearer {token}"})


def operations(http: httpx.Client) -> list[tuple[str, dict[str, Any]]]:
    paths = http.get("/openapi.json").json()["paths"]
    return [(path, operation) for path, methods in paths.items() for operation in methods.values()]


def example_of(operation: dict[str, Any]) -> tuple[Any, dict[str, Any] | None]:
    """The example of the good response, and its schema when it is JSON of ours; {} for one without content."""
    good = [response for status, response in operation["responses"].items() if status.startswith("2")]
    bodies = [media for response in good for media in response.get("content", {}).values() if "example" in media]
    if not bodies:
        assert "204" in operation["responses"]
        return {}, {}
    (body,) = bodies
    return body["example"], body.get("schema")


def test_every_operation_has_a_name_an_example_and_its_refusals(http: httpx.Client) -> None:
    names = []
    for path, operation in operations(http):
        names.append(operation["operationId"])
        assert example_of(operation)[0] or "204" in operation["responses"], path
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == [MEDIA_TYPE], path
    assert len(set(names)) == len(names)


def test_examples_are_valid_against_their_schemas(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    for _, operation in operations(http):
        example, shape = example_of(operation)
        schema = {"components": document["components"], **(shape or {})}
        jsonschema.Draft202012Validator(schema).validate(example)


def test_every_parameter_has_a_description(http: httpx.Client) -> None:
    for path, operation in operations(http):
        assert operation["summary"], path
        assert operation["description"], path
        assert all(parameter["description"] for parameter in operation.get("parameters", ())), path


def test_the_document_has_the_routes_with_which_tests_are_parametrised() -> None:
    paths = {
        path: {method: needs_token(operation) for method, operation in methods.items()}
        for path, methods in document()["paths"].items()
    }
    assert paths == {
        path: {method: needs_token(operation) for method, operation in methods.items()}
        for path, methods in ROUTES.items()
    }


READS = [path for path, methods in ROUTES.items() if "get" in methods]
PLACES = {"record_id": BOOKS[0].id, "work_id": WORK, "ending": "mrc", "institution": OWN, "code": "PUSAT"}


def address_of(path: str, places: dict[str, str]) -> str:
    """The path with a value for each parameter: one of these, or that of the description."""
    parameters = [
        parameter for parameter in document()["paths"][path]["get"].get("parameters", ()) if parameter["in"] == "path"
    ]
    usual = {
        parameter["name"]: (parameter["schema"].get("examples") or parameter["schema"].get("enum", [BOOKS[0].id]))[0]
        for parameter in parameters
    }
    return path.format(**{**usual, **places})


@pytest.fixture(scope="module")
def _hours(address: str) -> None:
    add_hours()


@pytest.mark.usefixtures("_hours")
@pytest.mark.parametrize("path", READS)
def test_a_read_sends_304_when_its_description_has_it(
    http: httpx.Client, path: str, sign: Callable[[str], tuple[str, dict[str, str]]]
) -> None:
    operation = document()["paths"][path]["get"]
    token, places = sign("administrator")
    headers = {"If-None-Match": "*"} | ({"Authorization": f"Bearer {token}"} if needs_token(operation) else {})
    required = [
        parameter for parameter in operation["parameters"] if parameter["in"] == "query" and parameter.get("required")
    ]
    params = {name["name"]: name["schema"].get("examples", [""])[0] for name in required}
    response = http.get(address_of(path, {**places, **PLACES}), params=params, headers=headers)
    assert (response.status_code == 304) == ("304" in operation["responses"]), response.text


@pytest.mark.parametrize("path", READS)
def test_every_read_refuses_a_parameter_that_it_does_not_declare(
    http: httpx.Client, path: str, sign: Callable[[str], tuple[str, dict[str, str]]]
) -> None:
    credential = {"Authorization": f"Bearer {sign('administrator')[0]}"}
    response = http.get(address_of(path, PLACES), params={"colour": "red"}, headers=credential)
    assert response.status_code == 400
    refusals = [(refusal["reason"], refusal["facts"].get("parameter")) for refusal in response.json()["refusals"]]
    assert ("PARAMETER_UNKNOWN", "colour") in refusals


def test_every_schema_has_a_name_of_its_own(http: httpx.Client) -> None:
    # FastAPI puts the module before a name that two models share, and generators of clients refuse such a name.
    assert [name for name in http.get("/openapi.json").json()["components"]["schemas"] if "__" in name] == []


def test_every_property_of_a_schema_has_a_description(http: httpx.Client) -> None:
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    assert [
        f"{name}.{member}"
        for name, schema in schemas.items()
        for member, shape in schema["properties"].items()
        if not shape.get("description")
    ] == []


def test_an_operation_for_callers_declares_the_token_and_the_scope_of_clients(http: httpx.Client) -> None:
    described = http.get("/openapi.json").json()
    security = {operation["operationId"]: operation["security"] for _, operation in operations(http)}
    assert security["check_in"] == [{"access_token": []}, {"client": ["loans.return"]}]
    assert security["get_loan"][1:] == [{"client": ["loans.read"]}, {"client": ["facts.loans"]}]
    assert security["list_own_loans"] == [{"access_token": []}]
    assert security["search"] == security["sign_in"] == []
    scopes = described["components"]["securitySchemes"]["client"]["flows"]["clientCredentials"]["scopes"]
    used = {scope for way in security.values() for named in way for scope in named.get("client", ())}
    assert used == set(scopes)


def test_every_operation_is_under_a_tag_with_a_text(http: httpx.Client) -> None:
    tags = {tag["name"] for tag in http.get("/openapi.json").json()["tags"] if tag["description"]}
    assert {tag for _, operation in operations(http) for tag in operation["tags"]} == tags
