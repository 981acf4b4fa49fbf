"""The sample library has twenty made-up members, and loading them again changes nothing."""

from __future__ import annotations

from dataclasses import replace

from chassis import resync
from chassis.service import Resources
from services.members.sample import load
from services.members.service import SERVICE
from tests.services.members.conftest import Office


def test_twenty_members_come_once(office: Office) -> None:
    # The institutions are there; the catalogue, which has them too, is not in this test.
    resources = Resources(settings=office.settings, database=office.database, service=replace(SERVICE, projections=()))
    assert resync.refill(resources) == {}
    counts = load(resources)
    assert (counts.read, counts.created, counts.put_aside, counts.warnings) == (20, 20, 0, 0)
    again = load(resources)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 20)
