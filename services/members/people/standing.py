"""The standing of members: renewals of memberships, and blocks."""

from __future__ import annotations

from datetime import UTC, date
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.errors import NotFound, Refusal
from chassis.ids import new_id, parse_or_nil
from chassis.security.encryption import MasterKey
from services.members.people import categories, drafts, events, store, values
from services.members.people.rules import MemberInputs, refusals
from services.members.tables import Block, Institution, Member

_BLOCK_CHECKS = {
    "reason": values.choice(values.BLOCK_REASONS),
    "note": values.text(500, lines=True),
    "ends_on": values.end_date,
}


def renew(
    session: Session, member_id: str, *, expires_on: str = "", category: str = "", context: Context, master: MasterKey
) -> Member:
    """Renew a membership by the months of its category, from its end, or from today when the end has passed.

    expires_on  a new last day instead, ISO 8601
    category    a new category; "" for the current one
    raises      NotFound  MEMBER_NOT_FOUND
                Invalid   END_DATE_INVALID, CATEGORY_UNKNOWN
                Refused   MEMBER_MERGED, END_DATE_PASSED, GUARDIAN_MISSING, RESPONSIBLE_MISSING
                emits       MembersChanged
    """
    member = store.locked(session, member_id)
    today = clock.now().date()
    end, problems = values.clean({"expires_on": expires_on, "category": category or member.category})
    rows = categories.fill(session, member.institution_id)
    chosen = categories.find_category(rows, end.get("category", ""))
    if chosen is None:
        problems.append(categories.unknown_category(rows, end.get("category", "")))
    elif chosen.code != member.category:
        after = drafts.all_values(member, master) | {"category": chosen.code}
        problems += refusals(MemberInputs(str(member.id), after, chosen, today))
    if end.get("expires_on") and date.fromisoformat(end["expires_on"]) < today:
        problems.append(Refusal("END_DATE_PASSED", field="expires_on"))
    store.raise_all(problems)
    assert chosen is not None
    end_date = end["expires_on"]
    begin = max(today, member.expires_on or today)
    member.category = chosen.code
    member.expires_on = date.fromisoformat(end_date) if end_date else categories.end_of(chosen, begin)
    store.touch(member, ["expires_on", "category"] if category else ["expires_on"])
    audit.record(
        session, context, "members.renew", kind="member", object_id=member.id,
        facts={"expires_on": events.day_text(member.expires_on), "category": member.category},
    )  # fmt: skip
    events.emit_changed(session, [member], context)
    return member


def was_renewed_today(session: Session, member: Member) -> bool:
    """Return whether the audit has a renewal of the membership today, in the zone of the institution."""
    zone = ZoneInfo(session.get_one(Institution, member.institution_id).zone)
    midnight = clock.now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    act = audit.acts.c
    renewals = select(act.number).where(
        act.kind == "member", act.object == str(member.id), act.act == "members.renew",
        act.at >= midnight.astimezone(UTC),
    )  # fmt: skip
    return session.execute(renewals.limit(1)).first() is not None


def block(
    session: Session, member_id: str, reason: str, *, note: str = "", ends_on: str = "", context: Context
) -> tuple[Member, Block]:
    """Block a member from borrowing.

    raises  NotFound  MEMBER_NOT_FOUND
            Invalid   MEMBER_FIELD_NOT_A_CHOICE, MEMBER_FIELD_TOO_LONG, END_DATE_INVALID
            Refused   MEMBER_MERGED, END_DATE_PASSED
    emits   MembersChanged
    """
    member = store.locked(session, member_id)
    cleaned, problems = values.clean({"reason": reason or "?", "note": note, "ends_on": ends_on}, _BLOCK_CHECKS)
    end = date.fromisoformat(cleaned["ends_on"]) if cleaned.get("ends_on") else None
    if end is not None and end < clock.now().date():
        problems.append(Refusal("END_DATE_PASSED", field="ends_on"))
    store.raise_all(problems)
    row = Block(
        id=new_id(),
        institution_id=member.institution_id,
        member_id=member.id,
        reason=cleaned["reason"],
        note=cleaned["note"],
        by=context.actor,
        at=clock.now(),
        ends_on=end,
        ended_at=None,
        ended_by="",
    )
    session.add(row)
    store.touch(member, ["blocks"])
    audit.record(
        session, context, "members.block", kind="member", object_id=member.id,
        facts={"block": str(row.id), "reason": row.reason, "ends_on": events.day_text(end)},
    )  # fmt: skip
    events.emit_changed(session, [member], context)
    return member, row


def end_block(session: Session, member_id: str, block_id: str, *, context: Context) -> Member:
    """End a block; a second call changes nothing.

    raises  NotFound  MEMBER_NOT_FOUND, BLOCK_NOT_FOUND
    emits   MembersChanged
    """
    member = store.locked(session, member_id)
    row = session.get(Block, parse_or_nil(block_id))
    if row is None or row.member_id != member.id:
        raise NotFound("BLOCK_NOT_FOUND", id=block_id[:40])
    if row.ended_at is None:
        row.ended_at, row.ended_by = clock.now(), context.actor
        store.touch(member, ["blocks"])
        audit.record(
            session, context, "members.end_block", kind="member", object_id=member.id, facts={"block": str(row.id)}
        )
        events.emit_changed(session, [member], context)
    return member
