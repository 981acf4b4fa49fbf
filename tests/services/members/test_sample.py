"""The sample library has twenty made-up members, and loading them again changes nothing."""

from __future__ import annotations

from dataclasses import replace

from chassis.operations import resync
from chassis.service import Resources
from services.members.sample import load
from services.members.service import SERVICE
from tests.services.members.conftest import Office


def test_twenty_members_come_once(office: Office) -> None:
    # The institutions are there; the catalogue, which has them too, is not in this test.
    resources = Resources(settings=office.settings, database=office.database, service=replace(SERVICE, projections=()))
    assert resync.refill(resources) == {}
    assert load(resources) == {"members": 20}
    assert load(resources) == {"members": 0}
