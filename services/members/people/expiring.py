"""Memberships that end soon: each night from 02:00 in the institution's zone, facts 30 and 7 days before the end.

The transaction of a fact also writes a row for the member, end and step. So each fact is emitted once, even if a
process dies or several processes run. After nights without this job only the last step is emitted.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import and_, delete, exists, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.database.sql import insert_for
from services.members.people import facts
from services.members.tables import ExpiryStep, Institution, Member

EXPIRING = system("expiring")
# Days before the end, the last step first.
STEPS = (7, 30)
BEGINS = timedelta(hours=2)
# Members in one transaction; acts of the desk wait for its write lock.
_BATCH = 25


@dataclass(frozen=True, slots=True)
class Expiring:
    """A membership that has reached a step. registered_on: in the institution's zone."""

    member_id: UUID
    version: int
    institution_id: UUID
    registered_on: date
    expires_on: date
    step: int

    @property
    def is_new(self) -> bool:
        """Whether the member was registered on the day of the step or later, and so already knows the end."""
        return self.registered_on >= self.expires_on - timedelta(days=self.step)


def tell_expiring(database: Database, stop: threading.Event) -> int:
    """Emit the facts of memberships that end soon, and delete the steps of past ends. Returns the number of facts.

    emits  MembershipExpiring
    """
    count = 0
    with database.reading(EXPIRING) as session:
        institutions = session.execute(select(Institution.id, Institution.zone)).all()
    for institution_id, zone in institutions:
        today = (clock.now().astimezone(ZoneInfo(zone)) - BEGINS).date()
        for index, step in enumerate(STEPS):
            first = today + timedelta(days=STEPS[index - 1] + 1) if index else today
            while not stop.is_set():
                last = today + timedelta(days=step)
                with database.reading(EXPIRING) as session:
                    members = _without_step(session, institution_id, first, last, step, ZoneInfo(zone))
                if not members:
                    break
                with database.transaction(EXPIRING) as session:
                    count += _emit(session, members)
    with database.transaction(EXPIRING) as session:
        session.execute(delete(ExpiryStep).where(ExpiryStep.expires_on < clock.now().date() - timedelta(days=2)))
    return count


def _without_step(
    session: Session, institution_id: UUID, first: date, last: date, step: int, zone: ZoneInfo
) -> list[Expiring]:
    """Return members whose membership ends within these days and who do not have this step yet; one batch."""
    had = exists().where(
        and_(
            ExpiryStep.member_id == Member.id,
            ExpiryStep.expires_on == Member.expires_on,
            ExpiryStep.step == step,
        )
    )
    query = (
        select(Member.id, Member.version, Member.expires_on, Member.registered_at)
        .where(Member.expires_on >= first, Member.expires_on <= last, Member.institution_id == institution_id)
        .where(Member.erased_at.is_(None), Member.merged_into.is_(None), ~had)
        .order_by(Member.expires_on, Member.id)
        .limit(_BATCH)
    )
    return [
        Expiring(
            row.id, row.version, institution_id, row.registered_at.astimezone(zone).date(), row.expires_on, step
        )
        for row in session.execute(query)
    ]  # fmt: skip


def _emit(session: Session, members: Sequence[Expiring]) -> int:
    """Write steps and facts, except for members whose end has changed or whose step another process has written."""
    ends: dict[UUID, Any] = {
        row.id: row.expires_on
        for row in session.execute(
            select(Member.id, Member.expires_on).where(Member.id.in_([member.member_id for member in members]))
        )
    }
    count = 0
    for member in members:
        if ends.get(member.member_id) != member.expires_on:
            continue
        row = {
            "member_id": member.member_id,
            "expires_on": member.expires_on,
            "step": member.step,
            "institution_id": member.institution_id,
        }
        written = session.execute(
            insert_for(session, ExpiryStep).values(row).on_conflict_do_nothing().returning(ExpiryStep.step)
        )
        if written.first() is not None and not member.is_new:
            context = replace(EXPIRING, institution=str(member.institution_id))
            facts.tell_expiring(session, member.member_id, member.version, member.expires_on, member.step, context)
            count += 1
    return count
