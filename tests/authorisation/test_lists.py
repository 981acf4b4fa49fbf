"""What lists contain: rows of the caller's institution, and for a member the member's own rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select

from chassis import clock
from chassis.auth import Principal
from chassis.context import system
from chassis.ids import new_id
from chassis.sealing import make_master_key
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from services.notifications.conversations import store
from services.notifications.conversations.inbound import Pending
from services.notifications.members import hash_address
from services.notifications.notices import make_notice
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Notice, Webhook
from services.notifications.webhooks.delivery import SEALED_FOR
from tests.authorisation.test_matrix import MATRIX, expected
from tests.fakes.accounts import PKS, add_institution, add_staff, new_user
from tests.fakes.catalog import FakeCatalog
from tests.fakes.lending import PST, add_items, barcode
from tests.fakes.notices import loan_fact
from tests.fakes.running import running, served_catalog, served_gateway

TEST = system("test")
OTHER = UUID(int=0xA2)
# List -> the kind of its rows.
OF_INSTITUTION = {
    "members?q=Hamka": "member",
    "staff": "staff",
    "clients": "client",
    "data-requests": "data_request",
    "loans": "loan",
    "notices": "notice",
    "conversations": "conversation",
    "webhooks": "webhook",
}
OF_MEMBER = {
    "account/consents": "member",
    "account/data-requests": "data_request",
    "account/loans": "loan",
    "account/notices": "notice",
}
# Lists without rows of persons or programs, and those whose rows this test does not make.
LEFT_OUT = {
    "account", "account/data", "account/devices", "account/preferences", "channels", "holidays", "items",
    "member-categories", "notices/letters", "notices/letters.pdf", "notices/sending-rules", "policies",
    "reports/lending", "suspensions", "templates",
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


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ExitStack() as stack:
        yield stack.enter_context(served_gateway(stack.enter_context(served_catalog(FakeCatalog()))))


def person(address: str, actor: str, institution: UUID, role: str) -> Person:
    members = running["members"]
    keys = Keys(members.database, members.settings.of(MembersSettings))
    token = keys.sign(Principal(actor, str(institution), str(new_id()), scopes_of([role])))
    return Person(httpx.Client(base_url=address, timeout=20, headers={"Authorization": f"Bearer {token}"}))


def administrator(address: str, institution: UUID) -> Person:
    admin = person(address, add_staff(new_user("a"), "administrator", institution=institution).id, institution,
                   "administrator")  # fmt: skip
    admin.rows = {
        "staff": admin.post("staff", {"user": new_user("s"), "name": "Budi", "roles": ["desk"]})["id"],
        "client": admin.post("clients", {"name": new_user("c"), "role": "desk"})["id"],
        **add_conversation_and_webhook(institution),
    }
    return admin


def member(address: str, admin: Person, institution: UUID, name: str, item: int) -> Person:
    new = admin.post("members", {"name": name, "category": "umum"})
    reader = person(address, new["id"], institution, "member")
    reader.rows = {
        "member": new["id"],
        "data_request": admin.post(f"members/{new['id']}/data-requests", {"kind": "access"})["id"],
        "notice": add_notice(UUID(new["id"]), institution),
    }
    if institution == PKS:
        loan = {"member": new["number"], "item": barcode(item), "branch": "PST"}
        reader.rows["loan"] = admin.post("check-outs", loan)["loan"]["id"]
    return reader


def add_notice(member_id: UUID, institution: UUID) -> str:
    loan = loan_fact(member_id, institution, title="Kemarau", due_on=clock.now().date(), branch_id=PST)
    with running["notifications"].database.transaction(TEST) as session:
        make_notice(
            session, "loan_receipt", key=loan.loan_id, institution_id=str(institution), member_id=str(member_id),
            loan=loan, day=loan.due_on, facts={"returned_at": clock.now().isoformat()}, zone="",
        )  # fmt: skip
        return str(session.scalars(select(Notice.id).where(Notice.member_id == member_id)).one())


def add_conversation_and_webhook(institution: UUID) -> dict[str, str]:
    notifications, now = running["notifications"], clock.now()
    master = make_master_key(notifications.settings.of(NotificationsSettings).master_key)
    number = f"+62812{institution.int:08}"
    with notifications.database.transaction(TEST) as session:
        row = store.add_message(
            session, master, Pending(f"wamid.{new_id()}", "whatsapp", number, "Buka?", now), institution_id=institution,
            member_id=None, language="id", is_answered=False, address_hash=hash_address(master, institution, number),
        )  # fmt: skip
        webhook = Webhook(
            id=new_id(), institution_id=institution, client_id=str(new_id()), kinds=["loan.opened"],
            url=f"https://{new_user('w')}.example/", with_members=False,
            sealed_secret=master.seal(b"x", use=SEALED_FOR), sealed_contact=None, state="active", reason="",
            failures=0, failing_since=None, next_at=now, last_delivered_at=now, made_at=now, made_by_staff=True,
        )  # fmt: skip
        session.add(webhook)
        return {"conversation": str(row.id), "webhook": str(webhook.id)}


@dataclass
class People:
    admin: Person
    other_admin: Person
    first: Person
    second: Person
    elsewhere: Person


@pytest.fixture(scope="module")
def people(address: str) -> People:
    add_institution()
    add_institution(OTHER, "UNAND")
    add_items()
    admin, other_admin = administrator(address, PKS), administrator(address, OTHER)
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


@pytest.mark.parametrize("path", OF_INSTITUTION)
def test_staff_see_the_rows_of_their_institution_alone(people: People, path: str) -> None:
    kind = OF_INSTITUTION[path]
    own = {one.rows[kind] for one in (people.admin, people.first, people.second) if kind in one.rows}
    others = {one.rows[kind] for one in (people.other_admin, people.elsewhere) if kind in one.rows}
    seen, seen_elsewhere = people.admin.get(path), people.other_admin.get(path)
    assert {row for row in own | others if row in seen} == own
    assert {row for row in own | others if row in seen_elsewhere} == others


@pytest.mark.parametrize("path", OF_MEMBER)
def test_a_member_sees_the_own_rows_alone(people: People, path: str) -> None:
    kind = OF_MEMBER[path]
    everyone = (people.first, people.second, people.elsewhere)
    for one in everyone:
        seen = one.get(path)
        assert [row.rows[kind] for row in everyone if row.rows.get(kind, "-" * 36) in seen] == (
            [one.rows[kind]] if kind in one.rows else []
        )
