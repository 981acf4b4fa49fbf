"""Bodies at the desk, plain routes beside FastAPI's, facets and formats."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import pytest

from chassis.security.auth import Principal
from gateway.api import search
from gateway.formats import FORMATS
from rangkiang.catalog.v1.facets_pb2 import Filters
from services.members.keys import Keys
from services.members.settings import MembersSettings
from tests.conftest import CHECKOUT
from tests.fakes.accounts import PKS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import running, served_catalog, served_gateway

JSON = "application/json"
ACT = b'{"item": "KS0015001", "branch": "PKS/PST"}'
# The content type, the body, the status and the reasons of the refusals. The service refuses a token without scopes.
BODIES = (
    (JSON, ACT, 403, ["SCOPE_NEEDED"]),
    ("Application/JSON; charset=utf-8", ACT, 403, ["SCOPE_NEEDED"]),
    ("application/vnd.desk+json", ACT, 415, ["MEDIA_TYPE_NOT_SUPPORTED"]),
    ("text/plain", ACT, 415, ["MEDIA_TYPE_NOT_SUPPORTED"]),
    ("application", ACT, 415, ["MEDIA_TYPE_NOT_SUPPORTED"]),
    ("", ACT, 415, ["MEDIA_TYPE_NOT_SUPPORTED"]),
    (JSON, b"", 400, ["BODY_NOT_JSON"]),
    (JSON, b"{", 400, ["BODY_NOT_JSON"]),
    (JSON, b"[]", 400, ["BODY_NOT_JSON"]),
    (JSON, b"null", 400, ["BODY_NOT_JSON"]),
    (JSON, b"{}", 400, ["FIELD_MISSING", "FIELD_MISSING"]),
    (JSON, b'{"item": 1, "branch": "PKS/PST", "colour": "red"}', 400, ["FIELD_NOT_TEXT", "FIELD_UNKNOWN"]),
    (
        JSON,
        b'{"item": "' + b"9" * 201 + b'", "branch": "PKS/PST", "at": "2026-11-26T10:15:00"}',
        400,
        ["FIELD_TOO_LONG", "FIELD_NOT_A_TIME"],
    ),
    (JSON, b'{"item": "\\ud800", "branch": "PKS/PST"}', 400, ["FIELD_NOT_TEXT"]),
    (JSON, b'{"item": "\xff", "branch": "PKS/PST"}', 400, ["REQUEST_INVALID"]),
    (JSON, b"9" * 5_000, 400, ["REQUEST_INVALID"]),
    (JSON, b"[" * 60_000, 400, ["REQUEST_INVALID"]),
    (JSON, b" " * 65_537, 413, ["BODY_TOO_LARGE"]),
)


@pytest.mark.parametrize(("content_type", "body", "status", "reasons"), BODIES)
def test_a_body_that_cannot_be_read_is_refused_with_the_reasons(
    http: httpx.Client, content_type: str, body: bytes, status: int, reasons: list[str]
) -> None:
    members = running["members"]
    principal = Principal(str(uuid.uuid4()), str(PKS), str(uuid.uuid4()), frozenset())
    token = Keys(members.database, members.settings.of(MembersSettings)).sign(principal)
    headers = {"Idempotency-Key": "k", "Authorization": f"Bearer {token}"}
    headers |= {"Content-Type": content_type} if content_type else {}
    response = http.post("/api/v1/check-ins", content=body, headers=headers)
    assert response.status_code == status
    assert [refusal["reason"] for refusal in response.json()["refusals"]] == reasons


@pytest.mark.parametrize("body", [row[1] for row in BODIES])
def test_a_stranger_is_refused_before_the_body_is_read(http: httpx.Client, body: bytes) -> None:
    response = http.post("/api/v1/check-outs", content=body, headers={"Content-Type": JSON})
    assert (response.status_code, response.json()["reason"]) == (401, "SIGN_IN_NEEDED")


@pytest.mark.parametrize("path", ["check-outs", "check-ins"])
def test_another_method_is_refused_with_those_that_are_allowed(http: httpx.Client, path: str) -> None:
    response = http.get(f"/api/v1/{path}")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


SEARCHES = (
    "search",
    "search?q=surau&facets=language,year&language=ind&language=min&class=8&sort=year&limit=3&highlight=true&near=A/B",
    "search?by_work=true&explain=true&lang=en",
    "search?limit=0&colour=red&q=a&q=b&highlight=yes",
    "search?facets=",
    "search?q=",
    "search?q=surau+%26%20%C3%A9=1%2B",
    "search?q=%C3%28",
    "search?q=a%09b",
    "search?q=a%00b",
    f"search?q={'a' * 501}",
    "search?q",
    "search?q=a;b=c#d",
    "suggest?q=ro&limit=2",
    "suggest",
)


@pytest.fixture(scope="module")
def by_fastapi() -> Iterator[str]:
    """A gateway without plain routes: FastAPI handles every route of the API."""
    plain, search.PLAIN_ROUTES = search.PLAIN_ROUTES, ()  # type: ignore[assignment]
    try:
        with served_catalog(FakeCatalog()) as url, served_gateway(url) as address:
            yield address
    finally:
        search.PLAIN_ROUTES = plain


@pytest.mark.parametrize("path", SEARCHES)
def test_a_plain_route_responds_as_fastapi_does(http: httpx.Client, by_fastapi: str, path: str) -> None:
    response, expected = http.get(f"/api/v1/{path}"), httpx.get(f"{by_fastapi}/api/v1/{path}", verify=False)
    assert response.status_code == expected.status_code
    if response.status_code == 200:
        assert response.text.replace(str(http.base_url), "") == expected.text.replace(by_fastapi, "")
        return
    assert {**response.json(), "instance": "", "type": ""} == {**expected.json(), "instance": "", "type": ""}


@pytest.mark.parametrize("facet", [field.name for field in Filters.DESCRIPTOR.fields])
def test_every_facet_can_be_counted_and_restricts_a_search(http: httpx.Client, facet: str) -> None:
    response = http.get("/api/v1/search", params={facet: "x", "facets": facet})
    assert response.status_code == 200, response.text


def test_the_page_of_the_api_lists_the_formats() -> None:
    page = (CHECKOUT / "docs" / "api.md").read_text()
    assert [ending for ending in FORMATS if f"| `{ending}` |" not in page] == []
