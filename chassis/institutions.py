"""Copies of the catalogue's institutions and branches, in each service that keeps them: columns and writes."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ForeignKey, String, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from chassis import clock
from chassis.context import system
from chassis.database.blobs import blobs
from chassis.database.sql import insert_for
from chassis.ids import moment_of, parse_id

if TYPE_CHECKING:
    from chassis.service import Resources

log = logging.getLogger(__name__)

# The code of a sandbox begins with this, and that of no other institution.
SANDBOX = "SANDBOX-"
_SANDBOX_CODE = re.compile(SANDBOX + "[0-9A-F]{6}")
# Every service deletes the sandboxes at this time, and members has revoked their clients an hour before: then no act of
# a client, and no event of one, comes after the deletion.
SANDBOXES_AT, SANDBOXES_ZONE = "03:00", "Asia/Jakarta"
_REVOKED_BEFORE = timedelta(hours=1)


class InstitutionColumns:
    """An institution, copied from the catalogue.

    version  version of the catalogue's row; an older event changes nothing
    """

    __tablename__ = "institutions"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int]
    code: Mapped[str] = mapped_column(String(32), unique=True)
    name_id: Mapped[str]
    name_en: Mapped[str]
    zone: Mapped[str] = mapped_column(String(64))


class BranchColumns:
    """A branch of an institution, copied with it."""

    __tablename__ = "branches"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    institution_id: Mapped[UUID] = mapped_column(ForeignKey("institutions.id"))
    code: Mapped[str] = mapped_column(String(64))
    name_id: Mapped[str]
    name_en: Mapped[str]
    zone: Mapped[str] = mapped_column(String(64))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:  # noqa: N805
        return (UniqueConstraint("institution_id", "code"),)


class InstitutionCopies:
    """Stores institutions in the tables of a service; `branch` is None in a service without branches."""

    def __init__(self, institution: type[Any], branch: type[Any] | None = None) -> None:
        self._institution, self._branch = institution, branch

    def is_empty(self, session: Session) -> bool:
        """Return whether no institution has been copied yet."""
        return session.scalar(select(self._institution.id).limit(1)) is None

    def copy(self, session: Session, copies: Iterable[Any]) -> int:
        """Store `InstitutionCopy` messages; the same or a newer version in the table stays. Returns their number.

        A branch that is no longer in a copy stays, because other rows refer to it.
        """
        count = 0
        for copy in copies:
            count += 1
            institution_id = parse_id(copy.id)
            values = {"version": copy.version, "code": copy.code, **_names(copy)}
            if hasattr(self._institution, "kind"):
                values["kind"] = copy.kind
            row = insert_for(session, self._institution).values(id=institution_id, **values)
            newer = self._institution.version < copy.version
            changed = row.on_conflict_do_update(index_elements=["id"], set_=values, where=newer)
            if session.execute(changed.returning(self._institution.id)).first() is None or self._branch is None:
                continue
            for branch in copy.branches:
                values = {"institution_id": institution_id, "code": branch.code, **_names(branch)}
                row = insert_for(session, self._branch).values(id=parse_id(branch.id), **values)
                session.execute(row.on_conflict_do_update(index_elements=["id"], set_=values))
        return count


def _names(place: Any) -> dict[str, Any]:
    return {"name_id": place.name.id, "name_en": place.name.en, "zone": place.zone}


def sandbox_end(institution_id: UUID) -> datetime:
    """Return when a sandbox is deleted, UTC: the first SANDBOXES_AT at least two hours after it was made."""
    zone = ZoneInfo(SANDBOXES_ZONE)
    earliest = (moment_of(institution_id) + timedelta(hours=2)).astimezone(zone)
    end = datetime.combine(earliest.date(), time.fromisoformat(SANDBOXES_AT), zone)
    return (end if end >= earliest else end + timedelta(days=1)).astimezone(clock.now().tzinfo)


def ended_sandboxes(session: Session, institutions: Any, *, before: timedelta = _REVOKED_BEFORE) -> list[UUID]:
    """Return the ids of the sandboxes that end within this time. institutions: the table's class or its columns.

    Only codes as sandboxes get them: an institution from before sandboxes existed may have a code that begins so.
    """
    query = select(institutions.id, institutions.code).where(institutions.code.startswith(SANDBOX, autoescape=True))
    sandboxes = [row_id for row_id, code in session.execute(query) if _SANDBOX_CODE.fullmatch(code)]
    return [row_id for row_id in sandboxes if sandbox_end(row_id) - before <= clock.now()]


def delete_sandboxes(resources: Resources, _stop: threading.Event) -> None:
    """Run the nightly job of a service with institutions: delete the ended sandboxes with all their rows.

    The rows of the chassis stay as long as those of other institutions: audit rows, and the names of events.
    """
    tables = resources.service.tables
    institutions = tables.tables["institutions"]
    context = system("sandboxes")
    with resources.database.reading(context) as session:
        ended = ended_sandboxes(session, institutions.c, before=timedelta())
    for institution_id in ended:
        with resources.database.transaction(context) as session:
            for table in (blobs, *reversed(tables.sorted_tables)):
                if "institution_id" in table.c:
                    session.execute(delete(table).where(table.c.institution_id == institution_id))
            session.execute(delete(institutions).where(institutions.c.id == institution_id))
        log.info("sandbox_deleted", extra={"institution": str(institution_id)})
