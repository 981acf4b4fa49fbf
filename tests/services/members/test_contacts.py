"""Contacts of members for notices are read when a notice is sent, with few statements; sent password codes."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, select, text, update

from chassis import clock
from chassis.bus.outbox import outbox
from chassis.ids import new_id
from chassis.rpc.client import sync_channel
from chassis.service import Resources
from rangkiang.members.v1 import cards_pb2, people_pb2
from rangkiang.members.v1 import contacts_pb2 as wire
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from services.members import jobs
from services.members.people import expiring
from services.members.service import SERVICE
from services.members.tables import ExpiryStep, Member
from tests.migrated import every_row
from tests.services.members.conftest import PKS, TEST, UNAND, Office
from tests.services.members.desk import Desk, reasons


@pytest.fixture
def sender(office: Office) -> Any:
    """Members, as the service of notices calls it."""
    return MembersStub(sync_channel("inproc:members", office.settings, caller="notifications"))


def contacts(sender: Any, *ids: str) -> list[Any]:
    return list(sender.Contacts(wire.ContactsRequest(ids=ids)).members)


def events(office: Office, kind: str) -> list[dict[str, Any]]:
    query = select(outbox.c.body).where(outbox.c.type == f"rangkiang.members.v1.{kind}").order_by(outbox.c.id)
    with office.database.reading(TEST) as session:
        return [json.loads(body) for body in session.scalars(query)]


def test_a_member_is_reached_by_name_language_mail_and_telephone(office: Office, sender: Any) -> None:
    desk = Desk(office)
    new = desk.register(
        "Hj. Siti Rahma, S.Pd.", language="en", email="siti@example.org", phone="0812 6600 1122", address="Jl. Ujung 1"
    )
    member = desk.get(new.id)
    consents = [
        people_pb2.Consent(purpose=purpose, text_version="1", given=given, how="desk")
        for purpose, given in (("news", True), ("loan_history", True), ("news", False))
    ]
    desk.call("ChangeMember", people_pb2.ChangeMemberRequest(id=new.id, version=member.version, consents=consents))
    (found,) = contacts(sender, new.id)
    assert (found.id, found.name, found.language) == (new.id, "Hj. Siti Rahma, S.Pd.", "en")
    assert (found.email, found.phone, found.address) == ("siti@example.org", "+6281266001122", "Jl. Ujung 1")
    assert (found.institution_id, found.number, found.is_child) == (str(PKS), new.number, False)
    assert {consent.purpose: consent.given for consent in found.consents} == {"news": False, "loan_history": True}
    assert found.keeps_history
    assert not found.HasField("guardian")


def test_a_child_is_reached_through_its_guardian(office: Office, sender: Any) -> None:
    desk = Desk(office)
    mother = desk.register("Rosna", phone="081266001133", email="rosna@example.org", language="id")
    year = clock.now().year - 9
    ward = desk.register(
        "Aisyah", category="anak", birth_date=f"{year}-01-02", school="SDN 1", group="3A",
        guardian=people_pb2.Guardian(member_id=mother.id, relation="mother"),
    )  # fmt: skip
    other = desk.register(
        "Dina", category="anak", birth_date=f"{year}-01-02",
        guardian=people_pb2.Guardian(name="Pak Amir", relation="father", phone="081266001144"),
    )  # fmt: skip
    first, second = contacts(sender, ward.id, other.id)
    assert (first.is_child, first.phone, first.school, first.group) == (True, "", "SDN 1", "3A")
    assert (first.guardian.member_id, first.guardian.name, first.guardian.phone, first.guardian.email) == (
        mother.id, "Rosna", "+6281266001133", "rosna@example.org"
    )  # fmt: skip
    assert first.guardian.relation == "mother"
    assert (second.guardian.member_id, second.guardian.name, second.guardian.phone) == (
        "",
        "Pak Amir",
        "+6281266001144",
    )
    # At 18 the notices are the member's own.
    with clock.frozen(clock.now() + timedelta(days=366 * 10)):
        (grown,) = contacts(sender, ward.id)
    assert (grown.is_child, grown.HasField("guardian")) == (False, False)


def test_an_organisation_is_reached_through_the_person_who_answers_for_it(office: Office, sender: Any) -> None:
    new = Desk(office).register(
        "Panti Asuhan Aisyiyah", category="lembaga",
        responsible=people_pb2.Responsible(name="Ibu Rita", position="ketua", phone="081266001155"),
    )  # fmt: skip
    (found,) = contacts(sender, new.id)
    assert (found.is_organisation, found.is_child, found.phone) == (True, False, "+6281266001155")


def test_a_merged_member_is_the_kept_one_and_an_erased_one_is_left_out(office: Office, sender: Any) -> None:
    desk = Desk(office, "administrator")
    kept, merged, erased = (
        desk.register(name, phone=phone).id
        for name, phone in (("Siti Rahma", "081266001122"), ("Muhammad Yusuf", ""), ("Rosna Dewi", "081266001166"))
    )
    desk.call("MergeMembers", people_pb2.MergeMembersRequest(id=kept, merged_id=merged))
    desk.call("EraseMember", people_pb2.EraseMemberRequest(id=erased))
    found = contacts(sender, erased, merged, str(new_id()), kept)
    assert [(member.id, member.merged_into, member.phone) for member in found] == [
        (merged, kept, "+6281266001122"), (kept, "", "+6281266001122")
    ]  # fmt: skip


@pytest.mark.parametrize("key", [b"", b"x" * 60], ids=["destroyed", "damaged"])
def test_a_member_whose_key_cannot_be_read_does_not_keep_the_others_from_their_notices(
    office: Office, sender: Any, key: bytes
) -> None:
    desk = Desk(office)
    damaged = desk.register("Rosna", phone="081266001133").id
    other = desk.register("Siti Rahma", phone="081266001122").id
    with office.database.transaction(TEST) as session:
        session.execute(update(Member).where(Member.id == UUID(damaged)).values(wrapped_key=key))
    first, second = contacts(sender, damaged, other)
    assert (first.name, first.phone, first.is_unreadable) == ("Rosna", "", True)
    assert (second.phone, second.is_unreadable) == ("+6281266001122", False)


def test_a_child_whose_guardian_s_key_is_damaged_is_unreadable(office: Office, sender: Any) -> None:
    desk = Desk(office)
    mother = desk.register("Rosna", email="rosna@example.org", phone="081266001133").id
    child = desk.register(
        "Aisyah", category="anak", birth_date=f"{clock.now().year - 9}-01-02",
        guardian=people_pb2.Guardian(member_id=mother, relation="mother"),
    ).id  # fmt: skip
    with office.database.transaction(TEST) as session:
        session.execute(update(Member).where(Member.id == UUID(mother)).values(wrapped_key=b"x" * 60))
    (found,) = contacts(sender, child)
    assert (found.guardian.name, found.guardian.email, found.is_unreadable) == ("Rosna", "", True)


def test_as_many_statements_for_many_members_as_for_one(office: Office, sender: Any) -> None:
    desk = Desk(office)
    guardian = desk.register("Rosna", phone="081266001133").id
    born = f"{clock.now().year - 9}-01-02"
    ids = [
        desk.register(
            f"Anak {chr(65 + number // 26)}{chr(65 + number % 26)}", category="anak", birth_date=born,
            guardian=people_pb2.Guardian(member_id=guardian, relation="mother"),
        ).id
        for number in range(12)
    ]  # fmt: skip
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(office.database.reader, "before_cursor_execute", count)
    counts = []
    for asked in (ids[:1], ids):
        statements.clear()
        assert len(contacts(sender, *asked)) == len(asked)
        counts.append(len([sql for sql in statements if sql.startswith("SELECT")]))
    assert counts[0] == counts[1] <= 6
    assert reasons(lambda: contacts(sender, *[str(new_id()) for _ in range(501)])) == ["MEMBER_TOO_MANY"]


def test_staff_need_the_scope_see_their_own_institution_and_leave_a_look(office: Office, sender: Any) -> None:
    new = Desk(office).register("Siti Rahma", phone="081266001122")
    request = wire.ListContactsRequest(ids=[new.id])
    (found,) = Desk(office).call("ListContacts", request).members
    assert found.phone == "+6281266001122"
    assert not Desk(office, institution=UNAND).call("ListContacts", request).members
    assert reasons(lambda: Desk(office, "cataloguer").call("ListContacts", request)) == ["SCOPE_NEEDED"]
    assert reasons(lambda: Desk(office).call("Contacts", wire.ContactsRequest(ids=[new.id]))) == ["SERVICE_ONLY"]
    looks = "SELECT count(*) FROM audit_acts WHERE act = 'members.read_contact'"
    for _ in range(50):
        with office.database.reading(TEST) as session:
            count = session.scalar(text(looks))
        if count:
            break
        threading.Event().wait(0.1)
    assert count == 1


def test_a_telephone_number_finds_its_one_member(office: Office, sender: Any) -> None:
    def find(phone: str, institution: str = "") -> Any:
        return sender.FindByPhone(wire.FindByPhoneRequest(phone=phone, institution_id=institution))

    desk = Desk(office)
    new = desk.register("Siti Rahma", phone="0812-6600-1122", language="en")
    found = find("6281266001122")
    assert (found.found, found.member_id, found.institution_id, found.language) == ("one", new.id, str(PKS), "en")
    assert find("+62 812 6600 1199").found == "none"
    assert find("081266001122", str(UNAND)).found == "none"
    Desk(office, institution=UNAND).register("Siti Rahma", phone="081266001122", category="mahasiswa")
    assert (find("081266001122").found, find("081266001122").member_id) == ("many", "")
    assert find("081266001122", str(PKS)).found == "one"
    assert reasons(lambda: find("halo")) == ["PHONE_INVALID"]
    assert reasons(lambda: desk.call("FindByPhone", wire.FindByPhoneRequest(phone="081266001122"))) == ["SERVICE_ONLY"]


def test_a_registration_is_a_fact_without_a_name(office: Office) -> None:
    new = Desk(office).register("Siti Rahma", phone="081266001122")
    (emitted,) = events(office, "MemberRegistered")
    assert emitted == {"id": new.id, "version": "1", "institution_id": str(PKS), "expires_on": new.expires_on}


def test_a_password_code_that_is_sent_is_not_made_before_its_sender_asks(office: Office, sender: Any) -> None:
    desk = Desk(office)
    new = desk.register("Siti Rahma", phone="081266001122")
    reply = desk.call("MakeSlip", cards_pb2.MakeSlipRequest(id=new.id, send=True), key="one")
    assert (reply.code, reply.is_sent) == ("", True)
    assert desk.call("MakeSlip", cards_pb2.MakeSlipRequest(id=new.id, send=True), key="one").is_sent
    (emitted,) = events(office, "SlipIssued")
    assert emitted.keys() == {"member_id", "institution_id", "slip_id", "expires_at"}
    assert reasons(lambda: use(office, new.number, "")) == ["SLIP_REFUSED"]
    request = wire.MakeSlipCodeRequest(member_id=new.id, slip_id=emitted["slip_id"])
    first, second = sender.MakeSlipCode(request), sender.MakeSlipCode(request)
    assert (second.number, len(second.code)) == (new.number, 8)
    with office.database.reading(TEST) as session:
        stored = repr(session.execute(every_row("slips")).all() + session.execute(every_row("outbox")).all())
    assert second.code not in stored
    assert reasons(lambda: use(office, new.number, first.code)) == ["SLIP_REFUSED"]
    assert reasons(lambda: use(office, new.number, second.code)) == []
    assert reasons(lambda: sender.MakeSlipCode(request)) == ["SLIP_ENDED"]
    assert reasons(lambda: desk.call("MakeSlipCode", request)) == ["SERVICE_ONLY"]


def test_a_password_code_that_was_replaced_or_has_expired_is_not_made(office: Office, sender: Any) -> None:
    desk = Desk(office)
    new = desk.register("Siti Rahma", phone="081266001122")
    requests = []
    for _ in range(2):
        desk.call("MakeSlip", cards_pb2.MakeSlipRequest(id=new.id, send=True))
        slip_id = events(office, "SlipIssued")[-1]["slip_id"]
        requests.append(wire.MakeSlipCodeRequest(member_id=new.id, slip_id=slip_id))
    assert reasons(lambda: sender.MakeSlipCode(requests[0])) == ["SLIP_ENDED"]
    with clock.frozen(clock.now() + timedelta(hours=25)):
        assert reasons(lambda: sender.MakeSlipCode(requests[1])) == ["SLIP_ENDED"]
    desk.call("MakeSlip", cards_pb2.MakeSlipRequest(id=new.id))
    assert reasons(lambda: sender.MakeSlipCode(requests[1])) == ["SLIP_ENDED"]


def use(office: Office, number: str, code: str) -> None:
    request = cards_pb2.UseSlipRequest(number=number, code=code, password="lampu perahu kemarau", address="::1")
    office.stub.UseSlip(request)


def ends(office: Office, member_id: str, days: int) -> None:
    """Let a membership end in days, of a member who came a year ago."""
    values = {"expires_on": (clock.now() + timedelta(days=days)).date(), "registered_at": clock.now() - timedelta(365)}
    with office.database.transaction(TEST) as session:
        session.execute(update(Member).where(Member.id == UUID(member_id)).values(**values))


def test_a_membership_that_ends_has_a_fact_30_and_7_days_before(office: Office) -> None:
    resources = Resources(office.settings, office.database, SERVICE)
    start = clock.now().replace(hour=3, minute=0)
    with clock.frozen(start):
        desk = Desk(office)  # signs in at this hour: its token would have ended when the test runs at midnight
        early, late, new = (desk.register(name).id for name in ("Siti Rahma", "Muhammad Yusuf", "Rosna Dewi"))
        ends(office, early, 33)
        ends(office, late, 5)
    with office.database.transaction(TEST) as session:
        session.execute(
            update(Member).where(Member.id == UUID(new)).values(expires_on=(start + timedelta(days=3)).date())
        )
    found: dict[int, list[tuple[str, int]]] = {}
    for day in (0, 2, 3, 4, 25, 26, 27, 34):
        before = len(events(office, "MembershipExpiring"))
        with clock.frozen(start + timedelta(days=day)):
            jobs.emit_expiring(resources, threading.Event())
        expiring = events(office, "MembershipExpiring")[before:]
        found[day] = [(emitted["member_id"], emitted["days"]) for emitted in expiring]
    assert {day: rows for day, rows in found.items() if rows} == {0: [(late, 7)], 3: [(early, 30)], 26: [(early, 7)]}
    with office.database.reading(TEST) as session:
        assert len(session.scalars(select(ExpiryStep)).all()) == 2, "steps of ends that are over are deleted"


def test_after_nights_off_a_membership_has_its_newest_step_and_a_new_end_has_its_own(office: Office) -> None:
    desk = Desk(office)
    member = desk.register("Siti Rahma").id
    start = clock.now().replace(hour=3, minute=0)
    ends(office, member, 6)
    resources = Resources(office.settings, office.database, SERVICE)
    jobs.emit_expiring(resources, threading.Event())
    ends(office, member, 29)
    jobs.emit_expiring(resources, threading.Event())
    jobs.emit_expiring(resources, threading.Event())
    assert [emitted["days"] for emitted in events(office, "MembershipExpiring")] == [7, 30]
    with clock.frozen(start - timedelta(days=3)):
        jobs.emit_expiring(resources, threading.Event())
    assert len(events(office, "MembershipExpiring")) == 2


def test_many_processes_emit_each_end_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(office)
    members = [desk.register(name).id for name in ("Siti Rahma", "Muhammad Yusuf", "Rosna Dewi", "Amir Hamzah")]
    for member in members:
        ends(office, member, 6)
    monkeypatch.setattr(expiring, "MEMBERS_IN_A_BATCH", 1)
    start = threading.Barrier(3)

    def replica(_number: int) -> None:
        start.wait(10)
        expiring.emit_all_expiring(office.database, threading.Event())

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(replica, range(3)))
    assert sorted(emitted["member_id"] for emitted in events(office, "MembershipExpiring")) == sorted(members)
