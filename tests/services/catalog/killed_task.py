"""A process that runs tasks and kills itself before it stores the progress of the second batch.

python -m tests.services.catalog.killed_task DATABASE_URL
"""

from __future__ import annotations

import sys
import threading

from chassis.database.db import Database
from chassis.service import Resources
from chassis.settings import load
from services.catalog import jobs, tasks
from services.catalog.service import SERVICE
from tests.example_services.kill_points import kill_before


def main(url: str) -> None:
    kill_before(tasks.Progress, "save", call=2)
    resources = Resources(settings=load({}), database=Database(url), service=SERVICE)
    tasks.run_next(resources, jobs.TASKS.__getitem__, threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
