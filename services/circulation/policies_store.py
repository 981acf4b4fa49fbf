"""Stored policies of institutions, in every saved version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.branches import full_code
from chassis.bus.events import emit
from chassis.context import Context
from chassis.database.sql import insert_for
from chassis.errors import NotFound, Outdated
from rangkiang.circulation.v1.events_pb2 import PoliciesChanged, ReadHere
from services.circulation.institutions import branches_of
from services.circulation.policies import PolicyRow, PolicySet, judge, read_here_only, read_rows, seed_of, write_rows
from services.circulation.tables import Borrower, Branch, Institution, PolicyVersion

MOST_VERSIONS = 100
_CURRENT = (
    select(Institution.kind, PolicyVersion.version, PolicyVersion.rows, PolicyVersion.default_category)
    .outerjoin(PolicyVersion, PolicyVersion.institution_id == Institution.id)
    .where(Institution.id == bindparam("institution_id"))
    .order_by(PolicyVersion.version.desc())
    .limit(1)
)


def current_policies(session: Session, institution_id: UUID) -> PolicySet:
    """Return the rules in force: the latest saved ones, or the default rules of the institution's kind as version 0."""
    row = session.connection().execute(_CURRENT, {"institution_id": institution_id}).first()
    return policies_from_row(*row) if row is not None else seed_of("")


def saved_policies(session: Session, institution_id: UUID, version: int) -> PolicySet:
    """Return a saved version of the rules.

    raises  NotFound  POLICY_VERSION_NOT_FOUND
    """
    row = session.get(PolicyVersion, (institution_id, version))
    if row is None:
        raise NotFound("POLICY_VERSION_NOT_FOUND", version=version)
    return PolicySet(version, _rows_of(row.rows), row.default_category)


def policy_versions(session: Session, institution_id: UUID) -> Sequence[PolicyVersion]:
    """Return the saved versions of the rules, the newest first; at most MOST_VERSIONS."""
    versions = select(PolicyVersion).where(PolicyVersion.institution_id == institution_id)
    return session.scalars(versions.order_by(PolicyVersion.version.desc()).limit(MOST_VERSIONS)).all()


def policies_from_row(kind: str, version: int | None, rows: str, default_category: str) -> PolicySet:
    """Read rules from the columns of their newest version; without one they are the default rules of the kind."""
    return PolicySet(version, _rows_of(rows), default_category) if version is not None else seed_of(kind)


def check_policies(
    session: Session, institution_id: UUID, *, version: int, rows: Sequence[PolicyRow], default_category: str
) -> PolicySet:
    """Check new rules and save nothing. Returns the rules in force.

    version           version of the rules that the caller has read
    rows              with full codes of branches; stored rows have the codes in the institution
    default_category  category of readers who are not signed in
    raises  Outdated  VERSION_OUTDATED  another change was first
            Invalid   with every fault, see `policies.judge`
    """
    current = current_policies(session, institution_id)
    if version != current.version:
        raise _outdated(session, institution_id, current, given=version)
    kind = session.scalar(select(Institution.kind).where(Institution.id == institution_id)) or ""
    categories = set(
        session.scalars(select(Borrower.category).where(Borrower.institution_id == institution_id).distinct())
    )
    judge(
        rows,
        categories=(categories | set(seed_of(kind).categories)) - {""},
        branches=[branch.full_code for branch in branches_of(session, institution_id).all],
        default_category=default_category,
    )
    return current


def own_rows(session: Session, institution_id: UUID, rows: Sequence[PolicyRow]) -> tuple[PolicyRow, ...]:
    """Return rows with the codes of branches in the institution in place of full codes."""
    branches = branches_of(session, institution_id)
    return tuple(replace(row, branch=branches.own_code(row.branch)) for row in rows)


def save_policies(
    session: Session,
    institution_id: UUID,
    *,
    version: int,
    rows: Sequence[PolicyRow],
    default_category: str,
    context: Context,
) -> PolicySet:
    """Replace the rules of an institution. Equal rules change nothing.

    raises  like `check_policies`
    emits   PoliciesChanged
    """
    current = check_policies(session, institution_id, version=version, rows=rows, default_category=default_category)
    rows = own_rows(session, institution_id, rows)
    if (rows, default_category) == (current.rows, current.default_category):
        return current
    saved = PolicySet(version=current.version + 1, rows=rows, default_category=default_category)
    values = {
        "institution_id": institution_id,
        "version": saved.version,
        "default_category": default_category,
        "rows": json.dumps(write_rows(rows), ensure_ascii=False, separators=(",", ":")),
        "saved_by": context.actor,
        "saved_at": clock.now(),
    }
    insert = insert_for(session, PolicyVersion).values(values).on_conflict_do_nothing()
    if session.execute(insert.returning(PolicyVersion.version)).first() is None:
        raise _outdated(session, institution_id, current_policies(session, institution_id), given=version)
    facts = {"version": saved.version, "rows": len(rows), "changed": _changed(current, saved)}
    audit.record(session, context, "circulation.save_policies", kind="policies", object_id=institution_id, facts=facts)
    event = policies_event(session, institution_id, saved)
    emit(session, event, aggregate_id=institution_id, version=saved.version, context=context)
    return saved


def policies_event(session: Session, institution_id: UUID, policies: PolicySet) -> PoliciesChanged:
    """Return the event of rules for the catalogue; branches that are not known here are left out."""
    branches = select(Branch.code, Branch.id).where(Branch.institution_id == institution_id)
    ids = {code: str(branch_id) for code, branch_id in session.execute(branches)} | {"": ""}
    return PoliciesChanged(
        institution_id=str(institution_id),
        version=policies.version,
        read_here_only=[
            ReadHere(collection=collection, branch_id=ids[branch], is_read_here_only=is_read_here_only)
            for collection, branch, is_read_here_only in read_here_only(policies)
            if branch in ids
        ],
    )


def _changed(before: PolicySet, after: PolicySet, *, institution: str = "") -> list[str]:
    """Return "category/collection/branch" of the rows that differ between two sets.

    institution  its code, for full codes of branches; "" for the codes in the institution
    """
    old = {row.place: row for row in before.rows}
    new = {row.place: row for row in after.rows}
    changed = [place for place in old.keys() | new.keys() if old.get(place) != new.get(place)]
    return sorted(
        f"{category}/{collection}/{full_code(institution, branch) if institution else branch}"
        for category, collection, branch in changed
    )


def _outdated(session: Session, institution_id: UUID, current: PolicySet, *, given: int) -> Outdated:
    versions = select(PolicyVersion).where(PolicyVersion.institution_id == institution_id)
    read = session.scalars(versions.where(PolicyVersion.version == given)).first()
    saved_at = session.scalar(
        select(PolicyVersion.saved_at).where(
            PolicyVersion.institution_id == institution_id, PolicyVersion.version == current.version
        )
    )
    institution = branches_of(session, institution_id).institution
    before = PolicySet(given, _rows_of(read.rows), read.default_category) if read else PolicySet(given, (), "")
    return Outdated.at_version(
        current.version,
        given=given,
        changed=_changed(before, current, institution=institution)[:20],
        changed_at=saved_at or clock.now(),
    )


@lru_cache(maxsize=64)
def _rows_of(text: str) -> tuple[PolicyRow, ...]:
    """Read rules. The cache key is the text, so cached rows always belong to their text."""
    return read_rows(json.loads(text))
