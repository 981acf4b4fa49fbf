"""Opening hours of the fake catalogue's branches, in the circulation of `tests.fakes.running`."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID, uuid5

import httpx
from sqlalchemy import select

from chassis.context import Context, system
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy
from rangkiang.common.v1.text_pb2 import LocalText
from services.circulation.calendars_store import calendar_of, save_calendar
from services.circulation.institutions import copy_institutions
from services.circulation.tables import Branch
from tests.fakes.books import BRANCHES, INSTITUTIONS
from tests.fakes.running import running

_SPACE = UUID("0192f3a4-0000-7000-8000-0000000000c0")
_OFFICE = [["08:00", "16:00"]]
WEEK = {
    **dict.fromkeys(("mon", "tue", "wed", "thu"), _OFFICE),
    "fri": [["08:00", "11:30"], ["13:30", "16:30"]],
    "sat": [["09:00", "13:00"]],
}
_TEST = system("test")


def add_hours(**documents: dict[str, Any]) -> None:
    """Give the branches of the fake catalogue calendars; the others than PUSAT and KAMPUS have none.

    documents  calendars by the code of the branch, in the place of the usual one
    """
    calendars = {"PUSAT": {"weekly": WEEK}, "KAMPUS": {"weekly": WEEK}, **documents}
    copies = [
        InstitutionCopy(
            id=str(uuid5(_SPACE, institution)),
            code=institution,
            version=1,
            kind="public",
            zone="Asia/Jakarta",
            name=LocalText(id=names[0], en=names[1]),
            branches=[
                BranchCopy(id=str(uuid5(_SPACE, f"{owner}/{code}")), code=code, zone="Asia/Jakarta")
                for owner, code in BRANCHES
                if owner == institution
            ],
        )
        for institution, names in INSTITUTIONS.items()
    ]
    with running["circulation"].database.transaction(_TEST) as session:
        copy_institutions(session, copies)
        for branch in session.scalars(select(Branch)):
            if branch.code in calendars:
                caller = Context(institution=str(branch.institution_id), actor="test")
                version = calendar_of(session, branch.id).version
                save_calendar(session, branch, version=version, document=calendars[branch.code], context=caller)


def wait_for_hours(address: str) -> None:
    """Wait until a gateway knows the hours; a page waits for them for a moment only."""
    until = time.monotonic() + 10
    with httpx.Client(base_url=address, headers={"Accept": "text/html"}, verify=False) as http:
        while 'class="now"' not in http.get("/branches/KOTASOLOK/PUSAT").text:
            assert time.monotonic() < until, "no hours"
            time.sleep(0.1)
