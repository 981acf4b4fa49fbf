"""Daily jobs of members."""

from __future__ import annotations

import threading
from datetime import timedelta

from sqlalchemy import func, select

from chassis import clock
from chassis.service import Resources
from services.members.jobs import delete_old_rows
from services.members.service import SERVICE
from services.members.tables import Link
from tests.services.members.conftest import TEST, Office


def test_links_are_deleted_a_month_after_their_end(office: Office) -> None:
    office.staff("budi", "desk")
    resources = Resources(settings=office.settings, database=office.database, service=SERVICE)

    def links_after(days: int) -> int | None:
        with clock.frozen(clock.now() + timedelta(days=days)):
            delete_old_rows(resources, threading.Event())
        with office.database.reading(TEST) as session:
            return session.scalar(select(func.count()).select_from(Link))

    count = links_after(0)
    assert count
    assert links_after(30) == count
    assert links_after(32) == 0
