"""Callbacks set the state of sent messages; the number decides the library."""

from __future__ import annotations

import random
from uuid import UUID

from sqlalchemy import insert, select

from chassis.ids import new_id
from services.notifications.members import hash_address
from services.notifications.tables import (
    Attempt,
    ChannelDay,
    Message,
    Notice,
    RefusedAddress,
)
from tests.fakes.whatsapp_cloud import (
    status_callback,
)
from tests.services.notifications.partners import NOON, NUMBER, PKS, SITI, TEST, Partners, receive


def add_attempt(partners: Partners, *, provider_id: str = "wamid.1", state: str = "accepted") -> tuple[UUID, UUID]:
    """Add a notice, its message and its attempt; return the ids of the first two."""
    message_id, notice_id = new_id(), new_id()
    with partners.database.transaction(TEST) as session:
        session.execute(
            insert(Message).values(
                id=message_id, institution_id=PKS, member_id=SITI.member_id, kind="due_soon", is_digest=False, day=None,
                language="id", state="sent", reason="", channel="whatsapp", tries=0, next_at=NOON, since=NOON,
                sealed=None, made_at=NOON,
            )
        )  # fmt: skip
        session.execute(
            insert(Notice).values(
                id=notice_id, institution_id=PKS, member_id=SITI.member_id, kind="due_soon", subject_key=str(notice_id),
                loan_id=None, item_id=None, branch_id=None, title="", day=None, facts={}, due_at=NOON, state="sent",
                reason="", message_id=message_id, made_at=NOON, changed_at=NOON, traceparent="",
            )
        )  # fmt: skip
        session.execute(
            insert(Attempt).values(
                id=new_id(), institution_id=PKS, message_id=message_id, channel="whatsapp", provider_id=provider_id,
                address_hash=hash_address(partners.master, PKS, f"+{NUMBER}"), state=state, reason="", started_at=NOON,
                ended_at=None,
            )
        )  # fmt: skip
    return message_id, notice_id


def states(partners: Partners, message_id: UUID, notice_id: UUID) -> set[str]:
    with partners.database.reading(TEST) as session:
        attempt = session.scalar(select(Attempt.state).where(Attempt.message_id == message_id))
        message = session.scalar(select(Message.state).where(Message.id == message_id))
        notice = session.scalar(select(Notice.state).where(Notice.id == notice_id))
        return {str(attempt), str(message), str(notice)}


def test_statuses_in_any_order_never_go_backwards(both: Partners) -> None:
    rank = {"sent": 0, "failed": 1, "delivered": 2, "read": 3}
    for seed in range(12):
        provider_id = f"wamid.{seed}"
        ids = add_attempt(both, provider_id=provider_id)
        order = list(rank) * 2
        random.Random(seed).shuffle(order)
        best = ""
        for status in order:
            code = 131026 if status == "failed" else 0
            receive(both, status_callback(provider_id, status, at=int(NOON.timestamp()), code=code))
            best = max(best or status, status, key=lambda name: rank[name])
            reached = states(both, *ids)
            assert reached == {"sent": {"sent", "accepted"}, "failed": {"failed", "open", "sending"}}.get(best, {best})


def test_a_failed_status_marks_the_address_and_is_counted_once(both: Partners) -> None:
    ids = add_attempt(both)
    body = status_callback("wamid.1", "failed", at=int(NOON.timestamp()), code=131026)
    assert [receive(both, body).statuses for _ in range(3)] == [1, 0, 0]
    assert states(both, *ids) == {"failed", "open", "sending"}, "the next channel has its turn"
    with both.database.reading(TEST) as session:
        [row] = session.scalars(select(RefusedAddress))
        assert (row.member_id, row.reason) == (SITI.member_id, "WHATSAPP_131026")
        [day] = session.scalars(select(ChannelDay))
        assert (day.state, day.count) == ("failed", 1)


def test_a_status_finds_the_attempt_whose_answer_was_lost_by_our_own_id(partners: Partners) -> None:
    ids = add_attempt(partners, provider_id="", state="unknown")
    body = status_callback("wamid.new", "delivered", at=int(NOON.timestamp()), message_id=str(ids[0]))
    assert receive(partners, body).statuses == 1
    assert states(partners, *ids) == {"delivered"}
    assert receive(partners, status_callback("wamid.new", "read", at=int(NOON.timestamp()))).statuses == 1
