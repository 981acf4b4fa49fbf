"""Templates of notices over HTTP."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from uuid import UUID

import httpx
import pytest

from chassis.security.auth import Principal
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import running, served_catalog, served_gateway

PATH = "/templates/due_soon/sms/id"
BODY = {"body": "{{ title }} {{ due_on|date }}\n"}


@pytest.fixture(scope="module")
def api() -> Iterator[httpx.Client]:
    """The API as a manager calls it."""
    with served_catalog(FakeCatalog()) as catalog, served_gateway(catalog) as address:
        members = running["members"]
        keys = Keys(members.database, members.settings.of(MembersSettings))
        assert keys.master.fingerprint
        principal = Principal(str(uuid.uuid4()), str(UUID(int=1)), str(uuid.uuid4()), scopes_of(["manager"]))
        headers = {"Authorization": f"Bearer {keys.sign(principal)}", "Accept-Language": "en"}
        with httpx.Client(base_url=f"{address}/api/v1", headers=headers, timeout=30, verify=False) as http:
            yield http


def put(api: httpx.Client, path: str, body: object, tag: str) -> httpx.Response:
    return api.put(path, json=body, headers={"If-Match": tag, "Idempotency-Key": str(uuid.uuid4())})


def test_a_template_is_read_changed_and_returned_to_its_first_text(api):
    first = api.get(PATH)
    assert first.status_code == 200, first.text
    assert (first.status_code, first.headers["ETag"], first.headers["Cache-Control"]) == (200, '"0"', "no-store")
    saved = put(api, PATH, BODY, '"0"')
    assert (saved.status_code, saved.headers["ETag"]) == (200, '"1"')
    assert api.get(PATH).json()["text"]["body"] == BODY["body"]
    assert put(api, PATH, BODY, '"0"').status_code == 412
    assert [version["version"] for version in api.get(f"{PATH}/versions").json()["hits"]] == [1, 0]
    restored = api.post(
        f"{PATH}/versions", json={"version": 0}, headers={"If-Match": '"1"', "Idempotency-Key": str(uuid.uuid4())}
    )
    assert restored.json()["text"] == first.json()["text"]
    assert restored.json()["version"] == 2
    (listed,) = api.get("/templates").json()["saved"]
    assert listed == {"kind": "due_soon", "channel": "sms", "language": "id", "version": 2}


def test_every_fault_of_a_text_is_a_refusal_with_name_and_line(api):
    answer = put(api, "/templates/overdue/email/en", {"subject": "{{ title }}", "body": "{{ title }}\n{{ x }}"}, '"0"')
    assert answer.status_code == 400
    assert {
        (refusal["reason"], refusal["facts"]["field"], refusal["facts"]["line"])
        for refusal in answer.json()["refusals"]
    } == {
        ("TEMPLATE_SUBJECT_PERSONAL", "/subject", 1),
        ("TEMPLATE_VARIABLE_UNKNOWN", "/body", 2),
    }
    assert "there is no variable x" in answer.json()["detail"]


def test_a_notice_is_previewed_without_being_saved(api):
    body = {"kind": "due_soon", "channel": "sms", "language": "en", "text": BODY, "facts": {"title": "Kemarau"}}
    answer = api.post("/notice-previews", json=body)
    assert answer.json()["text"] == "Kemarau Tuesday, 24 November 2026"
    assert answer.json()["sms_messages"] == 1
    assert api.get("/templates/due_soon/sms/en").json()["version"] == 0
    assert api.post("/notice-previews", json={**body, "channel": "fax"}).status_code == 400
