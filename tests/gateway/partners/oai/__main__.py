"""`python -m tests.gateway.partners.oai RECORDS`: harvests while others write, and while the server is killed."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from chassis.operations.testing import migrated_database
from services.catalog.service import SERVICE
from tests.faults.imports import embedded, write_records
from tests.gateway.partners.oai.busy import harvest_while_killed, harvest_while_writing
from tests.gateway.partners.oai.conftest import served

records = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
seed = random.randrange(1_000_000)
with (
    tempfile.TemporaryDirectory() as folder,
    migrated_database(SERVICE, f"sqlite:///{folder}/catalog.db") as database,
    served(database, Path(folder)) as repository,
):
    delivered, again, acts = harvest_while_writing(repository, records, seed=seed)
    print(
        f"harvest while others write (seed {seed}): {delivered} records, {again} of them again, {dict(acts)}",
        flush=True,
    )
with tempfile.TemporaryDirectory() as folder, embedded(Path(folder)) as store:
    path, _ = write_records(Path(folder), records)
    store.import_(path, seconds=900)
    identifiers, killed = harvest_while_killed(store, kills=10)
    assert len(identifiers) == len(set(identifiers)) == records
    print(f"harvest while the server was killed {killed} times: {len(identifiers)} records, each once", flush=True)
