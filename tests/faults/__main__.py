"""`make soak`: rebuild an index while clients search for a minute, then kill processes at random, on both editions.

KILLS is the number of kills, SOAK_SEED their random seed; REBUILD_SECONDS=0 skips the rebuilds.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.random_kills import EDITIONS, soak
from tests.faults.rebuild_loop import open_library, rebuild_under_readers

RECORDS = 5_000


def main() -> int:
    kills = int(os.environ.get("KILLS") or 200)
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(1_000_000))
    seconds = float(os.environ.get("REBUILD_SECONDS") or 60)
    editions = (os.environ.get("EDITIONS") or ",".join(EDITIONS)).split(",")
    print(f"make soak KILLS={kills} SOAK_SEED={seed}", flush=True)
    os.environ["RATE_LIMIT"] = "0"
    for edition in editions if seconds else ():
        with tempfile.TemporaryDirectory() as folder, open_library(edition, Path(folder)) as library:
            loop = rebuild_under_readers(library, seconds=seconds)
        print(f"{edition}: {loop}", flush=True)
        assert (loop.failures, loop.differences) == (0, 0)
    for at, edition in enumerate(editions):
        start = time.monotonic()
        share = kills // len(editions) + (at < kills % len(editions))
        with (
            tempfile.TemporaryDirectory() as folder,
            soak(edition, Path(folder), seed=seed, records=RECORDS) as run,
        ):
            run.run(share, report=lambda line, edition=edition: print(f"{edition}: {line}", flush=True))
            kill_counts = ", ".join(f"{count} {name}" for name, count in sorted(run.killed.items()))
        print(
            f"{edition}: {share} kills in {time.monotonic() - start:.0f} s ({kill_counts}); "
            f"{run.rounds} imports of {RECORDS} records; no record lost or duplicated, database and index agree",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
