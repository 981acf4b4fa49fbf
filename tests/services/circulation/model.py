"""A small model of lending: what a desk may expect, written without the code that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy

SUNDAY = 6
DAY = timedelta(days=1)
HOURS = (1, 7, 24, 24 * 2, 24 * 6, 24 * 8, 24 * 20)
# Hours before now of acts that were written on paper: None for an act of now, the last one too long ago.
PAPER = (None, None, None, None, 0, 3, 24, 24 * 3, 24 * 6 + 23, 24 * 7 + 1)
DAYS_LEFT = (-400, -1, 0, 3, 12, None)  # of a card, and of a block
WEEK = {day: [["08:00", "16:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat")}


@dataclass
class Branch:
    """A branch; one that keeps Sundays is closed on them."""

    zone: str
    institution: str
    keeps_sundays: bool
    period: int
    limit: int
    cap: int

    def day(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.zone)).date()

    def is_open(self, day: date) -> bool:
        return not (self.keeps_sundays and day.weekday() == SUNDAY)

    def due(self, first: date, *, lent: date, expires: date | None) -> date:
        """The first open day; past the last day of the card, the last open one before, if any since the loan."""
        last = expires if expires is not None and expires >= lent else date.max
        later = [first + DAY * number for number in range(3)]
        start = min(first, last)
        earlier = [start - DAY * number for number in range((start - lent).days + 1)]
        days = [*(day for day in later if day <= last), *earlier, *later]
        return next(day for day in days if self.is_open(day))

    def late(self, due: date, until: date) -> int:
        return sum(self.is_open(due + DAY * number) for number in range(1, (until - due).days + 1))


@dataclass
class Loan:
    member: str
    branch: Branch
    lent: datetime
    due: date
    id: str = ""
    renewals: int = 0

    def is_overdue(self, moment: datetime) -> bool:
        return self.branch.day(moment) > self.due


@dataclass
class Item:
    home: str
    collection: str
    status: str = "in_service"
    state: str = "in"
    goes_to: str = ""
    version: int = 0
    loan: Loan | None = None
    returned: datetime | None = None


@dataclass
class Member:
    """blocks: their last days, None for one that staff end; suspensions: (day of the return, first day, days)."""

    institution: str
    expires: date | None = None
    blocks: list[date | None] = field(default_factory=list)
    suspensions: list[tuple[date, date, int]] = field(default_factory=list)

    def suspended_until(self) -> date | None:
        return max((first + DAY * (days - 1) for _, first, days in self.suspensions), default=None)

    def suspend(self, returned: date, days: int) -> None:
        """Returns of one day count once, at the longest; what comes new follows the last suspension."""
        more = days - sum(counted for day, _, counted in self.suspensions if day == returned)
        if more > 0:
            last = self.suspended_until()
            self.suspensions.append((returned, returned if last is None else max(returned, last + DAY), more))

    def end_suspensions(self, today: date) -> bool:
        """End those that are in force or follow. Returns whether there was any."""
        before = len(self.suspensions)
        self.suspensions = [
            suspension for suspension in self.suspensions if suspension[1] + DAY * (suspension[2] - 1) < today
        ]
        return len(self.suspensions) < before

    def reasons(self, today: date) -> set[str]:
        """The reasons against loans and renewals of this member."""
        until = self.suspended_until()
        reasons = {
            "MEMBER_EXPIRED": self.expires is not None and self.expires < today,
            "MEMBER_BLOCKED": any(last is None or last >= today for last in self.blocks),
            "MEMBER_SUSPENDED": until is not None and until >= today,
        }
        return {reason for reason, refuses in reasons.items() if refuses}


@dataclass
class Merge:
    """A member that was merged into another one, and what went with it."""

    merged: str
    kept: str
    cards: list[str]
    blocks: list[date | None]


def refusals(member: Member, loans: list[Loan], item: Item, branch: Branch, moment: datetime) -> set[str]:
    """The reasons against a loan; `loans` are the open ones of the member."""
    reasons = {
        "HAS_OVERDUE": any(loan.is_overdue(moment) for loan in loans),
        "LOAN_LIMIT_REACHED": len(loans) >= branch.limit,
        "ITEM_ON_LOAN": item.state == "on_loan",
        "AT_BEFORE_RETURN": item.returned is not None and moment < item.returned,
        "ITEM_IN_TRANSIT": item.state == "transit",
        "ITEM_NOT_IN_SERVICE": item.status != "in_service",
        "ITEM_NOT_FOR_LOAN": item.collection == "reference",
    }
    return member.reasons(branch.day(moment)) | {reason for reason, refuses in reasons.items() if refuses}


def renewal_refusals(member: Member, loan: Loan, new_due: date, now: datetime) -> set[str]:
    """The reasons against a renewal that would be due on that day."""
    today = loan.branch.day(now)
    reasons = {
        "RENEWALS_USED_UP": loan.renewals >= 1,
        "RENEWAL_OVERDUE": loan.is_overdue(now),
        "RENEWAL_NOT_LATER": not loan.is_overdue(now) and (new_due <= loan.due or new_due < today),
    }
    return member.reasons(today) | {reason for reason, refuses in reasons.items() if refuses}


def institution_copy(ids: dict[str, UUID], branches: dict[str, Branch], name: str, kind: str) -> InstitutionCopy:
    """What the catalogue tells of an institution and its branches."""
    own = [
        BranchCopy(id=str(ids[code]), code=code, zone=branch.zone)
        for code, branch in branches.items()
        if branch.institution == name
    ]
    code = ids[name].hex[-20:]
    return InstitutionCopy(id=str(ids[name]), version=1, code=code, kind=kind, zone="Asia/Jakarta", branches=own)
