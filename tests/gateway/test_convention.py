"""Every route of the API keeps the convention of docs/api.md; what the document cannot show is tested by calls."""

from __future__ import annotations

import re
import uuid
from typing import Any

import httpx
import pytest

from chassis.security.auth import Principal
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from tests.described import document
from tests.fakes.accounts import add_institution
from tests.fakes.running import running

# Pages with another number of hits, and why.
OTHER_LIMITS = {
    "/api/v1/search": "a page of the catalogue has ten hits",
    "/api/v1/suggest": "shown below a search box",
    "/api/v1/records/{record_id}/similar": "shown beside a record",
    "/api/v1/records/{record_id}/neighbours": "records on each side",
    "/api/v1/changes": "a feed for programs",
    "/api/v1/browse/{kind}": "`before` and `after` in place of `limit`",
}
# Arrays outside `hits` are parts of an object.
OPERATIONS = [
    pytest.param(path, method, operation, id=f"{method} {path}")
    for path, methods in document()["paths"].items()
    for method, operation in methods.items()
    if path.startswith("/api/v1")
]
WITH_CURSOR = [
    path
    for path, methods in document()["paths"].items()
    if any(parameter["name"] == "cursor" for parameter in methods.get("get", {}).get("parameters", ()))
]
# Parameters of paths that are ids, each of which may be an id of nothing.
IDS = [path for path in document()["paths"] if re.search(r"\{\w+_id\}", path) and "get" in document()["paths"][path]]
IDS = [path for path in IDS if "/account/" not in path]  # those of members


def schema_of(response: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = response.get("content", {}).get("application/json", {}).get("schema", {})
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_an_operation_keeps_the_convention(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    properties = {
        name: shape
        for status, response in responses.items()
        if status.startswith("2")
        for name, shape in schema_of(response).get("properties", {}).items()
    }
    parameters = {parameter["name"]: parameter["schema"] for parameter in operation.get("parameters", ())}
    if "hits" in properties and path != "/api/v1/changes":  # a feed continues, so it has no last page
        assert {"type": "null"} in properties["next"]["anyOf"]
        assert properties["hits"]["type"] == "array"
    if {"cursor", "limit"} & parameters.keys() and path not in OTHER_LIMITS:
        limit = parameters["limit"]
        assert (limit["default"], limit["minimum"], limit["maximum"]) == (20, 1, 100)
    if "201" in responses:
        assert "Location" in responses["201"]["headers"]
    if method == "delete":
        assert "204" in responses
        assert "200" not in responses
    if "application/json" in operation.get("requestBody", {}).get("content", {}):
        assert "415" in responses
    if "401" in responses:
        assert "WWW-Authenticate" in responses["401"]["headers"]


@pytest.fixture(scope="module")
def staff(address: str) -> Any:
    """A manager of an institution."""
    members = running["members"]
    institution = str(uuid.uuid4())
    add_institution()
    keys = Keys(members.database, members.settings.of(MembersSettings))
    principal = Principal(str(uuid.uuid4()), institution, str(uuid.uuid4()), scopes_of(["administrator"]))
    token = keys.sign(principal)
    with httpx.Client(
        base_url=address, timeout=20, headers={"Authorization": f"Bearer {token}"}, verify=False
    ) as client:
        yield client


def values_of(path: str, **values: str) -> str:
    """The path with a value for each parameter: one of these, or that of the description."""
    methods = document()["paths"][path]
    usual = {
        parameter["name"]: parameter.get("example")
        or (parameter["schema"].get("examples") or parameter["schema"].get("enum") or ["x"])[0]
        for operation in methods.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "path"
    }
    return path.format(**{**usual, **values})


@pytest.mark.parametrize("path", [path for path in WITH_CURSOR if path != "/api/v1/webhooks/{webhook_id}/deliveries"])
@pytest.mark.parametrize("cursor", ["x", "WyJvdGhlciIsMV0", str(uuid.UUID(int=7))])
def test_a_cursor_that_is_none_is_refused(staff: httpx.Client, path: str, cursor: str) -> None:
    response = staff.get(values_of(path), params={"cursor": cursor})
    assert (response.status_code, response.json()["reason"]) == (400, "CURSOR_INVALID")


@pytest.mark.parametrize("path", IDS)
@pytest.mark.parametrize("identifier", ["x", str(uuid.UUID(int=7))])
def test_an_id_that_is_none_is_404(staff: httpx.Client, path: str, identifier: str) -> None:
    names = dict.fromkeys(re.findall(r"\{(\w+_id)\}", path), identifier)
    response = staff.get(values_of(path, **names))
    assert response.status_code == 404, response.text
    assert response.json()["reason"] not in ("ROUTE_NOT_FOUND", "ID_NOT_READABLE")


def texts_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for name, item in value.items() if name != "record" for text in texts_in(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts_in(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("path", ["/api/v1/search?facets=language", "/api/v1/branches", "/api/v1/institutions"])
def test_an_absent_value_is_null_and_a_time_ends_in_z(http: httpx.Client, path: str) -> None:
    response = http.get(path)
    assert response.status_code == 200
    texts = texts_in(response.json())
    assert "" not in texts
    assert [text for text in texts if re.match(r"\d{4}-\d\d-\d\dT", text) and not text.endswith("Z")] == []
