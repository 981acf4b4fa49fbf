"""Address, opening hours and phone number of a branch, from the catalogue and circulation."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from chassis.errors import Error, TooLate, Unavailable
from chassis.rpc.client import Stubs
from chassis.settings import Settings
from rangkiang.catalog.v1 import catalog_pb2
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub
from rangkiang.circulation.v1 import rules_pb2
from rangkiang.circulation.v1.circulation_pb2_grpc import CirculationStub
from services.notifications.templates.values import hours_in_words

log = logging.getLogger(__name__)

ASK_SECONDS = 3.0
# The time for which an answer is cached, and the time before a service that did not answer is called again.
KEPT_SECONDS, AGAIN_SECONDS = 900.0, 60.0
# Two weeks, because a holiday hides the usual hours of its weekday in one week.
_DAYS = 14


@dataclass(slots=True)
class _Institution:
    """Cached data of an institution and its branches; `until` is a time of the monotonic clock."""

    until: float = 0.0
    contact: catalog_pb2.Contact = field(default_factory=catalog_pb2.Contact)
    branches: dict[str, catalog_pb2.Contact] = field(default_factory=dict)
    hours: dict[str, Sequence[rules_pb2.OpeningDay]] = field(default_factory=dict)


class BranchPlaces:
    """Caches answers of other services for 15 minutes. Without an answer, notices are sent without these values."""

    def __init__(self, settings: Settings) -> None:
        self._stubs = Stubs(settings, caller="notifications")
        self._known: dict[UUID, _Institution] = {}
        self._away_until = 0.0

    def describe(self, institution_id: UUID, branch_id: UUID | None, language: str) -> Mapping[str, str]:
        """Return the known values of branch_address, opening_hours and phone.

        branch_id  None without a branch: the only branch of the institution, else the institution itself
        """
        cached = self._known.setdefault(institution_id, _Institution())
        # A service that does not answer is not called again for each institution, because all notices would wait.
        if time.monotonic() >= max(cached.until, self._away_until):
            self._ask(institution_id, cached)
        branch = str(branch_id) if branch_id else next(iter(cached.branches), "") if len(cached.branches) == 1 else ""
        contact = cached.branches.get(branch, cached.contact)
        facts = {
            "branch_address": ", ".join(filter(None, [*contact.address.split("\n"), contact.kelurahan])),
            "opening_hours": _in_words(cached.hours.get(branch, ()), language),
            "phone": _national(contact.phone or cached.contact.phone),
        }
        return {name: value for name, value in facts.items() if value}

    def _ask(self, institution_id: UUID, cached: _Institution) -> None:
        try:
            catalog = self._stubs.of("catalog", CatalogStub)
            listed = catalog.ListInstitutions(catalog_pb2.ListInstitutionsRequest(), timeout=ASK_SECONDS).institutions
            own = next((institution for institution in listed if institution.id == str(institution_id)), None)
            if own is not None:
                request = catalog_pb2.ListBranchesRequest(institution=own.code)
                branches = catalog.ListBranches(request, timeout=ASK_SECONDS).branches
                cached.contact = own.contact
                cached.branches = {branch.id: branch.contact for branch in branches}
                cached.hours = self._hours(own.code)
            cached.until = time.monotonic() + KEPT_SECONDS
        except Error as problem:
            log.info("place_without_answer", extra={"why": problem.reason})
            cached.until = time.monotonic() + AGAIN_SECONDS
            if isinstance(problem, (Unavailable, TooLate)):
                self._away_until = cached.until

    def _hours(self, institution: str) -> dict[str, Sequence[rules_pb2.OpeningDay]]:
        circulation = self._stubs.of("circulation", CirculationStub)
        message = rules_pb2.ListOpeningHoursRequest(institution=institution, days=_DAYS)
        hours: dict[str, Sequence[rules_pb2.OpeningDay]] = {}
        while True:
            reply = circulation.ListOpeningHours(message, timeout=ASK_SECONDS)
            hours |= {branch.branch_id: branch.days for branch in reply.branches if branch.has_hours}
            if not reply.cursor:
                return hours
            message.cursor = reply.cursor


def _in_words(days: Sequence[rules_pb2.OpeningDay], language: str) -> str:
    week: dict[int, tuple[tuple[str, str], ...]] = {}
    for day in days:
        if not day.is_closed:
            hours = tuple((interval.opens, interval.closes) for interval in day.hours)
            week.setdefault(date.fromisoformat(day.date).weekday(), hours)
    return hours_in_words(week, language)


def _national(phone: str) -> str:
    """Return a phone number in national format: `(0751) 123456`."""
    # A local import: its tables take 50 ms to load.
    import phonenumbers

    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return phone
    form = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(number, form.NATIONAL if number.country_code == 62 else form.INTERNATIONAL)
