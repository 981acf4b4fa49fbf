"""Copies of the catalogue's institutions and branches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from chassis.branches import full_code, split_branch
from chassis.errors import NotFound
from chassis.institutions import InstitutionCopies
from chassis.sentences import LocalText
from services.circulation.tables import Branch, Institution

_copies = InstitutionCopies(Institution, Branch)
is_empty, copy_institutions = _copies.is_empty, _copies.copy


def branch_of(session: Session, institution_id: UUID, code: str) -> Branch:
    """Return a branch of an institution by its full code.

    raises  NotFound  BRANCH_UNKNOWN
    """
    return session.get_one(Branch, branches_of(session, institution_id).by_full_code(code).id)


@dataclass(frozen=True, slots=True)
class BranchFacts:
    """A branch of an institution. institution: its code."""

    id: UUID
    institution: str
    code: str
    name: LocalText
    zone: str

    @property
    def full_code(self) -> str:
        return full_code(self.institution, self.code)


class Branches:
    """The branches of an institution, by full code and by id. institution: its code."""

    def __init__(self, institution: str, branches: Iterable[BranchFacts]) -> None:
        self.institution = institution
        self.all = sorted(branches, key=lambda branch: branch.code)
        self._by_id = {branch.id: branch for branch in self.all}
        # By code alone for a gateway of release 0.5.0: see own_branch_code.
        self._by_full_code = {text: branch for branch in self.all for text in (branch.code, branch.full_code)}

    def by_full_code(self, code: str) -> BranchFacts:
        """Return the branch with this full code.

        raises  NotFound  BRANCH_UNKNOWN
        """
        try:
            return self._by_full_code[code]
        except KeyError:
            raise NotFound("BRANCH_UNKNOWN", given=code[:100]) from None

    def by_id(self, branch_id: UUID | None) -> BranchFacts | None:
        return self._by_id.get(branch_id) if branch_id is not None else None

    def full_code_of(self, branch_id: UUID | None) -> str:
        """Return the full code of a branch; "" without one."""
        branch = self.by_id(branch_id)
        return branch.full_code if branch is not None else ""

    def own_code(self, code: str) -> str:
        """Return the code in this institution of a full code; "" for "", and any other text unchanged."""
        codes = split_branch(code)
        return codes[1] if codes is not None and codes[0] == self.institution else code


_VERSION = select(Institution.version).where(Institution.id == bindparam("institution_id"))
_BRANCHES = (
    select(Institution.code.label("institution"), Branch.id, Branch.code, Branch.name_id, Branch.name_en, Branch.zone)
    .outerjoin(Branch, Branch.institution_id == Institution.id)
    .where(Institution.id == bindparam("institution_id"))
)
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
    rows = session.execute(_BRANCHES, {"institution_id": institution_id}).all()
    branches = Branches(
        rows[0].institution if rows else "",
        (
            BranchFacts(row.id, row.institution, row.code, LocalText(row.name_id, row.name_en), row.zone)
            for row in rows
            if row.id is not None
        ),
    )
    cached[institution_id] = (version, branches)
    return branches
