"""`make soak`: random kills on both editions, as many as KILLS says, the way SOAK_SEED says."""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.soaking import EDITIONS, soak

RECORDS = 5_000


def main() -> int:
    kills = int(os.environ.get("KILLS") or 200)
    seed = int(os.environ.get("SOAK_SEED") or random.randrange(1_000_000))
    editions = (os.environ.get("EDITIONS") or ",".join(EDITIONS)).split(",")
    print(f"make soak KILLS={kills} SOAK_SEED={seed}", flush=True)
    for at, edition in enumerate(editions):
        begun = time.monotonic()
        share = kills // len(editions) + (at < kills % len(editions))
        with tempfile.TemporaryDirectory() as folder, soak(edition, Path(folder), seed=seed, records=RECORDS) as one:
            one.run(share, tell=lambda line, edition=edition: print(f"{edition}: {line}", flush=True))
            told = ", ".join(f"{count} {name}" for name, count in sorted(one.killed.items()))
        print(
            f"{edition}: {share} kills in {time.monotonic() - begun:.0f} s ({told}); {one.rounds} imports of {RECORDS} "
            "records; nothing lost, nothing doubled, database and index agree",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
