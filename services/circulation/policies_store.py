"""Stored policies of institutions, in every saved version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.errors import Outdated
from chassis.events import emit
from chassis.prepared import AnySession, Prepared, Statements
from chassis.sql import insert_for
from rangkiang.circulation.v1.events_pb2 import PoliciesChanged, ReadHere
from services.circulation.policies import PolicyRow, PolicySet, judge, read_here_only, read_rows, seed_of, write_rows
from services.circulation.tables import Borrower, Branch, Institution, PolicyVersion

_versions, _institutions = PolicyVersion.__table__, Institution.__table__
NEWEST_VERSION = select(func.max(_versions.c.version))
_NEWEST = Prepared(
    select(
        _institutions.c.kind,
        NEWEST_VERSION.where(_versions.c.institution_id == _institutions.c.id).scalar_subquery().label("version"),
    ).where(_institutions.c.id == bindparam("institution"))
)
_AT_VERSION = Prepared(
    select(_versions.c.version, _versions.c.default_category, _versions.c.rows.label("document")).where(
        _versions.c.institution_id == bindparam("institution"), _versions.c.version == bindparam("saved_version")
    )
)
# For each engine: institution -> rules of the newest version that was read. A transaction that saves rules may roll
# back, so only transactions of prepared statements, which never save rules, fill this cache.
_known: WeakKeyDictionary[Any, dict[UUID, PolicySet]] = WeakKeyDictionary()


def current_policies(session: AnySession, institution_id: UUID) -> PolicySet:
    """Return the rules in force: the latest saved ones, or the default rules of the institution's kind as version 0."""
    row = _NEWEST.first(session, {"institution": institution_id})
    return policies_at(session, institution_id, *((row.version, row.kind) if row is not None else (None, "")))


def policies_at(session: AnySession, institution_id: UUID, version: int | None, kind: str) -> PolicySet:
    """Return the rules of an institution. Its newest version (or None) and kind were read in the same transaction."""
    if version is None:
        return seed_of(kind)
    known = _known.setdefault(session.get_bind(), {}) if isinstance(session, Statements) else {}
    policies = known.get(institution_id)
    if policies is None or policies.version != version:
        row = _AT_VERSION.first(session, {"institution": institution_id, "saved_version": version})
        policies = known[institution_id] = PolicySet(version, _rows_of(row.document), row.default_category)
    return policies


def check_policies(
    session: Session, institution_id: UUID, *, version: int, rows: Sequence[PolicyRow], default_category: str
) -> PolicySet:
    """Check new rules and save nothing. Returns the rules in force.

    version           version of the rules that the caller has read
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
    branches = set(session.scalars(select(Branch.code).where(Branch.institution_id == institution_id)))
    judge(
        rows,
        categories=(categories | set(seed_of(kind).categories)) - {""},
        branches=branches,
        default_category=default_category,
    )
    return current


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
    if (tuple(rows), default_category) == (current.rows, current.default_category):
        return current
    saved = PolicySet(version=current.version + 1, rows=tuple(rows), default_category=default_category)
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
    fact = policies_fact(session, institution_id, saved)
    emit(session, fact, aggregate_id=institution_id, version=saved.version, context=context)
    return saved


def policies_fact(session: Session, institution_id: UUID, policies: PolicySet) -> PoliciesChanged:
    """Return the fact of rules for the catalogue; branches that are not known here are left out."""
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


def _changed(before: PolicySet, after: PolicySet) -> list[str]:
    """Return "category/collection/branch" of the rows that differ between two sets."""
    old = {row.place: row for row in before.rows}
    new = {row.place: row for row in after.rows}
    return sorted("/".join(place) for place in old.keys() | new.keys() if old.get(place) != new.get(place))


def _outdated(session: Session, institution_id: UUID, current: PolicySet, *, given: int) -> Outdated:
    versions = select(PolicyVersion).where(PolicyVersion.institution_id == institution_id)
    read = session.scalars(versions.where(PolicyVersion.version == given)).first()
    saved_at = session.scalar(
        select(PolicyVersion.saved_at).where(
            PolicyVersion.institution_id == institution_id, PolicyVersion.version == current.version
        )
    )
    before = PolicySet(given, _rows_of(read.rows), read.default_category) if read else PolicySet(given, (), "")
    return Outdated.at_version(
        current.version, given=given, changed=_changed(before, current)[:20], changed_at=saved_at or clock.now()
    )


@lru_cache(maxsize=64)
def _rows_of(text: str) -> tuple[PolicyRow, ...]:
    """Read rules. The cache key is the text, so cached rows always belong to their text."""
    return read_rows(json.loads(text))
