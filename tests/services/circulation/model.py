"""A small model of lending: what a desk may expect, written without the code that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

SUNDAY = 6
DAY = timedelta(days=1)


@dataclass
class Branch:
    """A branch; one that keeps Sundays is closed on them."""

    zone: str
    institution: str
    keeps_sundays: bool
    period: int
    limit: int
    cap: int

    def day(self, now: datetime) -> date:
        return now.astimezone(ZoneInfo(self.zone)).date()

    def is_open(self, day: date) -> bool:
        return not (self.keeps_sundays and day.weekday() == SUNDAY)

    def due(self, first: date) -> date:
        while not self.is_open(first):
            first += DAY
        return first

    def late(self, due: date, until: date) -> int:
        return sum(self.is_open(due + DAY * number) for number in range(1, (until - due).days + 1))


@dataclass
class Loan:
    member: str
    branch: Branch
    due: date
    renewals: int = 0

    def is_overdue(self, now: datetime) -> bool:
        return self.branch.day(now) > self.due


@dataclass
class Item:
    home: str
    collection: str
    status: str = "in_service"
    state: str = "in"
    loan: Loan | None = None


@dataclass
class Member:
    institution: str
    is_expired: bool = False
    suspensions: dict[date, tuple[date, int]] = field(default_factory=dict)  # day of the return -> (first day, days)

    def suspended_until(self) -> date | None:
        return max((first + DAY * (days - 1) for first, days in self.suspensions.values()), default=None)

    def suspend(self, returned: date, days: int) -> None:
        last = self.suspended_until()
        first = returned if last is None else max(returned, last + DAY)
        first, before = self.suspensions.get(returned, (first, 0))
        self.suspensions[returned] = (first, max(before, days))


def refusals(member: Member, loans: list[Loan], item: Item, branch: Branch, now: datetime) -> set[str]:
    """The reasons against a loan; `loans` are the open ones of the member."""
    until = member.suspended_until()
    reasons = {
        "MEMBER_EXPIRED": member.is_expired,
        "MEMBER_SUSPENDED": until is not None and until >= branch.day(now),
        "HAS_OVERDUE": any(loan.is_overdue(now) for loan in loans),
        "LOAN_LIMIT_REACHED": len(loans) >= branch.limit,
        "ITEM_ON_LOAN": item.state == "on_loan",
        "ITEM_IN_TRANSIT": item.state == "transit",
        "ITEM_NOT_IN_SERVICE": item.status != "in_service",
        "ITEM_NOT_FOR_LOAN": item.collection == "reference",
    }
    return {reason for reason, refuses in reasons.items() if refuses}
