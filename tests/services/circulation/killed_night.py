"""One night of reminders in a process that is killed in its second transaction, or right after its first.

python -m tests.services.circulation.killed_night URL MOMENT inside|after
"""

from __future__ import annotations

import sys
import threading
from datetime import datetime

from sqlalchemy import event
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.db import Database
from services.circulation.loans import reminders
from services.circulation.service import SERVICE
from services.circulation.settings import CirculationSettings
from tests.commits import after_commit
from tests.example_services.kill_points import kill_process


def main(url: str, moment: str, where: str) -> None:
    database = Database(url, protected_tables=SERVICE.protected_tables)
    reminders.LOANS_IN_A_TURN = 3
    if where == "after":
        after_commit(database, kill_process)
    else:
        after_commit(database, lambda: event.listen(Session, "before_commit", lambda _session: kill_process()))
    with clock.frozen(datetime.fromisoformat(moment)):
        reminders.remind(database, CirculationSettings().steps, threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
