"""How long acts wait for their turn on one SQLite file, beside a process of batches.

    python -m bench.writers [SECONDS]

Two processes of four threads write short transactions; a third one writes long ones without a pause: first as an act,
as all writers were, then as a batch.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text

from chassis.context import Context, system
from chassis.db import Database
from chassis.output import print_table

ACT, BATCH = Context(institution="SOLOK", actor="amak"), system("batch")
THREADS, PROCESSES = 4, 2
PAUSE_SECONDS = 0.005  # of a thread between two acts
BATCH_ROWS, BATCH_HOLD_SECONDS = 50, 0.003
ADD_ROW = text("INSERT INTO rows (word) VALUES (:word)")


def main(seconds: float) -> None:
    rows = []
    for name, kind in (("all writers alike", "act"), ("acts before batches", "batch")):
        with TemporaryDirectory(dir=Path.cwd()) as folder:
            url = f"sqlite:///{folder}/writers.db"
            with Database(url).transaction(BATCH) as session:
                session.execute(text("CREATE TABLE rows (id INTEGER PRIMARY KEY, word TEXT)"))
            acts = [start("acts", url, "act", seconds) for _ in range(PROCESSES)]
            batches = start("batches", url, kind, seconds)
            waits = sorted(wait for process in acts for wait in read(process))
            count = len(read(batches))
        figures = [statistics.median(waits), waits[int(0.95 * len(waits))], waits[-1]]
        milliseconds = [f"{1000 * figure:.1f}" for figure in figures]
        rows.append((name, f"{len(waits) / seconds:.0f}", *milliseconds, f"{count / seconds:.0f}"))
    print_table(("", "acts/s", "p50 ms", "p95 ms", "longest ms", "batches/s"), rows)


def start(role: str, url: str, kind: str, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.writers", role, url, kind, str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def read(process: subprocess.Popen[str]) -> list[float]:
    """Return the seconds of each of its transactions."""
    output, _ = process.communicate()
    return [float(word) for word in output.split()]


def write(role: str, url: str, kind: str, seconds: float) -> None:
    """Write in threads; print the seconds of each transaction."""
    database, context = Database(url), ACT if kind == "act" else BATCH
    end, waits = time.monotonic() + seconds, []
    rows, hold, pause = (1, 0.0, PAUSE_SECONDS) if role == "acts" else (BATCH_ROWS, BATCH_HOLD_SECONDS, 0.0)

    def run() -> None:
        while (began := time.monotonic()) < end:
            with database.transaction(context) as session:
                session.execute(ADD_ROW, [{"word": "buku"}] * rows)
                time.sleep(hold)
            waits.append(time.monotonic() - began)
            time.sleep(pause)

    threads = [threading.Thread(target=run) for _ in range(THREADS if role == "acts" else 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(*waits)


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in ("acts", "batches"):
        write(*sys.argv[1:4], float(sys.argv[4]))
    else:
        main(float(sys.argv[1]) if sys.argv[1:] else 10.0)
