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

# Pages with another number of hits; their descriptions say why.
OTHER_LIMITS = {
    "/api/v1/search",
    "/api/v1/suggest",
    "/api/v1/records/{record_id}/similar",
    "/api/v1/records/{record_id}/neighbours",
    "/api/v1/changes",
    "/api/v1/browse/{kind}",
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
    limit = parameters.get("limit", {})
    if {"cursor", "limit"} & parameters.keys() and path not in OTHER_LIMITS:
        assert (limit["default"], limit["minimum"], limit["maximum"]) == (20, 1, 100)
    elif path in OTHER_LIMITS:
        assert (limit.get("default"), limit.get("maximum")) != (20, 100)
        assert re.search(r"`limit`[^.]*(because|:|, as|, the length)", operation["description"])
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


def test_a_list_as_a_file_has_no_pages() -> None:
    files = [path for path in document()["paths"] if path.endswith(".csv")]
    assert len(files) >= 4
    for path in files:
        names = {parameter["name"] for parameter in document()["paths"][path]["get"]["parameters"]}
        assert not {"cursor", "limit"} & names, path


def test_notices_of_a_member_that_is_none_are_404_and_of_an_unknown_one_none(staff: httpx.Client) -> None:
    for path in ("/api/v1/notices", "/api/v1/notices.csv"):
        response = staff.get(path, params={"member": "x"})
        assert (response.status_code, response.json()["reason"]) == (404, "NOTICE_MEMBER_NOT_FOUND")
    assert staff.get("/api/v1/notices", params={"member": str(uuid.UUID(int=7))}).json()["hits"] == []


WITH_CHANGES = [
    path
    for path, methods in document()["paths"].items()
    if any(parameter["name"] == "updated_since" for parameter in methods.get("get", {}).get("parameters", ()))
]


@pytest.mark.parametrize("path", WITH_CHANGES)
@pytest.mark.parametrize("text", ["2026-12-01", "1796157171", "2026-12-01T00:00:00", "0001-01-01T00:00:00+14:00", "x"])
def test_updated_since_is_a_time_with_zone(staff: httpx.Client, path: str, text: str) -> None:
    response = staff.get(path, params={"updated_since": text})
    assert (response.status_code, response.json()["reason"]) == (400, "PARAMETER_NOT_A_TIME")
    assert staff.get(path, params={"updated_since": "2026-12-01T07:00:00.5+07:00"}).status_code == 200


@pytest.mark.parametrize("value", [0, "0", "2026-12-01", "2026-12-01T00:00:00", "0001-01-01T00:00:00+14:00"])
def test_updated_since_in_a_body_is_a_time_with_zone(staff: httpx.Client, value: object) -> None:
    response = staff.post("/api/v1/members/search", json={"updated_since": value})
    assert (response.status_code, response.json()["reason"]) == (400, "FIELD_NOT_A_TIME")


def test_partners_can_ask_each_list_that_they_copy_for_its_changes() -> None:
    assert {path for path in WITH_CHANGES if not path.endswith(".csv")} == {
        "/api/v1/members", "/api/v1/items", "/api/v1/loans",
    }  # fmt: skip


_WORD = r"`?[a-z][a-z0-9_.]*`?"
# "State: open or done.", "a4, or 58mm for a receipt printer"; not "such as a or b" and not a phrase of two nouns.
_ALTERNATIVES = re.compile(rf"(^|: )({_WORD}, )*{_WORD},? or {_WORD}[.;,]")


def texts_of(schema: Any, path: str) -> Any:
    """Yield (path, schema with its description) of each text in a schema, also of a list or a nullable one."""
    if isinstance(schema, dict):
        parts = [schema, *schema.get("anyOf", ()), schema.get("items", {})]
        parts += [part.get("items", {}) for part in parts]
        if any(part.get("type") == "string" for part in parts):
            yield path, schema.get("description", ""), {name for part in parts for name in part}
        for name, part in schema.get("properties", {}).items():
            yield from texts_of(part, f"{path}.{name}")


def all_texts() -> list[tuple[str, str, set[str]]]:
    texts = [text for name, schema in document()["components"]["schemas"].items() for text in texts_of(schema, name)]
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", ()):
                described = {"description": parameter.get("description", ""), **parameter["schema"]}
                texts += texts_of(described, f"{method} {path}?{parameter['name']}")
    return texts


def test_a_text_whose_description_lists_its_values_has_them_in_the_document() -> None:
    texts = all_texts()
    listing = [(path, kinds) for path, description, kinds in texts if _ALTERNATIVES.search(description)]
    assert len(listing) > 50
    assert [path for path, kinds in listing if not kinds & {"enum", "const", "x-extensible-enum"}] == []


def test_the_words_of_a_request_are_an_enumeration_and_a_response_may_get_more() -> None:
    kinds = {path: kinds for path, _, kinds in all_texts()}
    assert "enum" in kinds["BlockBody.reason"]
    assert "x-extensible-enum" in kinds["Block.reason"]
    assert "enum" in kinds["Webhook.state"]
    sent = {path for path in kinds if "Body." in path or "?" in path}
    assert [path for path in sent if "x-extensible-enum" in kinds[path]] == []


def leaving_without_headers(described: dict[str, Any]) -> list[str]:
    """The operations that are deprecated, or have a deprecated parameter or property, and do not announce it."""
    components = described.get("components", {})

    def leaves(value: Any, seen: frozenset[str] = frozenset()) -> bool:
        if isinstance(value, list):
            return any(leaves(part, seen) for part in value)
        if not isinstance(value, dict):
            return False
        name = str(value.get("$ref", ""))
        if name and name not in seen:
            kind, _, component = name.removeprefix("#/components/").partition("/")
            if leaves(components[kind][component], seen | {name}):
                return True
        return value.get("deprecated") is True or any(leaves(part, seen) for part in value.values())

    return [
        f"{method} {path}"
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if leaves(operation)
        for status, response in operation["responses"].items()
        if status.startswith("2") and not {"Deprecation", "Sunset"} <= response.get("headers", {}).keys()
    ]


def test_what_will_be_removed_is_announced_by_both_headers() -> None:
    assert leaving_without_headers(document()) == []
    headers = {"Deprecation": {}, "Sunset": {}}
    old = {"properties": {"old": {"type": "string", "deprecated": True}}}
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Old"}}}
    paths = {
        "/a": {"get": {"deprecated": True, "responses": {"200": {"headers": {"Deprecation": {}}}}}},
        "/b": {"get": {"responses": {"200": {"content": content}}}},
        "/c": {"get": {"responses": {"200": {"content": content, "headers": headers}}}},
        "/d": {"get": {"parameters": [{"name": "old", "deprecated": True}], "responses": {"204": {}}}},
        "/e": {"get": {"responses": {"200": {}}}},
    }
    described = {"paths": paths, "components": {"schemas": {"Old": old}}}
    assert leaving_without_headers(described) == ["get /a", "get /b", "get /d"]
