"""Copies of the catalogue's institutions and branches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from chassis.errors import NotFound
from chassis.institutions import InstitutionCopies
from chassis.sentences import LocalText
from services.circulation.tables import Branch, Institution

_copies = InstitutionCopies(Institution, Branch)
is_empty, copy_institutions = _copies.is_empty, _copies.copy


def branch_of(session: Session, institution_id: UUID, code: str) -> Branch:
    """Return a branch of an institution by its code.

    raises  NotFound  BRANCH_UNKNOWN
    """
    query = select(Branch).where(Branch.institution_id == institution_id, Branch.code == code)
    branch = session.scalars(query).first()
    if branch is None:
        raise NotFound("BRANCH_UNKNOWN", given=code[:64])
    return branch


@dataclass(frozen=True, slots=True)
class BranchFacts:
    """A branch of an institution."""

    id: UUID
    code: str
    name: LocalText
    zone: str


class Branches:
    """The branches of an institution, by code and by id."""

    def __init__(self, branches: Iterable[BranchFacts]) -> None:
        self.all = sorted(branches, key=lambda branch: branch.code)
        self._by_id = {branch.id: branch for branch in self.all}
        self._by_code = {branch.code: branch for branch in self.all}

    def by_code(self, code: str) -> BranchFacts:
        """Return the branch with this code.

        raises  NotFound  BRANCH_UNKNOWN
        """
        try:
            return self._by_code[code]
        except KeyError:
            raise NotFound("BRANCH_UNKNOWN", given=code[:64]) from None

    def by_id(self, branch_id: UUID | None) -> BranchFacts | None:
        return self._by_id.get(branch_id) if branch_id is not None else None

    def code_of(self, branch_id: UUID | None) -> str:
        """Return the code of a branch; "" without one."""
        branch = self.by_id(branch_id)
        return branch.code if branch is not None else ""


_VERSION = select(Institution.version).where(Institution.id == bindparam("institution_id"))
# For each engine: institution -> (version, branches), as read last.
_cached_branches: WeakKeyDictionary[Any, dict[UUID, tuple[int, Branches]]] = WeakKeyDictionary()


def branches_of(session: Session, institution_id: UUID) -> Branches:
    """Return the branches of an institution; they are read again when its version has changed."""
    return branches_at(session, institution_id, session.scalar(_VERSION, {"institution_id": institution_id}) or 0)


def branches_at(session: Session, institution_id: UUID, version: int) -> Branches:
    """Return the branches of an institution whose version was read in the same transaction."""
    cached = _cached_branches.setdefault(session.get_bind(), {})
    if institution_id in cached and cached[institution_id][0] == version:
        return cached[institution_id][1]
    rows = session.scalars(select(Branch).where(Branch.institution_id == institution_id))
    branches = Branches(BranchFacts(row.id, row.code, LocalText(row.name_id, row.name_en), row.zone) for row in rows)
    cached[institution_id] = (version, branches)
    return branches
