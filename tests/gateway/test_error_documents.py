"""What a program can do with an error: facts with types, places in the body, a page for each reason, and challenges."""

from __future__ import annotations

import uuid

import httpx
import pytest

from chassis.security.auth import Principal
from gateway.problems import PAGES
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from tests.fakes.accounts import PKS
from tests.fakes.running import running


def test_the_facts_of_an_error_are_lists_and_numbers(http: httpx.Client) -> None:
    sort = http.get("/api/v1/search?sort=colour&lang=en").json()
    assert sort["facts"] == {"parameter": "sort", "choices": ["relevance", "year", "year_asc", "title"]}
    assert sort["detail"] == "“sort” must be one of: relevance, year, year_asc, title."
    limit = http.get("/api/v1/search?limit=0").json()
    assert limit["facts"] == {"parameter": "limit", "least": 1, "most": 100}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"name": "Zainab", "category": "umum", "consents": [{"purpose": "photo", "how": 1}]}, ["/consents/0/how"]),
        ({"name": 5, "category": "umum", "a/b~c": 1}, ["/name", "/a~1b~0c"]),
    ],
)
def test_the_field_of_an_error_is_a_json_pointer(
    http: httpx.Client, body: dict[str, object], fields: list[str]
) -> None:
    keys = Keys(running["members"].database, running["members"].settings.of(MembersSettings))
    token = keys.sign(Principal(str(uuid.uuid4()), str(PKS), str(uuid.uuid4()), scopes_of(["desk"])))
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    response = http.post("/api/v1/members", json=body, headers=headers)
    assert response.status_code == 400
    given = [refusal["facts"].get("field") for refusal in response.json()["refusals"]]
    assert set(fields) <= set(given)


def test_the_type_of_an_error_is_the_address_of_a_page_about_its_reason(http: httpx.Client) -> None:
    problem = http.get("/api/v1/search?sort=colour").json()
    assert problem["type"] == f"{str(http.base_url).rstrip('/')}{PAGES}/PARAMETER_NOT_A_CHOICE"
    for lang, sentence in (("en", "must be one of"), ("id", "harus salah satu dari")):
        page = http.get(problem["type"], params={"lang": lang}, headers={"Accept": "text/html"})
        assert page.status_code == 200
        assert sentence in page.text
        assert "<code>choices</code>" in page.text
    assert http.get(f"{PAGES}/NO_SUCH_REASON").status_code == 404


@pytest.mark.parametrize(
    "media_type", ["application/json-patch+json", "text/plain", "application/x-www-form-urlencoded"]
)
def test_a_body_that_is_not_json_is_415(http: httpx.Client, media_type: str) -> None:
    response = http.post("/api/v1/sign-in", content=b"[]", headers={"Content-Type": media_type})
    problem = response.json()
    assert (response.status_code, problem["reason"]) == (415, "MEDIA_TYPE_NOT_SUPPORTED")
    assert problem["facts"] == {"given": media_type, "supported": "application/json"}
    json = http.post("/api/v1/sign-in", content=b"[]", headers={"Content-Type": "application/json; charset=utf-8"})
    assert json.status_code == 400


def test_401_has_a_challenge_that_names_an_invalid_token(http: httpx.Client) -> None:
    stranger = http.get("/api/v1/members")
    assert (stranger.status_code, stranger.headers["www-authenticate"]) == (401, 'Bearer realm="rangkiang"')
    invalid = http.get("/api/v1/members", headers={"Authorization": "Bearer a.b.c"})
    assert invalid.status_code == 401
    assert invalid.headers["www-authenticate"] == 'Bearer realm="rangkiang", error="invalid_token"'
