"""Lists contain only rows of the caller's institution, of the member, or of the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select

from chassis import clock
from chassis.context import system
from chassis.ids import new_id
from chassis.security.auth import Principal
from chassis.security.encryption import make_master_key
from chassis.service import Resources
from chassis.settings import Settings
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from rangkiang.members.v1.events_pb2 import MemberCopy
from services.catalog.rpc import servicer
from services.catalog.service import SERVICE as CATALOG
from services.catalog.tables import Branch, Institution
from services.circulation.borrowers import copy_members
from services.circulation.institutions import copy_institutions
from services.circulation.tables import Suspension
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from services.members.sign_in.usage import Count, add_counts
from services.notifications.conversations import store
from services.notifications.conversations.inbound import Pending
from services.notifications.members import hash_address
from services.notifications.notices import make_notice, settle
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Notice, PushDevice, Webhook
from services.notifications.webhooks.delivery import SEALED_FOR
from tests.authorisation.test_matrix import LIMITED_SCOPES, MATRIX, expected
from tests.fakes.accounts import PKS, add_institution, add_staff, new_user
from tests.fakes.lending import PST, add_items, barcode
from tests.fakes.notices import loan_copy
from tests.fakes.running import running, served_catalog, served_gateway
from tests.migrated import copied_database

TEST = system("test")
OTHER = UUID(int=0xA2)
INSTITUTIONS = {PKS: "PKS", OTHER: "UNAND"}
# List -> the kind of its rows.
OF_INSTITUTION = {
    "items?fast_add=true": "item",
    "accessions": "accession",
    "accessions.csv": "accession",
    "accession-gaps": "gap",
    "barcode-ranges": "barcodes",
    "drafts": "item_record",
    "label-prints": "label_print",
    "labels": "accession",
    "labels.csv": "label",
    "record-templates": "template",
    "tasks": "task",
    "tasks.csv": "task",
    "members?q=Hamka": "member",
    "staff": "staff",
    "clients": "client",
    "data-requests": "data_request",
    "loans": "loan",
    "loans.csv": "loan",
    "suspensions": "suspended",
    "suspensions.csv": "suspended",
    "notices": "notice",
    "notices.csv": "notice",
    "notices/letters": "letter",
    "conversations": "conversation",
    "webhooks": "webhook",
    "reports/usage?month=2026-12": "client",
    "reports/usage.csv?month=2026-12": "client",
}
# Routes that read one row by its id.
ONE_OF_INSTITUTION = {
    "items": "item",
    "accessions": "accession",
    "barcode-ranges": "barcodes",
    "drafts": "item_record",
    "label-prints": "label_print",
    "record-templates": "template",
    "tasks": "task",
    "members": "member",
    "staff": "staff",
    "clients": "client",
    "data-requests": "data_request",
    "loans": "loan",
    "notices": "notice",
    "conversations": "conversation",
}
OF_MEMBER = {
    "account/consents": "member",
    "account/devices": "device",
    "account/data-requests": "data_request",
    "account/loans": "loan",
    "account/notices": "notice",
}
# Lists without rows of persons or programs; PDF and XLSX have the letters of notices/letters, and the accessions.
# tests/gateway/test_record_offers.py looks at record-offers.
LEFT_OUT = {
    "accession-rules", "accessions.pdf", "accessions.xlsx", "account", "account/data", "account/preferences",
    "catalogue/lookup", "channels", "holidays", "label-sheets", "member-categories", "notices/letters.pdf",
    "notices/sending-rules", "policies", "policies/versions", "record-offers", "record-offers.csv", "reports/lending",
    "reports/lending.csv", "templates",
}  # fmt: skip


@dataclass
class Person:
    """A caller, and the ids of their rows by kind. Of an administrator: the rows of the institution."""

    http: httpx.Client
    rows: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> str:
        response = self.http.get(f"/api/v1/{path}")
        assert response.status_code == 200, (path, response.text)
        return response.text

    def post(self, path: str, body: dict[str, Any]) -> Any:
        response = self.http.post(f"/api/v1/{path}", json=body, headers={"Idempotency-Key": str(uuid4())})
        assert response.status_code in (200, 201), (path, response.text)
        return response.json()

    def upload(self, path: str, content: bytes) -> Any:
        response = self.http.post(f"/api/v1/{path}", content=content, headers={"Idempotency-Key": str(uuid4())})
        assert response.status_code == 201, (path, response.text)
        return response.json()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ExitStack() as stack:
        yield stack.enter_context(served_gateway(stack.enter_context(real_catalog())))


@contextmanager
def real_catalog() -> Iterator[str]:
    """Serve a catalogue of two institutions with a branch each; yield its URL."""
    with TemporaryDirectory() as folder, copied_database(CATALOG, Path(folder)) as database:
        settings = Settings(data=Path(folder), grpc_port=0)
        usual = {"name_id": "Pusat", "name_en": "Main", "npp": "", "isil": "", "zone": "Asia/Jakarta"}
        with database.transaction(TEST) as session:
            for key, code in INSTITUTIONS.items():
                session.add(Institution(id=key, code=code, kind="public", **usual))
                session.flush()
                session.add(Branch(id=new_id(), institution_id=key, code="PST", kind="main", confirmed=True, **usual))
        with served_catalog(servicer(Resources(settings=settings, database=database, service=CATALOG))) as url:
            yield url


def person(address: str, actor: str, institution: UUID, scopes: frozenset[str]) -> Person:
    members = running["members"]
    keys = Keys(members.database, members.settings.of(MembersSettings))
    token = keys.sign(Principal(actor, str(institution), str(new_id()), scopes))
    return Person(httpx.Client(base_url=address, timeout=20, headers={"Authorization": f"Bearer {token}"}))


def administrator(address: str, institution: UUID) -> Person:
    account = add_staff(new_user("a"), "administrator", institution=institution)
    admin = person(address, account.id, institution, scopes_of(["administrator"]))
    branch = f"{INSTITUTIONS[institution]}/PST"
    item = admin.post("fast-adds", {"barcode": new_user("N"), "branch": branch, "title": "Kemarau"})
    new_items = {"branch": branch, "acquisition": {"source": "gift"}}
    added = admin.post(f"records/{item['record']}/items", new_items)["items"][0]
    template = {"name": "Novel", "text": "LDR 00000nam#a2200000#i#4500\n650 #4 $a Fiksi Indonesia"}
    draft = admin.http.put(f"/api/v1/drafts/{item['record']}", json={"values": {"view": "marc", "text": "245 10 $a x"}})
    assert draft.status_code == 200, draft.text
    admin.rows = {
        "item": item["id"],
        "item_record": item["record"],
        "accession": added["id"],
        "label": added["barcode"],
        "label_print": admin.post("label-prints", {})["id"],
        "barcodes": admin.post("barcode-ranges", {"count": 1})["id"],
        "template": admin.post("record-templates", template)["id"],
        "task": admin.upload(f"imports?source=KIRIMAN-{INSTITUTIONS[institution]}&new_source=true", b"00000")["id"],
        "gap": admin.post("accession-gaps", {"reason": "Label rusak"})["id"],
        "staff": admin.post("staff", {"user": new_user("s"), "name": "Budi", "roles": ["desk"]})["id"],
        "client": admin.post("clients", {"name": new_user("c"), "role": "desk"})["id"],
        **add_conversation_and_webhook(institution),
    }
    return admin


def member(address: str, admin: Person, institution: UUID, name: str, item: int) -> Person:
    new = admin.post("members", {"name": name, "category": "umum"})
    reader = person(address, new["id"], institution, scopes_of(["member"]))
    reader.rows = {
        "member": new["id"],
        "data_request": admin.post(f"members/{new['id']}/data-requests", {"kind": "access"})["id"],
        "notice": add_notice(UUID(new["id"]), institution),
        "letter": add_notice(UUID(new["id"]), institution, state="print"),
        "device": add_device(UUID(new["id"]), institution),
    }
    if institution == PKS:
        loan = {"member": new["number"], "item": barcode(item), "branch": "PKS/PST"}
        reader.rows["loan"] = admin.post("check-outs", loan)["loan"]["id"]
    if name != "Buya Hamka":
        suspend(UUID(new["id"]), institution)
        reader.rows["suspended"] = new["id"]
    return reader


def add_notice(member_id: UUID, institution: UUID, *, state: str = "waiting") -> str:
    loan = loan_copy(member_id, institution, title="Kemarau", due_on=clock.now().date(), branch_id=PST)
    with running["notifications"].database.transaction(TEST) as session:
        make_notice(
            session, "loan_receipt", key=loan.loan_id, institution_id=str(institution), member_id=str(member_id),
            loan=loan, day=loan.due_on, facts={"returned_at": clock.now().isoformat()}, zone="",
        )  # fmt: skip
        notice_id = session.scalars(select(Notice.id).where(Notice.loan_id == UUID(loan.loan_id))).one()
        settle(session, [notice_id], state)
        return str(notice_id)


def add_device(member_id: UUID, institution: UUID) -> str:
    device = PushDevice(
        id=new_id(), institution_id=institution, member_id=member_id, endpoint_hash=member_id.bytes * 2, sealed=b"",
        name="Chrome", made_at=clock.now(),
    )  # fmt: skip
    with running["notifications"].database.transaction(TEST) as session:
        session.add(device)
        return str(device.id)


def suspend(member_id: UUID, institution: UUID) -> None:
    today = clock.now().date()
    with running["circulation"].database.transaction(TEST) as session:
        copy_members(session, [MemberCopy(id=str(member_id), institution_id=str(institution), version=0)])
        session.add(
            Suspension(
                id=new_id(), institution_id=institution, borrower_id=member_id, loan_id=None, returned_on=today,
                begins_on=today - timedelta(days=1), ends_on=today + timedelta(days=9), days=11, ended_at=None,
            )
        )  # fmt: skip


def add_conversation_and_webhook(institution: UUID) -> dict[str, str]:
    notifications, now = running["notifications"], clock.now()
    master = make_master_key(notifications.settings.of(NotificationsSettings).master_key)
    number = f"+62812{institution.int:08}"
    with notifications.database.transaction(TEST) as session:
        row = store.add_message(
            session, master, Pending(f"wamid.{new_id()}", "whatsapp", number, "Buka?", now), institution_id=institution,
            member_id=None, language="id", is_answered=False, address_hash=hash_address(master, institution, number),
        )  # fmt: skip
        conversation = str(row.id)
    return {"conversation": conversation, "webhook": add_webhook(institution, str(new_id()))}


def add_webhook(institution: UUID, client_id: str) -> str:
    notifications, now = running["notifications"], clock.now()
    master = make_master_key(notifications.settings.of(NotificationsSettings).master_key)
    webhook = Webhook(
        id=new_id(), institution_id=institution, client_id=client_id, kinds=["loan.opened"],
        url=f"https://{new_user('w')}.example/", with_members=False,
        sealed_secret=master.seal(b"x", use=SEALED_FOR), sealed_contact=None, state="active", reason="",
        failures=0, failing_since=None, next_at=now, last_delivered_at=now, made_at=now, made_by_staff=True,
    )  # fmt: skip
    with notifications.database.transaction(TEST) as session:
        session.add(webhook)
        return str(webhook.id)


@dataclass
class People:
    admin: Person
    other_admin: Person
    first: Person
    second: Person
    elsewhere: Person


@pytest.fixture(scope="module")
def people(address: str) -> People:
    for key, code in INSTITUTIONS.items():
        add_institution(key, code)
    add_items()
    with running["circulation"].database.transaction(TEST) as session:
        copy_institutions(session, [InstitutionCopy(id=str(OTHER), version=1, code="UNAND", zone="Asia/Jakarta")])
    admin, other_admin = administrator(address, PKS), administrator(address, OTHER)
    with running["members"].database.transaction(TEST) as session:
        ids = [UUID(person.rows["client"]) for person in (admin, other_admin)]
        add_counts(session, [Count(client_id, date(2026, 12, 1), "oai", 1, 1_000, 0) for client_id in ids])
    return People(
        admin,
        other_admin,
        member(address, admin, PKS, "Buya Hamka", 1),
        member(address, admin, PKS, "Hamka Muda", 2),
        member(address, other_admin, OTHER, "Hamka Padang", 3),
    )


def test_every_list_is_looked_at_or_left_out() -> None:
    lists = {
        entry.partition("?")[0].removeprefix("GET /api/v1/")
        for entry in MATRIX
        if entry.startswith("GET /api/v1/") and "{" not in entry and expected(entry, "anonymous") == 401
    }
    assert lists == {path.partition("?")[0] for path in (*OF_INSTITUTION, *OF_MEMBER)} | LEFT_OUT


@pytest.mark.parametrize("path", ONE_OF_INSTITUTION)
def test_staff_read_a_row_of_their_institution_alone_by_its_id(people: People, path: str) -> None:
    kind = ONE_OF_INSTITUTION[path]
    own = [person.rows[kind] for person in (people.admin, people.first) if kind in person.rows]
    others = [person.rows[kind] for person in (people.other_admin, people.elsewhere) if kind in person.rows]
    assert own
    for row_id in own:
        assert row_id in people.admin.get(f"{path}/{row_id}")
        assert people.other_admin.http.get(f"/api/v1/{path}/{row_id}").status_code == 404
    for row_id in [*others, "none"]:
        assert people.admin.http.get(f"/api/v1/{path}/{row_id}").status_code == 404


@pytest.mark.parametrize("path", OF_INSTITUTION)
def test_staff_see_the_rows_of_their_institution_alone(people: People, path: str) -> None:
    kind = OF_INSTITUTION[path]
    own = {person.rows[kind] for person in (people.admin, people.first, people.second) if kind in person.rows}
    others = {person.rows[kind] for person in (people.other_admin, people.elsewhere) if kind in person.rows}
    seen, seen_elsewhere = people.admin.get(path), people.other_admin.get(path)
    assert {row for row in own | others if row in seen} == own
    assert {row for row in own | others if row in seen_elsewhere} == others


@pytest.mark.parametrize("path", OF_MEMBER)
def test_a_member_sees_the_own_rows_alone(people: People, path: str) -> None:
    kind = OF_MEMBER[path]
    everyone = (people.first, people.second, people.elsewhere)
    for person in everyone:
        seen = person.get(path)
        assert [row.rows[kind] for row in everyone if row.rows.get(kind, "-" * 36) in seen] == (
            [person.rows[kind]] if kind in person.rows else []
        )


def test_a_token_with_few_scopes_sees_the_rows_of_its_institution_alone(people: People, address: str) -> None:
    limited = person(address, str(new_id()), PKS, LIMITED_SCOPES)
    seen = limited.get("members?q=Hamka")
    assert [caller.rows["member"] in seen for caller in (people.first, people.second, people.elsewhere)] == [
        True, True, False,
    ]  # fmt: skip
    assert limited.http.get("/api/v1/suspensions").status_code == 403


@pytest.mark.parametrize("role", ["partner", "partner_members"])
def test_a_program_sees_its_own_webhooks_alone(people: People, address: str, role: str) -> None:
    own, other, elsewhere = (str(new_id()) for _ in range(3))
    webhooks = [add_webhook(PKS, own), add_webhook(PKS, other), add_webhook(OTHER, elsewhere)]
    seen = person(address, own, PKS, scopes_of([role])).get("webhooks")
    assert [webhook in seen for webhook in (*webhooks, people.admin.rows["webhook"])] == [True, False, False, False]
