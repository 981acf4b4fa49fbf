"""Policies: the rules of lending, as rows of member category, collection and lending branch.

A row has a category, a collection and a branch; an empty one means any. The most specific row decides: rows with a
category come before rows without one, then rows with a collection, then rows with a branch. A value that a row leaves
empty comes from the next wider row of the loan that has it: "children: 2 books" is one row, and dictionaries stay in
the library for children too, because the row of the reference collection says so.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from chassis.errors import Invalid, Refusal
from chassis.sentences import LocalText

MOST_ROWS = 500
MOST_CODE_CHARACTERS = 64
MOST_SENTENCE_CHARACTERS = 300
NO_SENTENCE = LocalText("", "")

# The longest loan in each unit.
_LONGEST = {"day": 366, "hour": 168}
_RENEW_FROM = ("due", "today")
# Values that mean something only together: a row has all of them, or inherits all.
_TOGETHER = (("unit", "period"), ("fine_per_day", "fine_cap", "suspension_cap"))
# The highest value of each number; the lowest is 0. Amounts are in the unit of the currency in use.
_HIGHEST = {
    "renewals": 99,
    "loan_limit": 1_000,
    "collection_limit": 1_000,
    "grace_days": 365,
    "suspension_cap": 365,
    "hold_limit": 1_000,
    "shelf_days": 365,
    "fine_per_day": 10_000_000,
    "fine_cap": 1_000_000_000,
    "lost_after_days": 3_650,
}
_SEEDS = {"academic": "academic.toml", "university": "academic.toml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """One row of lending rules.

    category, collection, branch   codes; "" for any
    unit, period                   a loan lasts `period` times "day" or "hour"; so does a renewal
    renew_from                     "due" or "today": the day from which a renewal counts
    loan_limit, collection_limit   most open loans, in total and of this collection; 0: no limit
    not_for_loan_sentence          the sentence when items are not for loan
    grace_days                     overdue open days without a suspension or a fine
    suspension_cap                 most calendar days of a suspension; 0: no suspension
    last_due_on                    loans are due on this day at the latest
    holds_allowed … lost_after_days  for holds and fees; 0 for none
    inherits                       names of the values that the row leaves to wider rows; until `row_for` has put them
                                   together for a loan, they are those of the next row that covers all its loans
    """

    category: str = ""
    collection: str = ""
    branch: str = ""
    unit: str = "day"
    period: int = 7
    renewals: int = 1
    renew_from: str = "due"
    renew_when_overdue: bool = False
    loan_limit: int = 3
    collection_limit: int = 0
    is_for_loan: bool = True
    not_for_loan_sentence: LocalText = NO_SENTENCE
    grace_days: int = 0
    suspension_cap: int = 0
    last_due_on: date | None = None
    holds_allowed: bool = True
    hold_limit: int = 2
    shelf_days: int = 3
    fine_per_day: int = 0
    fine_cap: int = 0
    lost_after_days: int = 60
    inherits: frozenset[str] = frozenset()

    @property
    def place(self) -> tuple[str, str, str]:
        """Category, collection and branch; a set has each of these combinations once."""
        return self.category, self.collection, self.branch


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The lending rules of an institution. Version 0 has the default rules of its kind, which nobody has saved.

    default_category  category of readers who are not signed in
    categories        only of default rules: the categories of members in institutions of this kind
    """

    version: int
    rows: tuple[PolicyRow, ...]
    default_category: str
    categories: tuple[str, ...] = ()


PLACE = ("category", "collection", "branch")
NAMES = frozenset(field.name for field in fields(PolicyRow)) - {"inherits"}


def row_for(rows: Iterable[PolicyRow], *, category: str, collection: str, branch: str) -> PolicyRow | None:
    """Return the most specific row for a loan, with every value; None when no row matches.

    branch  code of the lending branch
    """
    place = (category, collection, branch)
    matching = [row for row in rows if _covers(row, place)]
    if not matching:
        return None
    best = max(matching, key=_rank)
    if not best.inherits:
        return best
    wider = sorted(matching, key=_rank, reverse=True)[1:]
    return replace(best, **_inherited(best.inherits, wider), inherits=frozenset())


def judge(
    rows: Sequence[PolicyRow],
    *,
    categories: Iterable[str] = (),
    collections: Iterable[str] = (),
    branches: Iterable[str] = (),
    default_category: str = "",
) -> None:
    """Check a set of rows.

    categories, collections, branches  known codes; empty: any code is valid
    default_category                   category of readers who are not signed in; "" for any
    raises  Invalid  with every fault of the set; `field` is row and value, such as rows[2].period
            POLICY_TOO_MANY_ROWS, POLICY_GAP, POLICY_TWICE, POLICY_VALUE_INVALID, POLICY_CODE_UNKNOWN,
            POLICY_FINE_AND_SUSPENSION, POLICY_NOT_FOR_LOAN_HIDDEN
    """
    if len(rows) > MOST_ROWS:
        raise Invalid("POLICY_TOO_MANY_ROWS", field="rows", rows=len(rows), limit=MOST_ROWS)
    faults: list[Refusal] = []
    codes_by_column = {"category": set(categories), "collection": set(collections), "branch": set(branches)}
    if default_category:
        faults += _unknown("default_category", default_category, codes_by_column["category"])
    if all(any(row.place) for row in rows):
        faults.append(Refusal("POLICY_GAP", field="rows"))
    first_at: dict[tuple[str, str, str], int] = {}
    for number, row in enumerate(rows):
        name = f"rows[{number}]"
        first = first_at.setdefault(row.place, number)
        if first != number:
            faults.append(Refusal("POLICY_TWICE", field=name, row=number + 1, first=first + 1))
        for column, codes in codes_by_column.items():
            faults += _unknown(f"{name}.{column}", getattr(row, column), codes)
        faults += _nonsense(name, row)
    if not faults:
        faults += _hidden(rows)
    if faults:
        raise Invalid(refusals=faults)


def read_rows(documents: Sequence[Mapping[str, Any]]) -> tuple[PolicyRow, ...]:
    """Read rows from JSON or TOML. An absent value is inherited; if no wider row has it, it has its default.

    raises  Invalid  POLICY_VALUE_INVALID  a value has a wrong type, or its name is unknown
    """
    faults: list[Refusal] = []
    rows: list[PolicyRow] = []
    for number, document in enumerate(documents):
        values: dict[str, Any] = {}
        for name, value in document.items():
            try:
                values[name] = _value(name, value)
            except (TypeError, ValueError):
                faults.append(_invalid(f"rows[{number}].{name}", value))
        if not faults:
            rows.append(PolicyRow(**values, inherits=_absent(values)))
    if faults:
        raise Invalid(refusals=faults)
    ranked = sorted(rows, key=_rank, reverse=True)
    return tuple(_with_inherited(row, ranked) for row in rows)


def write_rows(rows: Iterable[PolicyRow]) -> list[dict[str, Any]]:
    """Return rows as JSON values for `read_rows`, without the values that they inherit."""
    documents: list[dict[str, Any]] = []
    for row in rows:
        document = {name: value for name, value in asdict(row).items() if name in NAMES - row.inherits}
        if document.get("last_due_on"):
            document["last_due_on"] = document["last_due_on"].isoformat()
        documents.append(document)
    return documents


@cache
def seed_of(kind: str) -> PolicySet:
    """Return the default rules of a kind of institution."""
    path = Path(__file__).parent / _SEEDS.get(kind, "public.toml")
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return PolicySet(
        version=0,
        rows=read_rows(document["rows"]),
        default_category=document["default_category"],
        categories=tuple(document["categories"]),
    )


def read_here_only(policies: PolicySet) -> list[tuple[str, str, bool]]:
    """Return (collection, branch code, read here only) of the default category, for the catalogue.

    The list has each pair of codes in rows of the category or of any category; "" for any. Of the pairs that match a
    collection and a branch, one with a collection decides before others, then one with a branch.
    """
    places = {row.place[1:] for row in policies.rows if row.category in ("", policies.default_category)}
    places |= {(collection, branch) for collection, _ in places for _, branch in places}
    pairs: list[tuple[str, str, bool]] = []
    for collection, branch in sorted(places):
        row = row_for(policies.rows, category=policies.default_category, collection=collection, branch=branch)
        if row is not None:
            pairs.append((collection, branch, not row.is_for_loan))
    return pairs


def _rank(row: PolicyRow) -> tuple[bool, bool, bool]:
    return bool(row.category), bool(row.collection), bool(row.branch)


def _covers(row: PolicyRow, place: tuple[str, str, str]) -> bool:
    """Tell whether a row is for a loan, or for all loans of another row's place."""
    return all(not own or own == code for own, code in zip(row.place, place, strict=True))


def _absent(values: Mapping[str, Any]) -> frozenset[str]:
    """Return the names that a row inherits: those without a value, but not one of several that belong together.

    The row that is for any loan has no wider row, and inherits nothing.
    """
    if not any(values.get(name) for name in PLACE):
        return frozenset()
    absent = NAMES - set(PLACE) - values.keys()
    for names in _TOGETHER:
        if not absent.issuperset(names):
            absent -= set(names)
    return absent


def _with_inherited(row: PolicyRow, ranked: Sequence[PolicyRow]) -> PolicyRow:
    """Return a row with the values of the next rows that cover all its loans.

    ranked  all rows, the most specific first
    """
    wider = [other for other in ranked if other.place != row.place and _covers(other, row.place)]
    return replace(row, **_inherited(row.inherits, wider))


def _inherited(names: Iterable[str], wider: Sequence[PolicyRow]) -> dict[str, Any]:
    """Return values that a row leaves empty: each from the first of the wider rows that has it, or its default."""
    return {
        name: next((getattr(row, name) for row in wider if name not in row.inherits), getattr(_DEFAULTS, name))
        for name in names
    }


def _unknown(field: str, code: str, codes: set[str]) -> list[Refusal]:
    if not code or code in codes:
        return []
    if len(code) > MOST_CODE_CHARACTERS:
        return [_invalid(field, code[:MOST_CODE_CHARACTERS])]
    if not codes:
        return []
    return [Refusal("POLICY_CODE_UNKNOWN", field=field, given=code, known=sorted(codes))]


def _nonsense(name: str, row: PolicyRow) -> list[Refusal]:
    """Return the faults of one row alone; those of inherited values belong to the rows that they come from."""
    faults: list[Refusal] = []
    if row.unit not in _LONGEST:
        faults.append(_invalid(f"{name}.unit", row.unit))
    elif row.is_for_loan and not 1 <= row.period <= _LONGEST[row.unit]:
        faults.append(_invalid(f"{name}.period", row.period))
    if row.renew_from not in _RENEW_FROM:
        faults.append(_invalid(f"{name}.renew_from", row.renew_from))
    for column, highest in _HIGHEST.items():
        if not 0 <= getattr(row, column) <= highest:
            faults.append(_invalid(f"{name}.{column}", getattr(row, column)))
    if 0 < row.loan_limit < row.collection_limit:
        faults.append(_invalid(f"{name}.collection_limit", row.collection_limit))
    if row.fine_cap and row.fine_cap < row.fine_per_day:
        faults.append(_invalid(f"{name}.fine_cap", row.fine_cap))
    if row.fine_per_day and row.suspension_cap:
        faults.append(Refusal("POLICY_FINE_AND_SUSPENSION", field=f"{name}.suspension_cap"))
    sentence = row.not_for_loan_sentence
    if max(len(sentence.id), len(sentence.en)) > MOST_SENTENCE_CHARACTERS:
        faults.append(_invalid(f"{name}.not_for_loan_sentence", f"{sentence.id[:40]}…"))
    inherited = {f"{name}.{column}" for column in row.inherits}
    return [fault for fault in faults if fault.facts["field"] not in inherited]


def _hidden(rows: Sequence[PolicyRow]) -> list[Refusal]:
    """Return a fault for each row without a collection that would lend a collection which is not for loan.

    For example, "lecturer: 10 books" is more specific than "reference: not for loan", so lecturers could borrow
    dictionaries. To allow this on purpose, add a row for lecturers and that collection.
    """
    closed = [(number, row) for number, row in enumerate(rows) if not row.is_for_loan and row.collection]
    faults: list[Refusal] = []
    for category in sorted({row.category for row in rows}):
        for number, row in closed:
            winner = row_for(rows, category=category, collection=row.collection, branch=row.branch)
            if winner is not None and winner.is_for_loan and not winner.collection:
                at = rows.index(winner)
                facts = {"field": f"rows[{at}]", "row": at + 1, "hidden": number + 1, "collection": row.collection}
                faults.append(Refusal("POLICY_NOT_FOR_LOAN_HIDDEN", **facts))
    return faults


def _invalid(field: str, value: object) -> Refusal:
    return Refusal("POLICY_VALUE_INVALID", field=field, given=value if isinstance(value, int) else str(value)[:80])


def _value(name: str, value: Any) -> Any:
    if name not in NAMES:
        raise ValueError(name)
    if name == "last_due_on":
        return date.fromisoformat(value) if isinstance(value, str) and value else value or None
    if name == "not_for_loan_sentence":
        return LocalText(**value)
    kind = type(getattr(_DEFAULTS, name))
    if type(value) is not kind:
        raise TypeError(name)
    return value


_DEFAULTS = PolicyRow()
