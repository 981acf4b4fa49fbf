"""Checks of `rangkiang doctor` for members."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from chassis import clock
from chassis.context import system
from chassis.operations.health import NOTHING_TO_DO, Finding
from chassis.security.encryption import read_master_key
from chassis.sentences import sentence
from chassis.service import Resources
from services.members import tables
from services.members.settings import MembersSettings

DOCTOR = system("doctor")
# Warn this long before a request is due, while there is time to answer it.
REQUEST_NEAR = timedelta(hours=24)
PAPER_AFTER = timedelta(days=2)  # the same time as for the first backup


def master_key(resources: Resources) -> list[Finding]:
    """Check that the master key exists, belongs to this database, and has a copy on paper.

    A missing copy is reported from the start, and is an error after two days.

    raises  Invalid  MASTER_KEY_UNREADABLE, MASTER_KEY_EXPOSED
    """
    with resources.database.reading(DOCTOR) as session:
        stored = session.scalars(select(tables.MasterKey)).first()
    if stored is None:
        return []
    path = resources.settings.of(MembersSettings).master_key
    master = read_master_key(path)
    if master is None:
        message, advice = sentence("MASTER_KEY_MISSING", file=str(path)), NOTHING_TO_DO
    elif master.fingerprint != stored.fingerprint:
        message, advice = sentence("MASTER_KEY_OTHER", file=str(path)), NOTHING_TO_DO
    elif stored.printed_at is None:
        well = clock.now() - stored.made_at <= PAPER_AFTER
        message, advice = sentence("CHECK_MASTER_KEY_NO_PAPER"), sentence("CHECK_MASTER_KEY_NO_PAPER_ADVICE")
        return [Finding("members master key", well, message, advice)]
    else:
        return [Finding("members master key", True, sentence("CHECK_MASTER_KEY", file=str(path)), NOTHING_TO_DO)]
    return [Finding("members master key", False, message, advice)]


def administrators(resources: Resources) -> list[Finding]:
    """Check that an open account can manage staff, if there are accounts."""
    account, role = tables.Account, tables.AccountRole
    with resources.database.reading(DOCTOR) as session:
        accounts = session.scalar(select(func.count()).select_from(account).where(account.closed_at.is_(None))) or 0
        able = session.scalar(
            select(func.count())
            .select_from(account)
            .join(role, role.account_id == account.id)
            .where(account.closed_at.is_(None), account.password_hash != "", role.role == "administrator")
        )
    part = "members administrators"
    if able:
        return [Finding(part, True, sentence("CHECK_ADMINISTRATORS", count=able))]
    if not accounts:
        return [Finding(part, True, sentence("CHECK_ACCOUNTS_NONE"), sentence("CHECK_ACCOUNTS_NONE_ADVICE"))]
    return [Finding(part, False, sentence("CHECK_ADMINISTRATORS_NONE"), sentence("CHECK_ADMINISTRATORS_NONE_ADVICE"))]


def data_requests(resources: Resources) -> list[Finding]:
    """Check that no data request of a member is overdue or due within a day."""
    request, now = tables.DataRequest, clock.now()
    with resources.database.reading(DOCTOR) as session:
        due = session.scalars(select(request.due_at).where(request.outcome == "").order_by(request.due_at)).all()
    part, late = "members data requests", sum(moment < now for moment in due)
    near = sum(moment < now + REQUEST_NEAR for moment in due)
    if not near:
        return [Finding(part, True, sentence("CHECK_DATA_REQUESTS", count=len(due)), NOTHING_TO_DO)]
    first = f"{due[0]:%Y-%m-%d %H:%M} UTC"
    message = sentence("CHECK_DATA_REQUESTS_DUE", late=late, near=near - late, first=first)
    return [Finding(part, False, message, sentence("CHECK_DATA_REQUESTS_ADVICE"))]
