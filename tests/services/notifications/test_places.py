"""The branch where an item is returned, its opening hours and its contact, from catalogue and circulation."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from chassis.errors import Unavailable
from chassis.settings import Settings
from rangkiang.catalog.v1 import catalog_pb2
from rangkiang.circulation.v1 import rules_pb2
from services.notifications.rpc import places
from services.notifications.rpc.places import BranchPlaces

OWN, PUSAT, TIMUR = UUID(int=1), UUID(int=2), UUID(int=3)
MONDAY = date(2026, 11, 23)


class Owners:
    """Catalogue and circulation; `down` ones do not answer."""

    def __init__(self) -> None:
        self.calls = 0
        self.down = False

    def _answer(self, reply: Any) -> Any:
        self.calls += 1
        if self.down:
            raise Unavailable("SERVICE_UNAVAILABLE", service="catalog")
        return reply

    def ListInstitutions(self, _request: Any, timeout: float) -> Any:
        contact = catalog_pb2.Contact(phone="+62751123456", address="Jl. Utama 1")
        own = catalog_pb2.Institution(id=str(OWN), code="PKS", contact=contact)
        return self._answer(catalog_pb2.ListInstitutionsReply(institutions=[own]))

    def ListBranches(self, _request: Any, timeout: float) -> Any:
        pusat = catalog_pb2.Contact(address="Jl. Contoh 5\nLantai 2", kelurahan="Kelurahan Contoh")
        branches = [
            catalog_pb2.Branch(id=str(PUSAT), contact=pusat),
            catalog_pb2.Branch(id=str(TIMUR), contact=catalog_pb2.Contact(phone="+62755765432")),
        ]
        return self._answer(catalog_pb2.ListBranchesReply(branches=branches))

    def ListOpeningHours(self, _request: Any, timeout: float) -> Any:
        hours = [rules_pb2.Interval(opens="08:00", closes="16:00")]
        days = [
            rules_pb2.OpeningDay(date=(MONDAY + timedelta(days=n)).isoformat(), hours=hours if n % 7 < 5 else [])
            for n in range(14)
        ]
        # A holiday on the first Wednesday: Wednesdays are open.
        days[2] = rules_pb2.OpeningDay(date=days[2].date, is_closed=True, why="Libur")
        pusat = rules_pb2.OpeningHours(branch_id=str(PUSAT), has_hours=True, days=days)
        return self._answer(rules_pb2.ListOpeningHoursReply(branches=[pusat]))


@pytest.fixture
def owners(monkeypatch: pytest.MonkeyPatch) -> Owners:
    owners = Owners()
    monkeypatch.setattr(places, "CatalogStub", lambda _channel: owners)
    monkeypatch.setattr(places, "CirculationStub", lambda _channel: owners)
    return owners


def test_a_branch_has_address_hours_and_a_number_as_people_dial_it(owners: Owners) -> None:
    branch = BranchPlaces(Settings()).describe(OWN, PUSAT, "id")
    assert branch == {
        "branch_address": "Jl. Contoh 5, Lantai 2, Kelurahan Contoh",
        "opening_hours": "Senin–Jumat 08.00–16.00",
        "phone": "(0751) 123456",
    }


def test_unknown_values_are_left_out(owners: Owners) -> None:
    directory = BranchPlaces(Settings())
    assert directory.describe(OWN, TIMUR, "en") == {"phone": "(0755) 765432"}
    assert directory.describe(OWN, None, "en") == {"branch_address": "Jl. Utama 1", "phone": "(0751) 123456"}
    assert directory.describe(UUID(int=9), PUSAT, "en") == {}


def test_owners_are_asked_once_in_a_quarter_of_an_hour_also_when_they_do_not_answer(owners: Owners) -> None:
    directory = BranchPlaces(Settings())
    for _ in range(5):
        directory.describe(OWN, PUSAT, "id")
    assert owners.calls == 3
    owners.down, owners.calls, directory = True, 0, BranchPlaces(Settings())
    assert [directory.describe(OWN, PUSAT, "id") for _ in range(5)] == [{}] * 5
    assert directory.describe(UUID(int=9), None, "id") == {}, "nor for another institution"
    assert owners.calls == 1
