"""Copies of the catalogue's institutions and branches, in each service that keeps them: columns and writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, String, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, declared_attr, mapped_column

from chassis.database.sql import insert_for
from chassis.ids import parse_id


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
