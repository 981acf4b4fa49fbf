"""Words for lending rules: the places of rows by name, and the values of their cells, as the pages show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.requests import Request

from chassis.errors import Forbidden, TooLate, Unavailable
from gateway.clients import call, circulation
from gateway.web.desk.members import category_names
from gateway.web.hits import local_text
from gateway.web.texts import Wording, words_of
from rangkiang.circulation.v1 import loans_pb2, rules_pb2

COLLECTIONS = ("circulation", "children", "reference", "fiction", "local", "thesis", "serials", "audiovisual",
               "closed_stacks")  # fmt: skip
_ANY = {"category": "any_category", "collection": "any_collection", "branch": "any_branch"}


@dataclass(frozen=True, slots=True)
class PlaceNames:
    """Names of categories, collections and branches by their codes."""

    words: Wording
    by_column: dict[str, dict[str, str]]

    def add_unknown(self, column: str, codes: Iterable[str]) -> None:
        """Add codes that rows use and the lists do not have."""
        names = self.by_column[column]
        names |= {code: code for code in sorted(set(codes) - {"", *names})}

    def of_row(self, row: Mapping[str, str] | loans_pb2.PolicyRow) -> str:
        """Return the place of a row in words, such as "Children · All collections · All branches"."""
        codes = ((name, row[name] if isinstance(row, Mapping) else getattr(row, name)) for name in _ANY)
        return " · ".join(
            self.by_column[name].get(code, code) if code else self.words.say(f"policies.{_ANY[name]}")
            for name, code in codes
        )


async def place_names(request: Request) -> PlaceNames:
    """Return the names for the rules of the institution; without the members service, of its branches alone."""
    words = words_of(request)
    try:
        categories = await category_names(request)
    except (Unavailable, TooLate, Forbidden):
        categories = {}
    reply = await call(request, circulation(request).ListBranches, rules_pb2.ListBranchesRequest())
    branches = {branch.code: local_text(branch.name, words.language) or branch.code for branch in reply.branches}
    collections = dict(words.codes("collection", COLLECTIONS))
    return PlaceNames(words, {"category": categories, "collection": collections, "branch": branches})


def column_name(name: str, words: Wording) -> str:
    """Return the label of a column of the rules."""
    return words.say("policies.unit_label" if name == "unit" else f"policies.{name}")


def value_words(name: str, cell: str, words: Wording, *, unit: str) -> str:
    """Return a cell of a row in words; an empty one is inherited.

    unit  "day" or "hour", for the period
    """
    if not cell:
        return words.say("policies.as_wider")
    if name == "period":
        return f"{cell} {words.say(f'policies.unit.{unit}')}" if unit in ("day", "hour") else cell
    if cell in ("0", "1") and name in ("renew_when_overdue", "is_for_loan", "holds_allowed"):
        return words.say("policies.yes" if cell == "1" else "policies.no")
    if name == "unit":
        return words.say(f"policies.unit.{cell}")
    if name == "renew_from":
        return words.say("policies.from_today" if cell == "today" else "policies.from_due")
    if name == "last_due_on":
        return words.day(cell)
    return words.number(int(cell)) if cell.isdecimal() else cell
