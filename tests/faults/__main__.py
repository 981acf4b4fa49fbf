"""`make soak`: an index rebuilt under readers for a minute, then random kills, on both editions.

As many kills as KILLS says, the way SOAK_SEED says; no rebuilding with REBUILD_SECONDS=0.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.rebuilding import opened, rebuild_under_readers
from tests.faults.soaking import EDITIONS, soak

RECORDS = 5_000


def main() -> int:
    kills = int(os.environ.get("KILLS") or 200)
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(1_000_000))
    seconds = float(os.environ.get("REBUILD_SECONDS") or 60)
    editions = (os.environ.get("EDITIONS") or ",".join(EDITIONS)).split(",")
    print(f"make soak KILLS={kills} SOAK_SEED={seed}", flush=True)
    os.environ["RATE_LIMIT"] = "0"
    for edition in editions if seconds else ():
        with tempfile.TemporaryDirectory() as folder, opened(edition, Path(folder)) as library:
            loop = rebuild_under_readers(library, seconds=seconds)
        print(f"{edition}: {loop}", flush=True)
        assert (loop.failed, loop.wrong) == (0, 0)
    for at, edition in enumerate(editions):
        start = time.monotonic()
        share = kills // len(editions) + (at < kills % len(editions))
        with tempfile.TemporaryDirectory() as folder, soak(edition, Path(folder), seed=seed, records=RECORDS) as one:
            one.run(share, tell=lambda line, edition=edition: print(f"{edition}: {line}", flush=True))
            told = ", ".join(f"{count} {name}" for name, count in sorted(one.killed.items()))
        print(
            f"{edition}: {share} kills in {time.monotonic() - start:.0f} s ({told}); {one.rounds} imports of {RECORDS} "
            "records; nothing lost, nothing doubled, database and index agree",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
