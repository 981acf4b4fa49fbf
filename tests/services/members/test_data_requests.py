"""Members and their own data: consents given and withdrawn, requests with their time, copies of all that is kept."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text, update

from chassis import clock
from chassis.errors import NotFound
from chassis.service import Resources
from rangkiang.members.v1 import people_pb2
from rangkiang.members.v1 import requests_pb2 as wire
from services.members import checks
from services.members.people import drafts, requests
from services.members.service import SERVICE
from services.members.tables import Member
from tests.migrated import every_row
from tests.services.members.conftest import TEST, UNAND, Office
from tests.services.members.desk import Desk, error_of, reasons
from tests.services.members.test_people import SEALED, queued_events

SECRET = "Alamat yang benar: Jl. Teratai 9"


def own(office: Office, member: Any) -> Desk:
    """A signed-in member."""
    return Desk(office, "member", actor=UUID(member.id))


def ask(desk: Desk, member: Any, kind: str = "correction", **more: Any) -> Any:
    message = wire.AddDataRequestRequest(**{"id": member.id, "kind": kind, "how": "form", "text": SECRET, **more})
    return desk.call("AddDataRequest", message)


def answer(desk: Desk, request: Any, outcome: str = "done", words: str = "Sudah.") -> Any:
    message = wire.AnswerDataRequestRequest(id=request.id, outcome=outcome, answer=words)
    return desk.call("AnswerDataRequest", message)


def listed(desk: Desk, member: Any = None) -> list[Any]:
    message = wire.ListDataRequestsRequest(id=member.id if member else "")
    return list(desk.call("ListDataRequests", message).requests)


def give(desk: Desk, *, given: bool = True, purpose: str = "loan_history", member: str = "") -> Any:
    message = wire.AnswerOwnConsentRequest(member_id=member, purpose=purpose, text_version="2026-11", given=given)
    return desk.call("AnswerOwnConsent", message)


def people(desk: Desk) -> list[Any]:
    return list(desk.call("ListOwnConsents", wire.ListOwnConsentsRequest()).people)


def audited(office: Office, act: str, rows: int) -> list[Any]:
    """The rows of an act in the audit; looks come there within a second."""
    end = time.monotonic() + 5
    while True:
        with office.database.reading(TEST) as session:
            acts = session.execute(text("SELECT actor, facts FROM audit_acts WHERE act = :act"), {"act": act}).all()
        if len(acts) >= rows or time.monotonic() > end:
            return list(acts)
        time.sleep(0.05)


def test_a_request_is_due_after_72_hours_and_the_first_due_is_listed_first(office: Office) -> None:
    desk, member = Desk(office, "desk"), Desk(office).register()
    received_at = clock.now()
    with clock.frozen(received_at):
        first = ask(desk, member)
    assert first.due_at.ToDatetime() == (received_at + timedelta(hours=72)).replace(tzinfo=None)
    with clock.frozen(received_at + timedelta(hours=1)):
        own(office, member).call("AddOwnDataRequest", wire.AddOwnDataRequestRequest(kind="access"))
    assert [(row.kind, row.how, row.text) for row in listed(desk)] == [
        ("correction", "form", SECRET), ("access", "web", ""),
    ]  # fmt: skip
    answer(desk, first)
    assert [row.kind for row in listed(desk)] == ["access"]
    assert [(row.kind, row.outcome, row.answer) for row in listed(desk, member)] == [
        ("access", "", ""), ("correction", "done", "Sudah."),
    ]  # fmt: skip
    mine = own(office, member).call("ListOwnDataRequests", wire.ListOwnDataRequestsRequest()).requests
    assert [row.answer for row in mine] == ["", "Sudah."]


def test_requests_are_sealed_audited_and_hidden_from_other_institutions(office: Office) -> None:
    desk, member = Desk(office, "desk"), Desk(office).register()
    request = ask(desk, member)
    answer(desk, request, words="Sudah: Teratai 9")
    with office.database.reading(TEST) as session:
        stored = repr(session.execute(every_row("data_requests")).all())
        stored += repr(session.execute(text("SELECT * FROM audit_acts")).all())
        stored += repr(session.execute(text("SELECT * FROM outbox")).all())
    assert "Teratai" not in stored
    for act in ("members.add_data_request", "members.answer_data_request"):
        ((actor, facts),) = audited(office, act, 1)
        assert (actor, request.id in facts) == (desk.actor, True)
    stranger = Desk(office, institution=UNAND)
    assert not listed(stranger)
    assert reasons(lambda: listed(stranger, member)) == ["MEMBER_NOT_FOUND"]
    assert reasons(lambda: answer(stranger, request)) == ["DATA_REQUEST_NOT_FOUND"]
    assert reasons(lambda: ask(stranger, member)) == ["MEMBER_NOT_FOUND"]


def test_an_answer_is_given_once_and_a_refusal_has_a_reason(office: Office) -> None:
    desk, member = Desk(office, "desk"), Desk(office).register()
    request = ask(desk, member)
    assert reasons(lambda: answer(desk, request, "refused", "")) == ["DATA_REQUEST_WITHOUT_REASON"]
    assert reasons(lambda: answer(desk, request, "later")) == ["MEMBER_FIELD_NOT_A_CHOICE"]
    answer(desk, request, "refused", "Datanya sudah benar.")
    assert reasons(lambda: answer(desk, request)) == ["DATA_REQUEST_ANSWERED"]
    assert reasons(lambda: ask(desk, member, "sale")) == ["MEMBER_FIELD_NOT_A_CHOICE"]
    assert reasons(lambda: ask(desk, member, text="x" * 2_001)) == ["MEMBER_FIELD_TOO_LONG"]


def test_a_member_has_at_most_ten_open_requests(office: Office) -> None:
    member = Desk(office).register()
    mine = own(office, member)

    def add() -> Any:
        return mine.call("AddOwnDataRequest", wire.AddOwnDataRequestRequest(kind="access"))

    for _ in range(requests.MOST_OPEN):
        add()
    assert reasons(add) == ["DATA_REQUESTS_TOO_MANY"]
    answer(Desk(office), listed(Desk(office))[0])
    assert reasons(add) == []


def test_an_erasure_answers_the_requests_and_leaves_when_they_came_and_ended(office: Office) -> None:
    desk, member = Desk(office), Desk(office).register(**SEALED)
    request = ask(desk, member, "erasure")
    assert reasons(lambda: answer(desk, request)) == ["DATA_REQUEST_NOT_ERASED"]
    desk.call("EraseMember", people_pb2.EraseMemberRequest(id=member.id))
    assert not listed(desk)
    with office.database.reading(TEST) as session:
        row = session.execute(every_row("data_requests")).one()
    assert (row.kind, row.outcome, bytes(row.text), bytes(row.answer)) == ("erasure", "done", b"", b"")
    assert row.answered_at is not None


def test_requests_of_a_merged_member_are_those_of_the_kept_one(office: Office) -> None:
    desk = Desk(office)
    kept, merged = desk.register("Siti Rahma"), desk.register("Siti R.")
    ask(desk, merged)
    desk.call("MergeMembers", people_pb2.MergeMembersRequest(id=kept.id, merged_id=merged.id))
    assert [row.text for row in listed(desk, kept)] == [SECRET]
    answer(desk, listed(desk)[0])
    assert not listed(desk)


def test_members_give_and_withdraw_their_own_consent_and_lending_gets_the_event(office: Office) -> None:
    mine = own(office, Desk(office).register())
    give(mine)
    give(mine, given=False)
    ((me,)) = people(mine)
    assert [(consent.given, consent.how, consent.by_guardian) for consent in me.consents] == [
        (True, "web", False), (False, "web", False),
    ]  # fmt: skip
    assert [event["members"][0].get("keeps_history", False) for event in queued_events(office)] == [False, True, False]
    assert [row.actor for row in audited(office, "members.change", 2)] == [mine.actor] * 2
    assert reasons(lambda: give(mine, purpose="everything")) == ["MEMBER_FIELD_NOT_A_CHOICE"]


@pytest.mark.parametrize("member", ["adult", "stranger", "nobody"])
def test_a_guardian_answers_for_their_children_and_for_nobody_else(office: Office, member: str) -> None:
    desk = Desk(office)
    mother = desk.register("Rahmawati")
    guardian = people_pb2.Guardian(member_id=mother.id, relation="mother")
    child = desk.register("Budi", category="anak", birth_date="2018-02-03", guardian=guardian)
    others = {
        "adult": desk.register("Ali", birth_date="1990-02-03", guardian=guardian).id,
        "stranger": desk.register("Tono", category="anak", guardian=people_pb2.Guardian(name="Ibu Tono")).id,
        "nobody": "0192f3a4-0000-7000-8000-0000000000ff",
    }
    her, his = own(office, mother), own(office, child)
    assert [(person.name, person.is_child) for person in people(her)] == [("Rahmawati", False), ("Budi", True)]
    assert reasons(lambda: give(his)) == ["CONSENT_OF_A_CHILD"]
    give(her, member=child.id)
    assert [(consent.given, consent.by_guardian) for consent in desk.get(child.id).consents] == [(True, True)]
    give(his, given=False)
    assert [(consent.given, consent.by_guardian) for consent in desk.get(child.id).consents][1:] == [(False, False)]
    with pytest.raises(NotFound):
        give(her, member=others[member])


def test_a_member_has_a_bounded_number_of_answers_and_can_always_withdraw(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts, "MOST_CONSENTS", 3)
    desk = Desk(office)
    member = desk.register()
    mine = own(office, member)
    for given in (True, False, True):
        give(mine, given=given)
    refused = error_of(lambda: give(mine))
    assert (refused.reason, refused.facts) == ("CONSENTS_TOO_MANY", {"most": 3})
    give(mine, given=False)
    assert reasons(lambda: give(mine, given=False)) == ["CONSENTS_TOO_MANY"]
    by_form = people_pb2.Consent(purpose="news", text_version="2026-11", given=True, how="form")
    change = people_pb2.ChangeMemberRequest(id=member.id, version=desk.get(member.id).version, consents=[by_form])
    assert reasons(lambda: desk.call("ChangeMember", change)) == ["CONSENTS_TOO_MANY"]
    assert [consent.given for consent in desk.get(member.id).consents] == [True, False, True, False]


def test_a_consent_is_withdrawn_also_when_the_guardian_is_missing(office: Office) -> None:
    desk = Desk(office)
    guardian = people_pb2.Guardian(name="Ibu")
    child = desk.register("Budi", category="anak", birth_date="2018-02-03", guardian=guardian)
    with office.database.transaction(TEST) as session:
        session.execute(update(Member).values(guardian_name=""))
    give(own(office, child), given=False)
    assert [consent.given for consent in desk.get(child.id).consents] == [False]


def test_a_copy_has_everything_and_is_recorded(office: Office) -> None:
    desk, member = Desk(office, "desk"), Desk(office).register(note="Sering telat", **SEALED)
    ask(desk, member)
    copies = [
        desk.call("ExportMember", wire.ExportMemberRequest(id=member.id)),
        own(office, member).call("ExportOwnMember", wire.ExportOwnMemberRequest()),
    ]
    assert [copy.member.contact.nik for copy in copies] == [SEALED["nik"]] * 2
    assert [[row.text for row in copy.requests] for copy in copies] == [[SECRET]] * 2
    assert [copy.member.note for copy in copies] == ["Sering telat", ""]
    assert [row.actor for row in audited(office, "members.export", 2)] == [desk.actor, member.id]
    assert reasons(lambda: Desk(office, "cataloguer").call("ExportMember", wire.ExportMemberRequest(id=member.id))) == [
        "SCOPE_NEEDED"
    ]


def test_doctor_says_which_requests_are_near_or_over_their_time(office: Office) -> None:
    desk, member = Desk(office, "desk"), Desk(office).register()
    resources = Resources(settings=office.settings, database=office.database, service=SERVICE)

    def finding() -> tuple[bool, str]:
        (finding,) = checks.data_requests(resources)
        return finding.ok, finding.message.en

    assert finding()[0]
    ask(desk, member)
    now = clock.now()
    assert finding() == (True, "Requests about personal data without an answer: 1. Each is due in more than a day.")
    with clock.frozen(now + timedelta(hours=49)):
        well, message = finding()
        assert (well, "0 are overdue, 1 are due within a day" in message) == (False, True)
    with clock.frozen(now + timedelta(hours=73)):
        assert "1 are overdue, 0 are due" in finding()[1]
    answer(desk, listed(desk)[0])
    with clock.frozen(now + timedelta(hours=73)):
        assert finding()[0]
