"""The branches of an institution by code, for imports, and a record's holdings by branch as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis.branches import full_code, own_branch_code
from chassis.context import Context
from chassis.database.sql import in_parts, insert_ignore
from chassis.errors import Invalid
from chassis.ids import new_id
from chassis.sentences import LocalText
from services.catalog.institutions.events import change_institutions
from services.catalog.record.holdings import ItemFacts, holdings
from services.catalog.tables import Branch, Institution


@dataclass(slots=True)
class BranchIndex:
    """An institution's branches by code; open_branches adds unknown codes."""

    institution_id: UUID
    institution: str
    zone: str
    branches: dict[str, tuple[UUID, LocalText]] = field(default_factory=dict)


def resolve_branches(branch_index: BranchIndex, items: Sequence[ItemFacts]) -> list[ItemFacts]:
    """Assign items without a branch to the branch with the institution's code."""
    return [facts if facts.branch else facts._replace(branch=branch_index.institution) for facts in items]


def open_branches(
    session: Session, branch_index: BranchIndex, items: Iterable[ItemFacts], *, context: Context
) -> list[str]:
    """Create an unconfirmed branch for each unknown code. Returns the new codes.

    emits  InstitutionsChanged, when there are new branches
    """
    codes = sorted({facts.branch for facts in items} - set(branch_index.branches))
    if not codes:
        return []
    rows = [
        {
            "id": new_id(), "institution_id": branch_index.institution_id, "code": code,
            "name_id": code, "name_en": code, "kind": "", "npp": "", "isil": "",
            "zone": branch_index.zone, "confirmed": False,
        }
        for code in codes
    ]  # fmt: skip
    # Another import or a load of institutions may create the same branch at the same time.
    insert_ignore(session, Branch, rows, key=("institution_id", "code"))
    columns = select(Branch.code, Branch.id, Branch.name_id, Branch.name_en)
    for chunk in in_parts(codes):
        result = session.execute(
            columns.where(Branch.institution_id == branch_index.institution_id, Branch.code.in_(chunk))
        )
        branch_index.branches |= {row.code: (row.id, LocalText(row.name_id, row.name_en)) for row in result}
    opened = [str(row["code"]) for row in rows if branch_index.branches[str(row["code"])][0] == row["id"]]
    if opened:
        change_institutions(session, [branch_index.institution_id], context=context)
    return opened


def holdings_of(branch_index: BranchIndex, items: Sequence[ItemFacts]) -> bytes:
    """Return a record's holdings as JSON. Call open_branches with the items first."""
    if not items:
        return b"[]"
    names = {(branch_index.institution, code): (name.id, name.en) for code, (_, name) in branch_index.branches.items()}
    return orjson.dumps(holdings(items, names, institution=branch_index.institution))


def find_branch(session: Session, code: str, institution_id: UUID) -> UUID:
    """Return the id of a branch of an institution.

    code    full code, or the code within the institution
    raises  Invalid  BRANCH_UNKNOWN
    """
    branch = own_branch_code(code)
    query = select(Branch.id, Institution.code).join(Institution, Institution.id == Branch.institution_id)
    row = session.execute(query.where(Institution.id == institution_id, Branch.code == branch)).first()
    if row is None or code not in (branch, full_code(row.code, branch)):
        raise Invalid("BRANCH_UNKNOWN", given=code[:100])
    branch_id: UUID = row.id
    return branch_id
