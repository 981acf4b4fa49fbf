"""Members over HTTP: acts from registration to erasure, forty injections in each field, and the contents of logs."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest

from chassis.context import system
from chassis.security.auth import Principal
from rangkiang.members.v1.people_pb2 import MemberFields
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from services.members.tables import Institution
from tests.fakes.catalog import FakeCatalog
from tests.fakes.payloads import PAYLOADS
from tests.fakes.running import running, served_catalog, served_gateway
from tests.migrated import every_row

OWN = UUID(int=1)
SECRETS = {
    "nik": "1372015203880001",
    "phone": "0812 6600 1122",
    "email": "siti.rahma@example.org",
    "address": "Jalan Pandan 4711",
    "birth_date": "1988-03-12",
}
CODED = ("category", "language", "sex", "nik", "phone", "email", "kelurahan", "education", "birth_date", "expires_on")
FREE = [
    field.name for field in MemberFields.DESCRIPTOR.fields if field.message_type is None and field.name not in CODED
]


@dataclass
class Api:
    """The API as a manager calls it."""

    http: httpx.Client
    members: Any

    def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return self.http.post(path, json=body, headers={"Idempotency-Key": str(uuid.uuid4()), **headers})

    def patch(self, path: str, body: Any, version: int) -> httpx.Response:
        return self.http.patch(path, json=body, headers={"If-Match": f'"{version}"'})


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with served_catalog(FakeCatalog()) as catalog, served_gateway(catalog) as address:
        members = running["members"]
        keys = Keys(members.database, members.settings.of(MembersSettings))
        assert keys.master.fingerprint
        with members.database.transaction(system("test")) as session:
            values = {"name_id": "PKS", "name_en": "PKS", "kind": "public", "zone": "Asia/Jakarta", "version": 1}
            session.add(Institution(id=OWN, code="PKS", **values))
        principal = Principal(str(uuid.uuid4()), str(OWN), str(uuid.uuid4()), scopes_of(["manager"]))
        headers = {"Authorization": f"Bearer {keys.sign(principal)}", "Accept-Language": "en"}
        with httpx.Client(base_url=f"{address}/api/v1", headers=headers, timeout=30, verify=False) as http:
            yield Api(http, members)


def test_a_membership_over_http(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    new = api.post("/members", {"name": "Hj. Siti Rahma, S.Pd.", "category": "umum", "evidence": ["ktp"], **SECRETS})
    assert (new.status_code, new.headers["ETag"], new.headers["Cache-Control"]) == (201, '"1"', "no-store")
    path, number = f"/members/{new.json()['id']}", new.json()["number"]
    again = api.post("/members", {"name": "Siti Rahma", "category": "umum", "birth_date": SECRETS["birth_date"]})
    assert (again.status_code, again.json()["reason"]) == (409, "MEMBER_LIKELY_DUPLICATE")
    wrong = api.post(
        "/members", {"name": "", "category": "umum", **dict.fromkeys(("nik", "phone", "email"), "98761234")}
    )
    assert wrong.status_code == 400
    assert [refusal["reason"] for refusal in wrong.json()["refusals"]] == [
        "MEMBER_NAME_MISSING",
        "NIK_INVALID",
        "EMAIL_INVALID",
    ]
    changed = api.patch(path, {"occupation": "Guru", "guardian": None}, 1)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json()["contact"] == {**SECRETS, "phone": "+6281266001122"}
    outdated = api.patch(path, {"occupation": "Petani"}, 1)
    assert (outdated.status_code, outdated.json()["facts"]["changed"]) == (412, ["occupation"])
    assert [hit["name"] for hit in api.http.get("/members", params={"q": "rahma siti"}).json()["hits"]] == [
        "Siti Rahma"
    ]
    found = api.http.post("/members/search", json={"phone": SECRETS["phone"]}).json()
    assert found["total"] == 1
    assert api.http.post("/members/search", json={"q": SECRETS["phone"]}).json() == found
    assert api.http.post("/members/search", json={"nik": SECRETS["nik"], "email": "x@y.id"}).json()["total"] == 0
    assert api.http.post("/scans", json={"code": number}).json()["member"]["id"] == new.json()["id"]
    pdf = api.http.get(f"{path}/card.pdf", params={"layout": "sheet"})
    assert (pdf.headers["Content-Type"], pdf.content[:5]) == ("application/pdf", b"%PDF-")
    renewal, block = api.post(f"{path}/renewals", {}), api.post(f"{path}/blocks", {"reason": "lost_item"})
    assert (renewal.status_code, block.status_code) == (201, 201)
    refused = api.post(f"{path}/erasure")
    assert (refused.status_code, refused.json()["reason"]) == (409, "ERASURE_OPEN_BLOCK")
    assert api.http.delete(f"{path}/blocks/{block.json()['block_id']}").status_code == 204
    sent = api.post(f"{path}/password-codes", {"send": True}).json()
    assert sent == {"code": None, "sent": True}
    code = api.post(f"{path}/password-codes").json()["code"]
    new_password = {"number": number, "code": code, "password": "lampu perahu kemarau"}
    assert api.http.post("/passwords", json=new_password).status_code == 204
    assert api.http.post("/passwords", json=new_password).status_code == 401
    other = api.post("/members", {"name": "Siti Ramah", "category": "umum"}).json()["id"]
    merge = api.post("/member-merges", {"kept_id": new.json()["id"], "merged_id": other})
    assert merge.status_code == 201
    made = f"/member-merges/{merge.json()['id']}"
    assert (api.http.get(made).json()["kept_id"], api.http.get(made).json()["merged_id"]) == (new.json()["id"], other)
    assert api.http.get(made).json()["undone_at"] is None
    assert api.post(f"{made}/undo").status_code == 200
    assert api.http.get(made).json()["undone_at"].endswith("Z")
    assert api.post(f"{made}/undo").status_code == 404
    lost = api.post(f"{path}/cards", {"act": "lost"})
    assert (lost.status_code, lost.json()["number"] != number) == (201, True)
    assert api.post(f"{path}/erasure").status_code == 200
    assert api.http.get(path).status_code == 404
    _find_no_secret(api, caplog)


def _find_no_secret(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """Search what the test has left: logs of all levels, events, the audit, stored replies and addresses."""
    secrets = (*SECRETS.values(), "6281266001122", "081266001122", "98761234", "siti.rahma")
    left = [repr(sorted(vars(record).items(), key=str)) for record in caplog.records]
    assert len(left) > 20
    with api.members.database.reading(system("test")) as session:
        for table in ("outbox", "audit_acts", "effects", "members", "cards", "accounts"):
            left += [repr(tuple(row)) for row in session.execute(every_row(table))]
    # httpx logs the addresses of requests.
    assert any("/api/v1/members/" in line for line in left)
    assert not [line for line in left if any(secret in line for secret in secrets)]


def test_a_code_that_cannot_be_sent_is_refused_at_once(api: Api) -> None:
    refusals = []
    for contact in ({}, {"phone": "081266007788"}):
        path = f"/members/{api.post('/members', {'name': 'Upik', 'category': 'umum', **contact}).json()['id']}"
        reply = api.post(f"{path}/password-codes", {"send": True})
        refusals.append((reply.status_code, reply.json()["reason"]))
        assert api.post(f"{path}/password-codes").json()["code"], "it can still be printed"
    assert refusals == [(409, "CODE_NO_ADDRESS"), (409, "CODE_NO_CHANNEL")]


def test_forty_injections_in_every_field(api: Api) -> None:
    assert {*FREE, *CODED} == {field.name for field in MemberFields.DESCRIPTOR.fields} - {"guardian", "responsible"}
    new = api.post("/members", {"name": "Korban", "category": "umum"}).json()
    path, version = f"/members/{new['id']}", 1
    for payload in PAYLOADS:
        person = {"name": payload, "phone": payload}
        response = api.patch(
            path, {**dict.fromkeys(CODED, payload), "guardian": person, "responsible": person}, version
        )
        assert response.status_code == 400, payload
        named = {refusal["facts"].get("field") for refusal in response.json()["refusals"]}
        # What is too long is refused before the service looks at it.
        too_long = "FIELD_TOO_LONG" in {refusal["reason"] for refusal in response.json()["refusals"]}
        assert too_long or {f"/{name}" for name in (*CODED, "guardian/phone", "responsible/phone")} <= named, payload
        free = {name: payload for name in FREE if name not in ("title_before", "title_after")}
        names = {"guardian": {"name": payload}, "responsible": {"name": payload, "position": payload}}
        response = api.patch(path, {**free, **names}, version)
        if response.status_code == 200:
            version += 1
            member = response.json()
            stored = " ".join(payload.split())
            assert {member["occupation"], member["note"], member["guardian"]["name"]} == {stored}
            assert response.headers["Content-Type"] == "application/json"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
        else:
            reasons = {entry["reason"] for entry in response.json()["refusals"]}
            assert reasons <= {"MEMBER_FIELD_UNREADABLE", "MEMBER_FIELD_TOO_LONG"}, payload
    assert version > 30


def test_forty_injections_in_every_other_text(api: Api) -> None:
    new = api.post("/members", {"name": "Sasaran", "category": "umum"}).json()
    path = f"/members/{new['id']}"
    expected = {
        ("/members/search", "q"): {200},
        ("/members/search", "nik"): {400},
        ("/members/search", "email"): {400},
        ("/scans", "code"): {200},
        (f"{path}/blocks", "reason"): {400},
        (f"{path}/renewals", "expires_on"): {400},
        (f"{path}/renewals", "category"): {400},
        ("/member-merges", "merged_id"): {400, 404},
    }
    for payload in PAYLOADS:
        for (address, name), statuses in expected.items():
            assert api.post(address, {name: payload}).status_code in statuses, (address, name, payload)
        for params in ({"q": payload}, {"cursor": payload[:40]}):
            assert api.http.get("/members", params=params).status_code in (200, 400), payload
        for method, address in (
            ("GET", "/members/{}"),
            ("DELETE", f"{path}/cards/{{}}"),
            ("POST", "/member-merges/{}/undo"),
            ("GET", "/member-merges/{}"),
        ):
            response = api.http.request(method, address.format(httpx.URL("/", params={"x": payload}).query.decode()))
            assert response.status_code == 404, payload
        wrong = {"name": "Ali", "category": "umum", "evidence": [payload], "consents": [
            {"purpose": payload[:60], "text_version": payload[:60], "given": True, "how": payload[:40]}]}  # fmt: skip
        problem = api.post("/members", wrong)
        assert problem.status_code == 400, payload
        assert "text/html" not in problem.headers["Content-Type"]
    assert json.dumps(api.http.get(path).json()["blocks"]) == "[]"
