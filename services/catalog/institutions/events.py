"""Copies of institutions and branches for other services, and the event of a change."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from chassis.bus.events import emit
from chassis.context import Context
from chassis.ids import new_id
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy, InstitutionsChanged
from rangkiang.common.v1.text_pb2 import LocalText as WireText
from services.catalog.tables import Branch, Institution


def change_institutions(session: Session, ids: Sequence[UUID], *, context: Context) -> None:
    """Give institutions a new version, after a change of them or of their branches.

    emits  InstitutionsChanged
    """
    if not ids:
        return
    changed = update(Institution).where(Institution.id.in_(ids)).values(version=Institution.version + 1)
    session.execute(changed.execution_options(synchronize_session=False))
    event = InstitutionsChanged(institutions=copies_of_institutions(session, ids))
    emit(session, event, aggregate_id=f"institutions:{new_id()}", version=1, context=context)


def copies_of_institutions(session: Session, ids: Sequence[UUID] | None = None) -> list[InstitutionCopy]:
    """Return copies of these institutions, or of all, each with its branches."""
    institutions = select(Institution).order_by(Institution.code)
    branches = select(Branch).order_by(Branch.code)
    if ids is not None:
        institutions, branches = (
            institutions.where(Institution.id.in_(ids)),
            branches.where(Branch.institution_id.in_(ids)),
        )
    by_institution: dict[UUID, list[BranchCopy]] = {}
    for branch in session.scalars(branches):
        copy = BranchCopy(
            id=str(branch.id), code=branch.code, name=WireText(id=branch.name_id, en=branch.name_en), zone=branch.zone
        )
        by_institution.setdefault(branch.institution_id, []).append(copy)
    populated = institutions.execution_options(populate_existing=True)
    return [_copy_of(row, by_institution.get(row.id, [])) for row in session.scalars(populated)]


def _copy_of(institution: Institution, branches: list[BranchCopy]) -> InstitutionCopy:
    return InstitutionCopy(
        id=str(institution.id),
        version=institution.version,
        code=institution.code,
        name=WireText(id=institution.name_id, en=institution.name_en),
        kind=institution.kind,
        zone=institution.zone,
        branches=branches,
    )
