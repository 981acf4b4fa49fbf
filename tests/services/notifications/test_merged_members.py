"""After a merge of members no ended kind of notices starts again, and no notice or text is lost."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import clock
from chassis.ids import new_id
from rangkiang.circulation.v1.events_pb2 import LoanDueSoon
from rangkiang.members.v1.events_pb2 import MemberCopy, MemberErased, MembersChanged
from rangkiang.notifications.v1 import notices_pb2
from services.notifications import ledger
from services.notifications.merging import copy_members
from services.notifications.preferences import (
    ALL,
    Answer,
    allows,
    list_answers,
    opt_out,
    replace_answers,
    stricter_answers,
)
from services.notifications.tables import Message
from services.notifications.templates.kinds import CHANNELS, KINDS
from tests.fakes.notices import ACCEPTED, AWAY, loan_copy
from tests.services.notifications.conftest import PADANG, PADANG_BRANCH, TEST, Office
from tests.services.notifications.partners import PKS, Partners
from tests.services.notifications.test_sender import MORNING, lend, remind, remind_overdue, sent

ANSWERS = st.dictionaries(
    st.tuples(st.sampled_from([ALL, "due_soon", "overdue", "loan_digest"]), st.sampled_from([ALL, "email", "sms"])),
    st.booleans(),
    max_size=6,
)


@given(first=ANSWERS, second=ANSWERS)
def test_after_a_merge_a_kind_goes_over_a_channel_when_both_members_allowed_it(first, second):
    both = stricter_answers(first, second)
    for kind in KINDS:
        for channel in CHANNELS:
            expected = allows(first, kind, channel) and allows(second, kind, channel)
            assert allows(both, kind, channel) == expected, (kind, channel)


def merge(office: Office, merged: UUID, kept: UUID, *, version: int = 2) -> None:
    """Merge a member; without `kept` separate it again. Members answers with the kept one from then on."""
    copied = MemberCopy(id=str(merged), version=version, institution_id=str(PADANG), merged_into=str(kept or ""))
    for _ in range(2):
        office.deliver(MembersChanged(members=[copied]))


@pytest.fixture
def pair(office) -> tuple[UUID, UUID]:
    """The kept member and the one that is merged into it."""
    return office.owners.add(email="siti@example.org"), office.owners.add(email="s.rahma@example.org")


def test_an_opt_out_of_the_merged_member_is_kept_and_each_has_their_own_answers_after_undoing(office, pair):
    kept, merged = pair
    own = [Answer("due_soon", "email", True)]
    with office.database.transaction(TEST) as session:
        replace_answers(session, kept, PADANG, own)
        opt_out(session, merged, PADANG, kind="overdue", channel="all")
    merge(office, merged, kept)
    with office.database.reading(TEST) as session:
        assert list_answers(session, kept) == [Answer("overdue", "all", False)]
    with clock.frozen(MORNING):
        remind_overdue(office, kept)
        office.send()
    assert office.states() == [("overdue", "dropped", "NOT_WANTED")]
    with office.database.transaction(TEST) as session:
        replace_answers(session, kept, PADANG, own)
    # A later event of the merged member is no second merge.
    merge(office, merged, kept, version=3)
    with office.database.reading(TEST) as session:
        assert list_answers(session, kept) == own
    office.deliver(MembersChanged(members=[MemberCopy(id=str(merged), version=4, institution_id=str(PADANG))]))
    with office.database.reading(TEST) as session:
        assert list_answers(session, merged) == [Answer("overdue", "all", False)]


def test_notices_of_the_merged_member_go_with_their_texts_which_an_erasure_destroys(office, pair):
    kept, merged = pair
    with clock.frozen(MORNING):
        lend(office, merged)
        office.send()
        merge(office, merged, kept)
    (notice,) = office.notices(member_id=kept)
    with office.database.reading(TEST) as session:
        _, text = ledger.open_message(session, session.get(Message, notice.message_id), office.master)
    assert "Merantau ke Deli" in text
    office.deliver(MemberErased(id=str(kept), version=9))
    assert [row.sealed for row in office.messages()] == [None]


def test_a_text_is_destroyed_with_the_member_whose_key_sealed_it(office, pair):
    kept, merged = pair
    with clock.frozen(MORNING):
        lend(office, merged)
        office.send()
        merge(office, merged, kept)
    office.deliver(MemberErased(id=str(merged), version=9))
    assert [row.sealed for row in office.messages()] == [None]


def test_a_fact_about_the_merged_member_that_comes_late_is_the_kept_ones(office, pair):
    kept, merged = pair
    merge(office, merged, kept)
    with clock.frozen(MORNING):
        remind(office, merged)
        office.send()
    assert [row.member_id for row in office.notices()] == [kept]
    assert [message.address for message in sent(office)] == ["siti@example.org"]


@pytest.mark.parametrize("is_away", [False, True])
def test_two_who_were_one_person_get_one_digest_a_day(office, pair, is_away):
    kept, merged = pair
    office.channels[0].outcome = AWAY if is_away else ACCEPTED
    with clock.frozen(MORNING):
        for member in pair:
            remind(office, member, title=f"Jilid-{member}")
        office.send()
        merge(office, merged, kept)
        loan = loan_copy(kept, PADANG, branch_id=PADANG_BRANCH)
        office.deliver(LoanDueSoon(loan=loan, days=3, zone="Asia/Jakarta"))
        office.send()
    already = len(sent(office))
    office.channels[0].outcome = ACCEPTED
    for hours in range(1, 80):
        office.send_at(MORNING + timedelta(hours=hours))
    days = [moment.date() for moment, _ in office.channels[0].sent[already:]]
    assert len(set(days)) == len(days)
    assert {row.state for row in office.notices()} == {"sent"}
    with office.database.reading(TEST) as session:
        for message in office.messages():
            assert "Merantau" in (text := ledger.open_message(session, message, office.master)[1]) or "Jilid" in text


def test_answers_given_for_the_merged_member_are_those_of_the_kept_one(both: Partners) -> None:
    merged, kept = new_id(), new_id()
    copies = [
        MemberCopy(id=str(merged), version=2, institution_id=str(PKS), merged_into=str(kept)),
        MemberCopy(id=str(kept), version=1, institution_id=str(PKS)),
    ]
    with both.database.transaction(TEST) as session:
        copy_members(session, copies)
    no_mail = [notices_pb2.Preference(kind="due_soon", channel="email", allowed=False)]
    put = notices_pb2.PutPreferencesRequest(member_id=str(merged), preferences=no_mail)
    both.stub.PutPreferences(put, metadata=both.caller("notices.write"))
    get = notices_pb2.GetPreferencesRequest(member_id=str(kept))
    reply = both.stub.GetPreferences(get, metadata=both.caller("notices.read"))
    assert [(answer.kind, answer.channel) for answer in reply.preferences.answers] == [("due_soon", "email")]
    own = notices_pb2.PutOwnPreferencesRequest(preferences=[])
    both.stub.PutOwnPreferences(own, metadata=both.caller("self", actor=str(merged)))
    assert not both.stub.GetPreferences(get, metadata=both.caller("notices.read")).preferences.answers
