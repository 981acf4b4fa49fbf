"""The rules of lending: one pure function for each reason of a refusal.

Moments are aware UTC; days are in the zone of the branch of the act.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from chassis.errors import Refusal
from chassis.sentences import LocalText, sentence
from services.circulation.policies import PolicyRow

CLOCK_TOLERANCE = timedelta(minutes=2)
LONGEST_PAPER = timedelta(days=7)
REPETITION = timedelta(seconds=60)

# Reason of a member's block -> name of its sentence.
BLOCK_REASONS = {
    "lost_item": "BLOCK_LOST_ITEM",
    "damaged_item": "BLOCK_DAMAGED_ITEM",
    "unpaid": "BLOCK_UNPAID",
    "conduct": "BLOCK_CONDUCT",
    "wrong_data": "BLOCK_WRONG_DATA",
}


@dataclass(frozen=True, slots=True)
class OpenLoan:
    """An open loan of a borrower."""

    due_at: datetime
    collection: str


@dataclass(frozen=True, slots=True)
class BorrowerInputs:
    """The inputs that decide about a borrower, for every item.

    blocks          (reason, last day or None)
    suspended_until the last day of current and following suspensions; None without one
    """

    expires_on: date | None
    blocks: tuple[tuple[str, date | None], ...]
    suspended_until: date | None
    loans: tuple[OpenLoan, ...]


@dataclass(frozen=True, slots=True)
class ItemInputs:
    """The inputs that decide about an item. state: "in", "on_loan" or "transit"."""

    status: str
    state: str
    is_gone: bool
    collection: str
    due_on: date | None = None
    transit_to: str = ""


@dataclass(frozen=True, slots=True)
class LoanInputs:
    """The inputs that decide about a loan.

    now         when the act is recorded
    at          when the act happened: `now`, or an earlier moment that was recorded on paper
    today       the day of `at`
    newest_act  when the newest act was recorded
    row         the policy row that decides; None when no row matches
    returned_at only for an act on paper: the last return of the item
    """

    now: datetime
    at: datetime
    today: date
    newest_act: datetime | None
    borrower: BorrowerInputs
    item: ItemInputs
    row: PolicyRow | None
    returned_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RenewalInputs:
    """The inputs that decide about a renewal.

    due_at      due moment of the loan
    new_due_at  due moment after the renewal
    """

    now: datetime
    today: date
    newest_act: datetime | None
    borrower: BorrowerInputs
    row: PolicyRow | None
    collection: str
    renewals: int
    due_at: datetime
    due_on: date
    new_due_at: datetime | None
    is_ended: bool


def refuse_when_clock_is_behind(inputs: LoanInputs | RenewalInputs) -> Refusal | None:
    """A computer whose clock is behind its recorded acts would make loans in the past."""
    return clock_behind(now=inputs.now, newest_act=inputs.newest_act)


def clock_behind(*, now: datetime, newest_act: datetime | None) -> Refusal | None:
    if newest_act is not None and now < newest_act - CLOCK_TOLERANCE:
        return Refusal("CLOCK_BEHIND", now=_minute(now), newest_act=_minute(newest_act))
    return None


def refuse_when_expired(inputs: LoanInputs | RenewalInputs) -> Refusal | None:
    """A membership allows loans until its last day."""
    expires_on = inputs.borrower.expires_on
    if expires_on is not None and expires_on < inputs.today:
        return Refusal("MEMBER_EXPIRED", expires_on=expires_on)
    return None


def refuse_when_blocked(inputs: LoanInputs | RenewalInputs) -> Refusal | None:
    """Staff have blocked the member until a day, or until staff end the block."""
    blocks = [block for block in inputs.borrower.blocks if block[1] is None or block[1] >= inputs.today]
    if not blocks:
        return None
    codes = list(dict.fromkeys(reason for reason, _ in blocks))
    texts = [sentence(BLOCK_REASONS.get(code, "BLOCK_OTHER")) for code in codes]
    why = LocalText(", ".join(text.id for text in texts), ", ".join(text.en for text in texts))
    days = [day for _, day in blocks if day is not None]
    until = max(days) if len(days) == len(blocks) else None
    text = sentence("MEMBER_BLOCKED_UNTIL", why=why, until=until) if until else sentence("MEMBER_BLOCKED_OPEN", why=why)
    return Refusal.received("MEMBER_BLOCKED", {"reasons": codes, "until": until}, text)


def refuse_when_suspended(inputs: LoanInputs | RenewalInputs) -> Refusal | None:
    """A late return suspends the borrower for some days."""
    until = inputs.borrower.suspended_until
    return Refusal("MEMBER_SUSPENDED", until=until) if until is not None else None


def refuse_when_something_is_overdue(inputs: LoanInputs) -> Refusal | None:
    """A borrower with an overdue item may not borrow another one."""
    overdue = [loan for loan in inputs.borrower.loans if loan.due_at < inputs.at]
    return Refusal("HAS_OVERDUE", overdue=len(overdue)) if overdue else None


def refuse_when_limit_reached(inputs: LoanInputs) -> Refusal | None:
    """A member may have at most `loan_limit` open loans."""
    limit, loans = inputs.row.loan_limit if inputs.row else 0, len(inputs.borrower.loans)
    return Refusal("LOAN_LIMIT_REACHED", limit=limit, open=loans) if 0 < limit <= loans else None


def refuse_when_collection_limit_reached(inputs: LoanInputs) -> Refusal | None:
    """A member may have at most `collection_limit` open loans of a collection."""
    collection = inputs.item.collection
    limit = inputs.row.collection_limit if inputs.row else 0
    loans = sum(loan.collection == collection for loan in inputs.borrower.loans)
    if 0 < limit <= loans:
        return Refusal("COLLECTION_LIMIT_REACHED", collection=collection, limit=limit, open=loans)
    return None


def refuse_when_on_loan(inputs: LoanInputs) -> Refusal | None:
    """An item has at most one open loan."""
    if inputs.item.state != "on_loan":
        return None
    return Refusal("ITEM_ON_LOAN", due_on=inputs.item.due_on or "-")


def refuse_when_out_on_paper(inputs: LoanInputs) -> Refusal | None:
    """An item that was returned after the moment of a loan on paper was on loan at that moment."""
    if inputs.returned_at is None or inputs.at >= inputs.returned_at:
        return None
    return Refusal("AT_BEFORE_RETURN", returned_at=_minute(inputs.returned_at))


def refuse_when_in_transit(inputs: LoanInputs) -> Refusal | None:
    """An item in transit to another branch can be lent only after it was scanned there."""
    return Refusal("ITEM_IN_TRANSIT", to=inputs.item.transit_to) if inputs.item.state == "transit" else None


def refuse_when_not_in_service(inputs: LoanInputs) -> Refusal | None:
    """The item is in process, in repair, missing, withdrawn or deleted in the catalogue."""
    if inputs.item.is_gone:
        return Refusal("ITEM_NOT_IN_SERVICE", status="gone")
    if inputs.item.status != "in_service":
        return Refusal("ITEM_NOT_IN_SERVICE", status=inputs.item.status)
    return None


def refuse_when_not_for_loan(inputs: LoanInputs | RenewalInputs) -> Refusal | None:
    """Under the policies, this collection is not for loan to this category at this branch."""
    collection = inputs.item.collection if isinstance(inputs, LoanInputs) else inputs.collection
    if inputs.row is not None and inputs.row.is_for_loan:
        return None
    refusal = Refusal("ITEM_NOT_FOR_LOAN", collection=collection)
    text = inputs.row.not_for_loan_sentence if inputs.row is not None else None
    if text is not None and (text.id or text.en):
        return Refusal.received(refusal.reason, refusal.facts, LocalText(text.id or text.en, text.en or text.id))
    return refusal


def refuse_when_ended(inputs: RenewalInputs) -> Refusal | None:
    """A loan that has ended cannot be renewed."""
    return Refusal("LOAN_ENDED") if inputs.is_ended else None


def refuse_when_renewals_are_used_up(inputs: RenewalInputs) -> Refusal | None:
    """The policy limits the number of renewals of a loan."""
    limit = inputs.row.renewals if inputs.row else 0
    return Refusal("RENEWALS_USED_UP", limit=limit) if inputs.renewals >= limit else None


def refuse_when_overdue(inputs: RenewalInputs) -> Refusal | None:
    """Some policies allow renewals only before the due moment."""
    if inputs.row is None or inputs.row.renew_when_overdue or inputs.due_at >= inputs.now:
        return None
    return Refusal("RENEWAL_OVERDUE", due_on=inputs.due_on)


def refuse_when_nothing_is_gained(inputs: RenewalInputs) -> Refusal | None:
    """A renewal must give a later due moment, in the future."""
    if inputs.new_due_at is None or inputs.new_due_at > max(inputs.due_at, inputs.now):
        return None
    return Refusal("RENEWAL_NOT_LATER", due_on=inputs.due_on)


_OF_BORROWERS = (refuse_when_expired, refuse_when_blocked, refuse_when_suspended)
OF_LOANS: tuple[Callable[[LoanInputs], Refusal | None], ...] = (
    refuse_when_clock_is_behind,
    *_OF_BORROWERS,
    refuse_when_something_is_overdue,
    refuse_when_limit_reached,
    refuse_when_collection_limit_reached,
    refuse_when_on_loan,
    refuse_when_out_on_paper,
    refuse_when_in_transit,
    refuse_when_not_in_service,
    refuse_when_not_for_loan,
)
OF_RENEWALS: tuple[Callable[[RenewalInputs], Refusal | None], ...] = (
    refuse_when_clock_is_behind,
    *_OF_BORROWERS,
    refuse_when_not_for_loan,
    refuse_when_renewals_are_used_up,
    refuse_when_overdue,
    refuse_when_nothing_is_gained,
)
OF_BORROWERS: tuple[Callable[[LoanInputs], Refusal | None], ...] = (
    *_OF_BORROWERS,
    refuse_when_something_is_overdue,
    refuse_when_limit_reached,
)


def refusals_of_loan(inputs: LoanInputs) -> list[Refusal]:
    """Return every refusal of a loan."""
    return [refusal for rule in OF_LOANS if (refusal := rule(inputs)) is not None]


def refusals_of_renewal(inputs: RenewalInputs) -> list[Refusal]:
    """Return every refusal of a renewal; for a loan that has ended only LOAN_ENDED."""
    ended = refuse_when_ended(inputs)
    if ended is not None:
        return [ended]
    return [refusal for rule in OF_RENEWALS if (refusal := rule(inputs)) is not None]


def without_consequences(refusals: Sequence[Refusal]) -> list[Refusal]:
    """Leave out RENEWAL_NOT_LATER beside RENEWAL_OVERDUE, which is its cause. It counts again when that is waived."""
    is_overdue = any(refusal.reason == "RENEWAL_OVERDUE" for refusal in refusals)
    return [refusal for refusal in refusals if not (is_overdue and refusal.reason == "RENEWAL_NOT_LATER")]


def refusals_of_borrower(inputs: LoanInputs) -> list[Refusal]:
    """Return the refusals that apply to a loan of any item."""
    return [refusal for rule in OF_BORROWERS if (refusal := rule(inputs)) is not None]


def split_waived(refusals: Iterable[Refusal], override: Collection[str]) -> tuple[list[Refusal], list[str]]:
    """Return the refusals that remain, and the reasons of those that were waived."""
    remaining, waived = [], []
    for refusal in refusals:
        if refusal.reason in override:
            waived.append(refusal.reason)
        else:
            remaining.append(refusal)
    return remaining, waived


def refuse_paper(*, at: datetime, now: datetime) -> Refusal | None:
    """An act on paper must be entered within seven days, and its moment must not be in the future."""
    if at > now:
        return Refusal("AT_IN_FUTURE", at=_minute(at))
    if at < now - LONGEST_PAPER:
        return Refusal("AT_TOO_OLD", at=_minute(at), days=LONGEST_PAPER.days)
    return None


def is_repetition(*, act_at: datetime | None, now: datetime) -> bool:
    """Return whether an act is so recent that the same scan is a repetition."""
    return act_at is not None and now - REPETITION < act_at <= now + CLOCK_TOLERANCE


@dataclass(frozen=True, slots=True)
class SuspensionDays:
    """Days without loans, both included."""

    begins_on: date
    ends_on: date
    days: int


def suspension_after(
    returned_on: date, days: int, earlier: Sequence[tuple[date, SuspensionDays]]
) -> tuple[SuspensionDays, int | None]:
    """Return the suspension of a late return.

    Of several late returns on one day only the longest counts. New days follow the last suspension, which may begin
    after the day of a return that was recorded on paper.

    days     calendar days, at least 1
    earlier  (day of the return, suspension) of the borrower, in order of last days
    returns  the suspension, and the index of the earlier one that it replaces
    """
    of_day = [index for index, (day, _) in enumerate(earlier) if day == returned_on]
    last = max((suspension.ends_on for _, suspension in earlier), default=None)
    if of_day:
        days -= sum(earlier[index][1].days for index in of_day)
        suspension = earlier[of_day[-1]][1]
        if days <= 0:
            return suspension, of_day[-1]
        if suspension.ends_on == last:
            return _days(suspension.begins_on, suspension.days + days), of_day[-1]
    begins_on = returned_on if last is None else max(returned_on, last + timedelta(days=1))
    return _days(begins_on, days), None


def _days(begins_on: date, days: int) -> SuspensionDays:
    return SuspensionDays(begins_on, begins_on + timedelta(days=days - 1), days)


def _minute(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
