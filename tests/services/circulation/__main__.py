"""`python -m tests.services.circulation STEPS`: any order of acts against the model, on SQLite; `make soak` runs it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from chassis.operations.testing import migrated_database
from services.circulation.service import SERVICE
from tests.services.circulation.library import Library
from tests.services.circulation.test_machine import run

STEPS_OF_AN_EXAMPLE, STEPS_OF_A_DATABASE = 50, 5_000

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
for done in range(0, steps, STEPS_OF_A_DATABASE):
    count = min(STEPS_OF_A_DATABASE, steps - done)
    with (
        tempfile.TemporaryDirectory() as folder,
        migrated_database(SERVICE, f"sqlite:///{folder}/circulation.db") as database,
    ):
        run(Library(database, Path(folder)), examples=count // STEPS_OF_AN_EXAMPLE, steps=STEPS_OF_AN_EXAMPLE)
    print(f"{done + count} steps of lending: as the model expects", flush=True)
