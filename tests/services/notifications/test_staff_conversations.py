"""Conversations for staff: taken over, shown one at a time with a look on the record, and listed page by page."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from chassis import clock
from chassis.audit import acts
from chassis.cursors import write_cursor
from chassis.errors import NotFound, Refused
from chassis.ids import new_id
from rangkiang.notifications.v1 import conversations_pb2 as wire
from rangkiang.notifications.v1 import notices_pb2
from services.notifications.channels.local import ConsoleChannel
from services.notifications.conversations import store
from services.notifications.conversations.inbound import Pending
from services.notifications.members import hash_address
from services.notifications.rpc.answering import send_answers
from services.notifications.tables import Conversation, ConversationMessage
from tests.conditions import eventually
from tests.services.notifications.partners import MEMBER, NOON, NUMBER, PKS, TEST, UNAND, Partners, lend


def keep(partners: Partners, number: str, *, institution: UUID = PKS) -> str:
    """Store a message that waits for staff; return the id of its conversation."""
    at = clock.now()
    pending = Pending(f"wamid.{new_id()}", "whatsapp", f"+{number}", "Apakah buka?", at)
    with partners.database.transaction(TEST) as session:
        row = store.add_message(
            session, partners.master, pending, institution_id=institution, member_id=None, language="id",
            address_hash=hash_address(partners.master, institution, f"+{number}"), is_answered=False,
        )  # fmt: skip
        return str(row.id)


def test_a_conversation_is_taken_over_until_it_is_done(both: Partners) -> None:
    conversation_id = keep(both, NUMBER)
    first, second = str(new_id()), str(new_id())
    take, get = wire.TakeConversationRequest(id=conversation_id), wire.GetConversationRequest(id=conversation_id)
    for account in (first, second):
        both.stub.TakeConversation(take, metadata=both.caller("notices.write", actor=account))
        conversation = both.stub.GetConversation(get, metadata=both.caller("notices.write")).conversation
        assert conversation.taken_by == account
        assert conversation.HasField("taken_at")
    close = wire.CloseConversationRequest(id=conversation_id)
    both.stub.CloseConversation(close, metadata=both.caller("notices.write"))
    reply = both.stub.GetConversation(get, metadata=both.caller("notices.write"))
    assert (reply.conversation.state, reply.conversation.taken_by, reply.zone) == ("done", "", "Asia/Jakarta")
    with pytest.raises(Refused) as refusal:
        both.stub.TakeConversation(take, metadata=both.caller("notices.write", actor=first))
    assert refusal.value.reason == "CONVERSATION_DONE"
    # The next message is for whoever sees it first.
    keep(both, NUMBER)
    assert both.stub.GetConversation(get, metadata=both.caller("notices.write")).conversation.state == "open"


def test_a_conversation_of_another_library_is_not_found_and_each_look_is_recorded(both: Partners) -> None:
    conversation_id = keep(both, NUMBER)
    get = wire.GetConversationRequest(id=conversation_id)
    for request in (get, wire.GetConversationRequest(id="no-id")):
        with pytest.raises(NotFound):
            both.stub.GetConversation(request, metadata=both.caller("notices.write", institution=UNAND))
    both.stub.GetConversation(get, metadata=both.caller("notices.write"))
    recorded: list[str] = []
    for _ in range(100):
        with both.database.reading(TEST) as session:
            recorded = list(session.scalars(select(acts.c.act).where(acts.c.object == conversation_id)))
        if recorded:
            break
        time.sleep(0.1)  # looks are written in batches
    assert recorded == ["notifications.read_conversation"]


def test_each_list_of_notices_that_staff_read_is_in_the_audit(both: Partners) -> None:
    lend(both)
    desk = both.caller("notices.read")
    for fields in (
        {"state": "waiting", "limit": 1},
        {"member_id": MEMBER, "kind": "loan_receipt", "without_total": True},
        {"kind": "1372015203880001"},
        {"cursor": write_cursor("notices", new_id())},
    ):
        both.stub.ListNotices(notices_pb2.ListNoticesRequest(**fields), metadata=desk)
    looks = select(acts.c.kind, acts.c.object, acts.c.facts).where(acts.c.act == "notifications.list_notices")

    def rows() -> list[tuple[str, str, dict[str, object]]]:
        with both.database.reading(TEST) as session:
            read = session.execute(looks.order_by(acts.c.number)).all()
        return [(row.kind, row.object, json.loads(row.facts)) for row in read]

    eventually(lambda: len(rows()) == 4)
    assert rows() == [
        ("institution", str(PKS), {"state": "waiting", "shown": 1}),
        ("member", MEMBER, {"kind": "loan_receipt", "shown": 1}),
        ("institution", str(PKS), {"shown": 0}),
        ("institution", str(PKS), {"is_continued": True, "shown": 1}),
    ]


def test_open_conversations_come_in_the_order_in_which_they_wait_page_by_page(both: Partners) -> None:
    ids = []
    for minute in range(5):
        with clock.frozen(NOON + timedelta(minutes=minute)):
            ids.append(keep(both, f"62812000000{minute}"))

    negative = wire.ListConversationsRequest(state="open", limit=-1)
    reply = both.stub.ListConversations(negative, metadata=both.caller("notices.write"))
    assert [conversation.id for conversation in reply.conversations] == ids

    def pages(state: str) -> list[str]:
        listed_ids: list[str] = []
        cursor = ""
        while True:
            request = wire.ListConversationsRequest(state=state, limit=2, cursor=cursor)
            reply = both.stub.ListConversations(request, metadata=both.caller("notices.write"))
            assert reply.total == 5
            listed_ids += [conversation.id for conversation in reply.conversations]
            cursor = reply.cursor
            if not cursor:
                return listed_ids

    assert pages("open") == ids
    for notice_id in ids:
        both.stub.CloseConversation(wire.CloseConversationRequest(id=notice_id), metadata=both.caller("notices.write"))
    assert pages("done") == ids[::-1]


@pytest.mark.parametrize("damage", ["message", "key", "number"])
def test_a_damaged_message_key_or_number_hides_nothing_else_and_later_messages_can_be_read(
    both: Partners, damage: str
) -> None:
    damaged, other = keep(both, NUMBER), keep(both, "6281200000001")
    if damage == "message":
        harm = update(ConversationMessage).where(ConversationMessage.conversation_id == UUID(damaged))
        harm = harm.values(sealed=b"x" * 60)
    else:
        column = {"key": "wrapped_key", "number": "sealed_address"}[damage]
        harm = update(Conversation).where(Conversation.id == UUID(damaged)).values({column: b"x" * 60})
    with both.database.transaction(TEST) as session:
        session.execute(harm)

    def texts() -> dict[str, list[str]]:
        listed = both.stub.ListConversations(wire.ListConversationsRequest(), metadata=both.caller("notices.write"))
        return {row.id: [message.text for message in row.messages] for row in listed.conversations}

    [text] = texts()[damaged]
    assert ("tidak dapat dibaca" in text) == (damage != "number")
    assert texts()[other] == ["Apakah buka?"]
    assert keep(both, NUMBER) == damaged
    assert texts()[damaged] == [text, "Apakah buka?"]
    get = wire.GetConversationRequest(id=damaged)
    assert both.stub.GetConversation(get, metadata=both.caller("notices.write")).conversation.address == f"+{NUMBER}"


def test_an_answer_that_is_damaged_before_it_goes_is_not_sent(both: Partners) -> None:
    conversation_id = keep(both, NUMBER)
    reply = wire.ReplyConversationRequest(id=conversation_id, text="Buka sampai pukul 20.00.")
    both.stub.ReplyConversation(reply, metadata=both.caller("notices.write"))
    with both.database.transaction(TEST) as session:
        session.execute(update(ConversationMessage).values(sealed=b"x" * 60))
    channel = ConsoleChannel("whatsapp", "phone")
    assert send_answers(both.resources, {"whatsapp": channel}, both.master) == 1
    get = wire.GetConversationRequest(id=conversation_id)
    conversation = both.stub.GetConversation(get, metadata=both.caller("notices.write")).conversation
    assert [message.state for message in conversation.messages] == ["received", "failed"]
