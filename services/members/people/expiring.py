"""Memberships that end soon: each night from 02:00 in the institution's zone, events 30 and 7 days before the end.

The transaction of an event also writes a row for the member, end and step. So each event is emitted once, even if a
process dies or several processes run. After nights without this job only the last step is emitted.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.database.sql import insert_ignore
from services.members.people import events
from services.members.tables import ExpiryStep, Institution, Member

EXPIRING = system("expiring")
# Days before the end, the last step first.
STEPS = (7, 30)
BEGINS = timedelta(hours=2)
# Members in one transaction; acts of the desk wait for its write lock.
MEMBERS_IN_A_BATCH = 25


def emit_all_expiring(database: Database, stop: threading.Event) -> int:
    """Emit the events of memberships that end soon, and delete the steps of past ends. Returns the number of events.

    emits  MembershipExpiring
    """
    count = 0
    with database.reading(EXPIRING) as session:
        institutions = session.scalars(select(Institution)).all()
    for institution in institutions:
        today = (clock.now().astimezone(ZoneInfo(institution.zone)) - BEGINS).date()
        for index, step in enumerate(STEPS):
            first = today + timedelta(days=STEPS[index - 1] + 1) if index else today
            while not stop.is_set():
                with database.reading(EXPIRING) as session:
                    members = _without_step(session, institution.id, first, today + timedelta(days=step), step)
                if not members:
                    break
                with database.transaction(EXPIRING) as session:
                    count += _emit(session, institution, step, members)
    with database.transaction(EXPIRING) as session:
        session.execute(delete(ExpiryStep).where(ExpiryStep.expires_on < clock.now().date() - timedelta(days=2)))
    return count


def _without_step(session: Session, institution_id: UUID, first: date, last: date, step: int) -> Sequence[Any]:
    """Return members whose membership ends within these days and who do not have this step yet; one batch."""
    had = exists().where(
        ExpiryStep.member_id == Member.id, ExpiryStep.expires_on == Member.expires_on, ExpiryStep.step == step
    )
    query = (
        select(Member.id, Member.version, Member.expires_on, Member.registered_at)
        .where(Member.expires_on >= first, Member.expires_on <= last, Member.institution_id == institution_id)
        .where(Member.erased_at.is_(None), Member.merged_into.is_(None), ~had)
        .order_by(Member.expires_on, Member.id)
        .limit(MEMBERS_IN_A_BATCH)
    )
    return session.execute(query).all()


def _emit(session: Session, institution: Institution, step: int, members: Sequence[Any]) -> int:
    """Write steps and events, except for members whose end has changed or whose step another process has written.

    A member who was registered on the day of the step or later knows the end already, and gets no notice.
    """
    query = select(Member.id, Member.expires_on).where(Member.id.in_([member.id for member in members]))
    ends = {row.id: row.expires_on for row in session.execute(query)}
    context = replace(EXPIRING, institution=str(institution.id))
    count = 0
    for member in members:
        if ends.get(member.id) != member.expires_on:
            continue
        row = {
            "member_id": member.id, "expires_on": member.expires_on, "step": step, "institution_id": institution.id
        }  # fmt: skip
        is_written = insert_ignore(session, ExpiryStep, [row]) == 1
        registered_on = member.registered_at.astimezone(ZoneInfo(institution.zone)).date()
        if is_written and registered_on < member.expires_on - timedelta(days=step):
            events.emit_expiring(session, member.id, member.version, member.expires_on, step, context)
            count += 1
    return count
