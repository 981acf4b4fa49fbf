"""Members' requests about their own data, each with a due time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.errors import NotFound, Refused
from chassis.ids import new_id, parse_or_nil
from chassis.models import choices
from chassis.security.encryption import MasterKey
from rangkiang.members.v1 import requests_pb2 as wire
from services.members.people import loans, sealed, store, values
from services.members.tables import DataRequest, Member

DUE = timedelta(hours=72)  # 3 × 24 hours: UU PDP 27/2022
MOST_OPEN = 10  # of one member
MOST_LISTED = 200
_TEXT = values.text(2_000, lines=True)
_CHECKS = {
    "kind": values.choice(choices(wire.DataRequest, "kind")),
    "how": values.choice(values.CONSENT_WAYS),
    "text": _TEXT,
    "outcome": values.choice(choices(wire.AnswerDataRequestRequest, "outcome")),
    "answer": _TEXT,
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A request with its decrypted texts."""

    row: DataRequest
    text: str
    answer: str


def add(
    session: Session, member_id: str, kind: str, *, text: str, how: str, by_guardian: bool, context: Context,
    master: MasterKey,
) -> DataRequest:  # fmt: skip
    """Record a request; it is due 72 hours from now.

    raises  NotFound  MEMBER_NOT_FOUND
            Invalid   MEMBER_FIELD_NOT_A_CHOICE, MEMBER_FIELD_TOO_LONG, MEMBER_FIELD_UNREADABLE
            Refused   MEMBER_MERGED, DATA_REQUESTS_TOO_MANY
    """
    member = store.locked(session, member_id)
    cleaned, problems = values.clean({"kind": kind or "?", "how": how or "?", "text": text}, _CHECKS)
    store.raise_all(problems)
    open_requests = session.scalar(
        select(func.count()).where(DataRequest.member_id == member.id, DataRequest.outcome == "")
    )
    if (open_requests or 0) >= MOST_OPEN:
        raise Refused("DATA_REQUESTS_TOO_MANY", most=MOST_OPEN)
    now = clock.now()
    row = DataRequest(
        id=new_id(), institution_id=member.institution_id, member_id=member.id, kind=cleaned["kind"],
        how=cleaned["how"], by_guardian=by_guardian, text=b"", received_at=now, due_at=now + DUE,
        recorded_by=context.actor, outcome="", answer=b"", answered_at=None, answered_by="",
    )  # fmt: skip
    row.text = _seal(member, row, cleaned["text"], master)
    session.add(row)
    audit.record(
        session, context, "members.add_data_request", kind="member", object_id=member.id,
        facts={"request": str(row.id), "kind": row.kind, "how": row.how},
    )  # fmt: skip
    return row


def answer(
    session: Session, request_id: str, outcome: str, *, text: str, context: Context, master: MasterKey
) -> DataRequest:
    """Answer a request as done or refused. Only the erasure of the member answers an erasure request as done.

    raises  NotFound  DATA_REQUEST_NOT_FOUND
            Invalid   MEMBER_FIELD_NOT_A_CHOICE, MEMBER_FIELD_TOO_LONG, MEMBER_FIELD_UNREADABLE
            Refused   DATA_REQUEST_ANSWERED, DATA_REQUEST_WITHOUT_REASON, DATA_REQUEST_NOT_ERASED
    """
    row = session.get(DataRequest, parse_or_nil(request_id), with_for_update=True)
    if row is None:
        raise NotFound("DATA_REQUEST_NOT_FOUND", id=request_id[:40])
    if row.answered_at is not None:
        raise Refused("DATA_REQUEST_ANSWERED", answered_at=clock.utc_text(row.answered_at))
    cleaned, problems = values.clean({"outcome": outcome or "?", "answer": text}, _CHECKS)
    store.raise_all(problems)
    if cleaned["outcome"] == "refused" and not cleaned["answer"]:
        raise Refused("DATA_REQUEST_WITHOUT_REASON", field="answer")
    if row.kind == "erasure" and cleaned["outcome"] == "done":
        raise Refused("DATA_REQUEST_NOT_ERASED")
    member = session.get_one(Member, row.member_id)
    row.outcome, row.answered_at, row.answered_by = cleaned["outcome"], clock.now(), context.actor
    row.answer = _seal(member, row, cleaned["answer"], master)
    audit.record(
        session, context, "members.answer_data_request", kind="member", object_id=row.member_id,
        facts={"request": str(row.id), "kind": row.kind, "outcome": row.outcome},
    )  # fmt: skip
    return row


def get(session: Session, request_id: str, *, master: MasterKey) -> Opened:
    """Return a request of the transaction's institution.

    raises  NotFound  DATA_REQUEST_NOT_FOUND
    """
    row = session.get(DataRequest, parse_or_nil(request_id))
    if row is None:
        raise NotFound("DATA_REQUEST_NOT_FOUND", id=request_id[:40])
    return _opened(session, [row], master)[0]


def of_member(session: Session, member_id: str, *, master: MasterKey) -> list[Opened]:
    """Return the requests of a member and of members merged into it: open ones first, then the latest answers.

    raises  NotFound  MEMBER_NOT_FOUND
    """
    member = store.get(session, member_id)
    ids = [member.id, *(merged.id for merged in loans.merged_into(session, member.id))]
    rows = session.scalars(
        select(DataRequest)
        .where(DataRequest.member_id.in_(ids))
        .order_by(DataRequest.outcome != "", DataRequest.answered_at.desc(), DataRequest.due_at)
        .limit(MOST_LISTED)
    )
    return _opened(session, rows.all(), master)


def open_ones(session: Session, institution_id: UUID, *, master: MasterKey) -> tuple[list[Opened], bool]:
    """Return the open requests of an institution in order of due time, and whether there are more than listed."""
    rows = session.scalars(
        select(DataRequest)
        .where(DataRequest.institution_id == institution_id, DataRequest.outcome == "")
        .order_by(DataRequest.due_at, DataRequest.id)
        .limit(MOST_LISTED + 1)
    ).all()
    return _opened(session, rows[:MOST_LISTED], master), len(rows) > MOST_LISTED


def close_erased(session: Session, member_id: UUID) -> None:
    """Answer the open requests of a member who is being erased, and empty the texts of all their requests."""
    mine = DataRequest.member_id == member_id
    session.execute(
        update(DataRequest).where(mine, DataRequest.outcome == "").values(outcome="done", answered_at=clock.now())
    )
    session.execute(update(DataRequest).where(mine).values(text=b"", answer=b""))


def _opened(session: Session, rows: Sequence[DataRequest], master: MasterKey) -> list[Opened]:
    ids = {row.member_id for row in rows}
    members = {member.id: member for member in session.scalars(select(Member).where(Member.id.in_(ids)))}
    return [
        Opened(
            row,
            text=_open(members[row.member_id], row, row.text, master),
            answer=_open(members[row.member_id], row, row.answer, master),
        )
        for row in rows
    ]


def _seal(member: Member, row: DataRequest, text: str, master: MasterKey) -> bytes:
    return sealed.key_of(member, master).seal(text.encode(), use=f"request/{row.id}") if text else b""


def _open(member: Member, row: DataRequest, value: bytes, master: MasterKey) -> str:
    return sealed.key_of(member, master).open(value, use=f"request/{row.id}").decode() if value else ""
