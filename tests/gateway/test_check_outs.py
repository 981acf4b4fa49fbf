"""Lending over HTTP: lent, renewed, listed, explained and taken back, with every refusal; items among the scans."""

from __future__ import annotations

import csv
import io
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from chassis import clock
from chassis.context import system
from chassis.database.sqlite import WriteLock
from chassis.security.auth import Principal
from chassis.settings import Settings
from services.circulation.tables import Loan
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from tests.conditions import eventually
from tests.fakes.accounts import PKS, add_institution
from tests.fakes.catalog import FakeCatalog
from tests.fakes.lending import ELSEWHERE, FORMULA, FORMULA_TITLE, REFERENCE, add_items, barcode, item_id
from tests.fakes.payloads import PAYLOADS
from tests.fakes.running import away, running, served_catalog, served_gateway


@dataclass
class Api:
    """The API as one caller uses it."""

    http: httpx.Client
    headers: dict[str, str]

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, headers={**self.headers, **options.pop("headers", {})}, **options)

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> httpx.Response:
        keys = {"Idempotency-Key": key or str(uuid.uuid4())} if key != "" else {}
        return self.http.post(path, json=body, headers={**self.headers, **keys})

    def lend(self, member: str, item: str, **more: Any) -> httpx.Response:
        return self.post("/check-outs", {"member": member, "item": item, "branch": "PKS/PST", **more})

    def take_back(self, item: str, branch: str = "PKS/PST") -> httpx.Response:
        return self.post("/check-ins", {"item": item, "branch": branch})


@dataclass
class Library:
    address: str
    http: httpx.Client

    def as_(self, role: str, actor: str = "") -> Api:
        """The API for a caller with a role; `actor` is the id of a member."""
        members = running["members"]
        keys = Keys(members.database, members.settings.of(MembersSettings))
        principal = Principal(actor or str(uuid.uuid4()), str(PKS), str(uuid.uuid4()), scopes_of([role]))
        return Api(self.http, {"Authorization": f"Bearer {keys.sign(principal)}", "Accept-Language": "en"})


@pytest.fixture(scope="module")
def library() -> Iterator[Library]:
    with served_catalog(FakeCatalog()) as catalog, served_gateway(catalog, requests_at_once=0) as address:
        members = running["members"]
        assert Keys(members.database, members.settings.of(MembersSettings)).master.fingerprint
        add_institution()
        add_items()
        with httpx.Client(base_url=f"{address}/api/v1", timeout=30, verify=False) as http:
            yield Library(address, http)


@pytest.fixture(scope="module")
def manager(library: Library) -> Api:
    return library.as_("manager")


@pytest.fixture
def member(manager: Api) -> Iterator[dict[str, Any]]:
    """A new member, whom circulation does not know yet; at the end the member's items are taken back."""
    name = f"Anggota {uuid.uuid4().hex}"
    new: dict[str, Any] = manager.post("/members", {"name": name, "category": "umum", "group": "XI IPS 3"}).json()
    yield new
    for loan in manager.get("/loans", params={"member": new["id"]}).json().get("hits", []):
        manager.take_back(loan["item"]["id"])


def test_a_partner_reads_a_loan_without_its_member(library: Library, manager: Api, member: dict[str, Any]) -> None:
    loan = manager.lend(member["number"], barcode(1)).json()["loan"]
    partner = library.as_("partner")
    read = partner.get(f"/loans/{loan['id']}")
    assert read.json() == {**loan, "member": None, "card": None, "group": None}
    assert loan["member"]
    assert loan["card"]
    assert member["number"] not in read.text
    assert partner.get("/loans/none").json()["reason"] == "LOAN_UNKNOWN"
    assert partner.get("/loans").status_code == 403
    assert partner.get(f"/loans/{loan['id']}/explanation").status_code == 403


def test_an_item_is_lent_renewed_explained_and_taken_back(manager: Api, member: dict[str, Any]) -> None:
    body = {"member": member["number"], "item": barcode(1), "branch": "PKS/PST"}
    planned = manager.post("/check-outs", {**body, "dry_run": True}, key="")
    assert (planned.status_code, planned.json()["loan"]["id"]) == (200, None)
    assert manager.post("/check-outs", {**body, "dry_run": 1}, key="").status_code == 400
    lent = manager.lend(**{name: body[name] for name in ("member", "item")})
    assert (lent.status_code, lent.headers["Cache-Control"], lent.json()["repeated"]) == (201, "no-store", False)
    loan = lent.json()["loan"]
    assert (loan["member"], loan["card"], loan["item"]["id"]) == (member["id"], member["number"], item_id(1))
    assert (loan["item"]["barcode"], loan["item"]["title"]) == (barcode(1), "Robohnya Surau Kami")
    assert loan["due_on"] == planned.json()["loan"]["due_on"] > f"{clock.now():%Y-%m-%d}"
    again = manager.lend(member["number"], barcode(1))
    assert (again.status_code, again.json()["repeated"], again.json()["loan"]["id"]) == (200, True, loan["id"])
    read = manager.get(f"/loans/{loan['id']}")
    assert (read.json(), read.headers["ETag"]) == (loan, '"1"')
    assert manager.get("/loans/none").json()["reason"] == "LOAN_UNKNOWN"
    why = manager.get(f"/loans/{loan['id']}/explanation").json()
    assert (why["loan"]["id"], why["row"]["unit"]) == (loan["id"], "day")
    assert all(step["id"] and step["en"] for step in why["steps"])
    borrower = manager.get(f"/borrowers/{member['number']}").json()
    assert (borrower["member"], borrower["open_loans"], borrower["loans"][0]["id"]) == (member["id"], 1, loan["id"])
    renewed = manager.post(f"/loans/{loan['id']}/renewals")
    assert (renewed.status_code, renewed.json()["loan"]["due_on"] > loan["due_on"]) == (200, True)
    refused = manager.post(f"/loans/{loan['id']}/renewals")
    assert (refused.status_code, refused.json()["reason"]) == (409, "RENEWALS_USED_UP")
    back = manager.take_back(barcode(1))
    assert (back.status_code, back.json()["next"], back.json()["loan"]["id"]) == (200, "shelve", loan["id"])
    assert back.json()["loan"]["returned_at"]
    assert manager.get("/loans", params={"member": member["id"]}).json()["total"] == 0


def test_a_refusal_has_every_reason_and_may_be_waived_by_those_who_may(
    library: Library, manager: Api, member: dict[str, Any]
) -> None:
    for number in (2, 3, 4):
        assert manager.lend(member["id"], barcode(number)).status_code == 201
    refused = manager.lend(member["id"], REFERENCE)
    assert (refused.status_code, refused.headers["Content-Type"]) == (409, "application/problem+json")
    reasons = {refusal["reason"] for refusal in refused.json()["refusals"]}
    assert reasons == {"LOAN_LIMIT_REACHED", "ITEM_NOT_FOR_LOAN"}
    assert all(refusal["detail"] in refused.json()["detail"] for refusal in refused.json()["refusals"])
    desk = library.as_("desk")
    waived = {"override": sorted(reasons), "reason": "Lomba literasi besok"}
    assert desk.lend(member["id"], REFERENCE, **waived).status_code == 403
    assert manager.lend(member["id"], REFERENCE, override=sorted(reasons)).json()["reason"] == "OVERRIDE_UNREASONED"
    assert manager.lend(member["id"], REFERENCE, **waived).status_code == 201
    other = manager.post("/members", {"name": "Peminjam lain", "category": "umum"}).json()["number"]
    on_loan = manager.lend(other, barcode(2), override=["ITEM_ON_LOAN"], reason="salah")
    assert (on_loan.status_code, on_loan.json()["reason"]) == (409, "ITEM_ON_LOAN")
    for body in ({"member": member["id"], "item": "NOPE0001"}, {"member": "NOPE0001", "item": barcode(9)}):
        assert manager.post("/check-outs", {**body, "branch": "PKS/PST"}).status_code == 404


def test_an_act_needs_a_key_and_happens_once_under_it(manager: Api, member: dict[str, Any]) -> None:
    body = {"member": member["id"], "item": barcode(10), "branch": "PKS/PST"}
    without = manager.post("/check-outs", body, key="")
    assert (without.status_code, without.json()["reason"]) == (400, "IDEMPOTENCY_KEY_MISSING")
    first, second = (manager.post("/check-outs", body, key="once-0001") for _ in range(2))
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    assert second.headers["Idempotency-Replayed"] == "true"
    assert manager.post("/check-outs", {**body, "item": barcode(11)}, key="once-0001").status_code == 422


def test_a_return_elsewhere_is_in_transit_until_it_is_home(manager: Api, member: dict[str, Any]) -> None:
    manager.lend(member["id"], barcode(12))
    away = manager.take_back(barcode(12), branch="PKS/TJH").json()
    assert (away["next"], away["to"], away["loan"]["member"]) == ("transit", "PKS/PST", member["id"])
    scanned = manager.post("/scans", {"code": barcode(12)}).json()
    assert (scanned["kind"], scanned["item"]["id"], scanned["item_state"]) == ("item", item_id(12), "transit")
    home = manager.take_back(barcode(12)).json()
    assert (home["next"], home["loan"]) == ("shelve", None)
    assert {note["reason"] for note in manager.take_back(ELSEWHERE, branch="PKS/TJH").json()["notes"]}


def test_a_scan_is_a_member_an_item_or_neither(library: Library, manager: Api, member: dict[str, Any]) -> None:
    def kind(api: Api, code: str) -> str:
        return str(api.post("/scans", {"code": code}).json()["kind"])

    assert [kind(manager, code) for code in (member["number"], barcode(13), "978-979-22-0000-1", "")] == [
        "member", "item", "neither", "neither",
    ]  # fmt: skip
    with away("circulation"):
        assert kind(manager, member["number"]) == "member"
        assert manager.post("/scans", {"code": barcode(13)}).status_code == 503
        for path in ("/loans", f"/borrowers/{member['number']}"):
            problem = manager.get(path)
            assert (problem.status_code, problem.headers["Retry-After"]) == (503, "2")
        assert manager.get("/members").status_code == 200
        assert manager.get("/search").status_code == 200


def test_an_item_read_in_the_library_is_counted_once_a_scan(manager: Api) -> None:
    uses = [manager.post("/in-library-uses", {"item": REFERENCE, "branch": "PKS/PST"}) for _ in range(2)]
    assert [(use.status_code, use.json()["repeated"]) for use in uses] == [(201, False), (200, True)]
    assert uses[0].json()["item"]["barcode"] == REFERENCE


def test_loans_are_listed_page_by_page_and_as_one_file_without_formulas(manager: Api, member: dict[str, Any]) -> None:
    for number in (14, 15, FORMULA):
        manager.lend(member["id"], barcode(number))
    page = manager.get("/loans", params={"group": "XI IPS 3", "limit": 2}).json()
    rest = manager.get("/loans", params={"group": "XI IPS 3", "limit": 2, "cursor": page["next"]}).json()
    assert (page["total"], len(page["hits"]), len(rest["hits"])) == (3, 2, 1)
    assert manager.get("/loans", params={"overdue": "true", "branch": "PKS/PST"}).json() == {
        "total": 0,
        "total_is_capped": False,
        "hits": [],
        "next": None,
    }
    response = manager.get("/loans.csv", params={"member": member["id"]})
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))
    assert {row["barcode"] for row in rows} == {barcode(number) for number in (14, 15, FORMULA)}
    assert {(row["card"], row["member"]) for row in rows} == {(member["number"], member["id"])}
    assert {row["title"] for row in rows} == {"Buku 14", "Buku 15", f"'{FORMULA_TITLE}"}
    assert "Anggota" not in response.text


def test_a_member_sees_and_renews_own_loans_alone(library: Library, manager: Api, member: dict[str, Any]) -> None:
    mine = manager.lend(member["id"], barcode(17)).json()["loan"]["id"]
    other = manager.post("/members", {"name": "Orang lain", "category": "umum"}).json()["number"]
    foreign = manager.lend(other, barcode(18)).json()["loan"]["id"]
    reader = library.as_("member", actor=member["id"])
    own = reader.get("/account/loans").json()
    assert [(hit["loan"]["id"], hit["refusals"]) for hit in own["hits"]] == [(mine, [])]
    assert reader.post(f"/account/loans/{foreign}/renewals").status_code == 404
    assert reader.get(f"/account/loans/{foreign}").status_code == 404
    assert reader.get(f"/account/loans/{mine}").json() == own["hits"][0]
    assert reader.post(f"/account/loans/{mine}/renewals").status_code == 200
    again = reader.post("/account/loan-renewals").json()
    assert [(hit["renewed"], hit["refusals"][0]["reason"]) for hit in again["hits"]] == [(False, "RENEWALS_USED_UP")]
    assert reader.get("/account/loans").json()["hits"][0]["refusals"][0]["reason"] == "RENEWALS_USED_UP"
    assert reader.get("/loans").status_code == 403


def test_desks_that_wait_for_their_turn_to_write_hold_up_no_page(manager: Api, member: dict[str, Any]) -> None:
    record = manager.get("/search", params={"q": "surau"}).json()["hits"][0]["id"]
    paths = (f"/records/{record}", f"/members/{member['id']}", f"/borrowers/{member['id']}", "/search?q=surau")
    for path in paths:
        assert manager.get(path).status_code == 200
    statuses, waits = [], []
    numbers = range(30, 30 + 2 * Settings().grpc_threads)
    desks = [
        threading.Thread(
            target=lambda number=number: statuses.append(manager.lend(member["id"], barcode(number)).status_code)
        )
        for number in numbers
    ]
    # As another process would. All desks have one address, so the gateway of this module runs any number at once.
    locks = [WriteLock(Path(str(running[name].database.url.database))) for name in ("circulation", "members")]
    with locks[0].hold(5), locks[1].hold(5):
        for desk in desks:
            desk.start()
        eventually(running["circulation"].database._write_lock._threads.locked)
        for path in paths:
            start = time.monotonic()
            assert manager.get(path).status_code == 200
            waits.append(time.monotonic() - start)
        assert statuses == []
    for desk in desks:
        desk.join()
    assert max(waits) < 1
    assert sorted(set(statuses)) == [201, 409]
    assert statuses.count(201) == 3
    for lock in locks:
        lock.close()


def test_forty_injections_in_every_text(manager: Api, member: dict[str, Any]) -> None:
    for payload in PAYLOADS:
        for path, body in (
            ("/check-outs", {"member": payload, "item": barcode(19), "branch": "PKS/PST"}),
            ("/check-outs", {"member": member["id"], "item": payload, "branch": "PKS/PST"}),
            ("/check-outs", {"member": member["id"], "item": barcode(19), "branch": payload, "dry_run": True}),
            ("/check-ins", {"item": payload, "branch": payload}),
        ):
            response = manager.post(path, body)
            assert response.status_code in (400, 404), (path, payload)
            assert "text/html" not in response.headers["Content-Type"]
        for name in ("member", "branch", "group", "item", "cursor"):
            assert manager.get("/loans", params={name: payload}).status_code in (200, 400, 404), (name, payload)
    for wrong in ({"at": "yesterday"}, {"at": "2026-11-26T10:00:00"}, {"override": "all"}, {"unknown": 1}):
        assert manager.lend(member["id"], barcode(19), **wrong).status_code == 400, wrong
    assert manager.get(f"/borrowers/{member['id']}").json()["open_loans"] == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"item": "a", "member": "b", "branch": "PKS/PST", "at": "0001-01-01T00:00:00+14:00"}', "FIELD_NOT_A_TIME"),
        (b'{"item": "a", "member": "b", "branch": "PKS/PST", "at": "9999-12-31T23:59:59-14:00"}', "FIELD_NOT_A_TIME"),
        (b'{"item": "a", "member": "b", "branch": "PKS/PST", "override": ["\\ud800"]}', "BODY_NOT_JSON"),
        (b'{"item": ' + b"[" * 20_000, "REQUEST_INVALID"),
    ],
)
def test_a_moment_outside_the_calendar_and_half_a_character_are_refused(manager: Api, body: bytes, reason: str) -> None:
    headers = {**manager.headers, "Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
    answer = manager.http.post("/check-outs", content=body, headers=headers)
    assert (answer.status_code, answer.json()["reason"]) == (400, reason)


def test_a_suspension_is_listed_and_ended_with_a_reason_by_those_who_may(
    library: Library, manager: Api, member: dict[str, Any]
) -> None:
    manager.lend(member["id"], barcode(60))
    due_at = clock.now() - timedelta(days=4)
    with running["circulation"].database.transaction(system("test")) as session:
        own = Loan.borrower_id == uuid.UUID(member["id"])
        session.execute(update(Loan).where(own).values(due_at=due_at, due_on=due_at.date(), lent_at=due_at))
    suspension = manager.take_back(barcode(60)).json()["suspension"]
    row = {"member": member["id"], "card": member["number"], "category": "umum", "group": "XI IPS 3"}
    listed = manager.get("/suspensions").json()
    assert listed["total"] == len(listed["hits"])
    assert {**row, "suspension": suspension} in listed["hits"]
    assert manager.get(f"/borrowers/{member['id']}").json()["suspension"] == suspension
    response = manager.get("/suspensions.csv")
    assert response.headers["Content-Disposition"] == 'attachment; filename="suspensions.csv"'
    days = {name: str(value) for name, value in suspension.items()}
    assert {**row, **days} in csv.DictReader(io.StringIO(response.content.decode("utf-8-sig")))
    path, body = f"/members/{member['id']}/suspension-waivers", {"reason": "Tutup karena banjir"}
    assert library.as_("desk").post(path, body).json()["reason"] == "SCOPE_NEEDED"
    assert manager.post(path, {}).status_code == 400
    assert manager.post(path, {"reason": " "}).json()["reason"] == "SUSPENSION_UNREASONED"
    ended = manager.post(path, body, key="end-1")
    assert (ended.status_code, ended.json()) == (200, {"suspension": suspension})
    assert manager.post(path, body, key="end-1").json() == ended.json()
    assert (manager.post(path, body).status_code, manager.post(path, body).json()["reason"]) == (409, "NO_SUSPENSION")
    assert manager.lend(member["id"], barcode(61)).status_code == 201
