"""Reports: sums of the daily counts as ISO 2789 defines them, and the effect of other rules on past loans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.branches import full_code
from chassis.errors import Invalid
from services.circulation.institutions import branches_of
from services.circulation.policies import PolicyRow, row_for
from services.circulation.tables import DailyCount, RefusalCount

LONGEST_DAYS = 3 * 366
PREVIEW_DAYS = 90

_COLUMNS = {
    "branch": DailyCount.branch,
    "collection": DailyCount.collection,
    "class": DailyCount.ddc_class,
    "category": DailyCount.category,
    "month": DailyCount.date,
    "age_band": DailyCount.age_band,
    "sex": DailyCount.sex,
    "audience": DailyCount.audience,
    "language": DailyCount.language,
    "region": DailyCount.region,
    "channel": DailyCount.channel,
}
# Refusals are counted only by day and branch.
_REFUSAL_COLUMNS = {"branch": RefusalCount.branch, "month": RefusalCount.date}
_KINDS = {"loan": "loans", "renewal": "renewals", "return": "returns", "in_library_use": "in_library_uses"}


@dataclass(slots=True)
class LendingCount:
    """Counts of one value of a column; `refusals` only by branch and by month."""

    value: str
    loans: int = 0
    renewals: int = 0
    returns: int = 0
    in_library_uses: int = 0
    refusals: int = 0


@dataclass(slots=True)
class PolicyPreview:
    """Numbers of past loans, and of those that new rules would refuse, or make longer or shorter."""

    loans: int = 0
    refused: int = 0
    longer: int = 0
    shorter: int = 0


def count_lending(session: Session, institution_id: UUID, *, first: str, last: str, by: str) -> list[LendingCount]:
    """Sum the acts of a period by a column, in order of its values.

    A class is counted under its main class, such as 813 under 800; a library's own class, such as 2X4.1, under itself.
    The value of a branch is its full code.

    first, last  ISO 8601, both included
    raises  Invalid  REPORT_COLUMN_UNKNOWN, REPORT_DAYS_INVALID
    """
    column = _COLUMNS.get(by)
    if column is None:
        raise Invalid("REPORT_COLUMN_UNKNOWN", field="by", given=by[:40], known=[*_COLUMNS])
    days = _span(first, last)
    counts: dict[str, LendingCount] = defaultdict(lambda: LendingCount(""))
    value_of = _VALUES.get(by, str)
    if by == "branch":
        value_of = partial(full_code, branches_of(session, institution_id).institution)
    counted = (
        select(column, DailyCount.kind, func.count())
        .where(DailyCount.institution_id == institution_id, DailyCount.date.between(*days))
        .group_by(column, DailyCount.kind)
    )
    for value, kind, count in session.execute(counted):
        name = _KINDS.get(kind)
        if name is not None:
            row = counts[value_of(value)]
            setattr(row, name, getattr(row, name) + count)
    refused_by = _REFUSAL_COLUMNS.get(by)
    if refused_by is not None:
        refusals = (
            select(refused_by, func.sum(RefusalCount.count))
            .where(RefusalCount.institution_id == institution_id, RefusalCount.date.between(*days))
            .group_by(refused_by)
        )
        for value, count in session.execute(refusals):
            counts[value_of(value)].refusals += int(count)
    for value, row in counts.items():
        row.value = value
    return [counts[value] for value in sorted(counts)]


def preview_policies(
    session: Session, institution_id: UUID, *, before: Sequence[PolicyRow], after: Sequence[PolicyRow]
) -> PolicyPreview:
    """Compare rules that are not saved yet with those in force, for the loans of the last 90 days.

    The daily counts have category, collection and branch of each loan, but no person.
    """
    since = clock.now().date() - timedelta(days=PREVIEW_DAYS)
    places = (DailyCount.category, DailyCount.collection, DailyCount.branch)
    query = (
        select(*places, func.count())
        .where(DailyCount.institution_id == institution_id, DailyCount.date >= since, DailyCount.kind == "loan")
        .group_by(*places)
    )
    preview = PolicyPreview()
    for category, collection, branch, count in session.execute(query):
        preview.loans += count
        old = row_for(before, category=category, collection=collection, branch=branch)
        new = row_for(after, category=category, collection=collection, branch=branch)
        if new is None or not new.is_for_loan:
            preview.refused += count
        elif old is not None and old.is_for_loan:
            preview.longer += count if _hours(new) > _hours(old) else 0
            preview.shorter += count if _hours(new) < _hours(old) else 0
    return preview


def _hours(row: PolicyRow) -> int:
    return row.period * (24 if row.unit == "day" else 1)


def _span(first: str, last: str) -> tuple[date, date]:
    try:
        days = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise Invalid("REPORT_DAYS_INVALID", first=first[:20], last=last[:20], limit=LONGEST_DAYS) from None
    if not 0 <= (days[1] - days[0]).days < LONGEST_DAYS:
        raise Invalid("REPORT_DAYS_INVALID", first=first, last=last, limit=LONGEST_DAYS)
    return days


def _main_class(ddc_class: str) -> str:
    return (
        f"{ddc_class[0]}00" if ddc_class[:3].isdecimal() and ddc_class.isascii() and len(ddc_class) >= 3 else ddc_class
    )


_VALUES: dict[str, Callable[..., str]] = {"class": _main_class, "month": lambda day: day.isoformat()[:7]}
