"""Routes of FastAPI, and the faster handlers of the most used ones."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from gateway import app
from gateway.api.queries import FACETS
from gateway.formats import FORMATS
from services.catalog.formats import FORMS
from services.catalog.search.validation import PUBLIC_FACETS
from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway

HOT = (
    "search",
    "search?q=surau&facets=language,year&language=ind&language=min&class=8&sort=year&limit=3&highlight=true&near=A/B",
    "search?by_work=true&explain=true&lang=en",
    "search?limit=0&colour=red&q=a&q=b&highlight=yes",
    "search?facets=",
    "search?q=",
    "search?q=surau",
    "search?q=surau+%26%20%C3%A9=1%2B",
    "search?q=%C3%28",
    "search?q=a%09b",
    "search?q=a%00b",
    f"search?q={'a' * 500}",
    f"search?q={'a' * 501}",
    "search?q",
    "search?q=a;b=c#d",
    "suggest?q=ro&limit=2",
    "suggest",
    f"records/{BOOKS[0].id}",
    f"records/{BOOKS[0].id}?near=A/B&x=1",
    f"records/{BOOKS[0].id}.ris",
    f"records/{BOOKS[0].id}.nope",
    "records/x",
)


@pytest.fixture(scope="module")
def by_fastapi() -> Iterator[str]:
    """A gateway without faster handlers: FastAPI handles every route."""
    hot, app.HOT_ROUTES = app.HOT_ROUTES, ()
    try:
        with served_catalog(FakeCatalog()) as url, served_gateway(url) as address:
            yield address
    finally:
        app.HOT_ROUTES = hot


@pytest.mark.parametrize("path", HOT)
def test_a_faster_handler_responds_as_fastapi_does(http: httpx.Client, by_fastapi: str, path: str) -> None:
    response, expected = http.get(f"/api/v1/{path}"), httpx.get(f"{by_fastapi}/api/v1/{path}", verify=False)
    assert response.status_code == expected.status_code
    if response.status_code == 200:
        assert response.text.replace(str(http.base_url), "") == expected.text.replace(by_fastapi, "")
        return
    assert {**response.json(), "instance": ""} == {**expected.json(), "instance": ""}


JSON = "application/json"
ACT = b'{"item": "KS0015001", "branch": "PST", "member": "1000000018"}'
BODIES = (
    (JSON, ACT),
    ("Application/JSON; charset=utf-8", ACT),
    ("application/vnd.desk+json", ACT),
    ("text/plain", ACT),
    ("application", ACT),
    ("", ACT),
    (JSON, b""),
    (JSON, b"{"),
    (JSON, b"[]"),
    (JSON, b"null"),
    (JSON, b"{}"),
    (JSON, b'{"item": 1, "branch": "PST", "colour": "red", "member": ["a"]}'),
    (JSON, b'{"item": "' + b"9" * 201 + b'", "branch": "PST", "at": "2026-11-26T10:15:00"}'),
    (JSON, b'{"item": "\\ud800", "branch": "PST", "member": "1"}'),
    (JSON, b'{"item": "\xff", "branch": "PST"}'),
    (JSON, b"9" * 5_000),
    (JSON, b"[" * 60_000),
    (JSON, b" " * 65_537),
)


@pytest.mark.parametrize("path", ["check-outs", "check-ins"])
@pytest.mark.parametrize(("content_type", "body"), BODIES)
def test_a_faster_handler_reads_a_body_as_fastapi_does(
    http: httpx.Client, by_fastapi: str, path: str, content_type: str, body: bytes
) -> None:
    headers = {"Content-Type": content_type, "Idempotency-Key": "k"} if content_type else {"Idempotency-Key": "k"}
    response = http.post(f"/api/v1/{path}", content=body, headers=headers)
    expected = httpx.post(f"{by_fastapi}/api/v1/{path}", content=body, headers=headers, verify=False)
    assert response.status_code == expected.status_code
    assert {**response.json(), "instance": ""} == {**expected.json(), "instance": ""}


@pytest.mark.parametrize("path", ["check-outs", "check-ins"])
def test_a_faster_handler_refuses_other_methods_as_fastapi_does(http: httpx.Client, by_fastapi: str, path: str) -> None:
    response, expected = http.get(f"/api/v1/{path}"), httpx.get(f"{by_fastapi}/api/v1/{path}", verify=False)
    assert (response.status_code, response.headers["allow"]) == (405, expected.headers["allow"])


def test_the_gateway_has_the_facets_of_the_catalogue() -> None:
    assert set(FACETS) == set(PUBLIC_FACETS)
    assert len(FACETS) == len(set(FACETS))


def test_the_gateway_has_the_formats_of_the_catalogue() -> None:
    assert {(form.name, form.media_type, ending) for ending, form in FORMATS.items()} == {
        (name, form.media_type.partition(";")[0], form.ending) for name, form in FORMS.items()
    }
