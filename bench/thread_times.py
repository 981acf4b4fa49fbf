"""CPU time of processes by thread, under the names that Python gives its threads."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

NAMES = Path(__file__).with_name("thread_names")


class Thread(NamedTuple):
    """A thread: its process, its number in the kernel, and its name after the command of its process."""

    pid: int
    number: int
    name: str


def naming_threads() -> dict[str, str]:
    """Return the environment of processes whose threads have their names in /proc, of at most 15 characters."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, (str(NAMES), os.environ.get("PYTHONPATH", ""))))}


def read(pids: Sequence[int], *, command: str = "") -> Counter[Thread]:
    """Return the seconds of CPU time of each thread of these processes and their descendants.

    command  that of the parent process, for processes without one
    """
    seconds: Counter[Thread] = Counter()
    for pid in pids:
        role = _role(pid) or command
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # a thread that ends
                name = (task / "comm").read_text().strip().rstrip("0123456789_")
                thread = Thread(pid, int(task.name), f"{role} {name}".strip())
                seconds[thread] = int((task / "schedstat").read_text().split()[0]) / 1e9
                seconds += read([int(child) for child in (task / "children").read_text().split()], command=role)
    return seconds


def _role(pid: int) -> str:
    """Return the command of a process of the cluster, such as "serve catalog"; "" in the embedded edition."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().strip("\0").split("\0")
    place = next((place for place, word in enumerate(words) if word.endswith("/rangkiang")), len(words))
    if "chassis.bus.nameko" in words:  # what `work` becomes
        return " ".join(("work", *words[words.index("chassis.bus.nameko") + 1 :]))
    return " ".join(words[place + 1 :])


def report(before: Counter[Thread], after: Counter[Thread], count: int, *, unit: str = "pair") -> None:
    """Print the CPU time of the threads for each unit of work, the most first; those of equal names are added.

    A thread is counted under its last name. The time of threads that have ended is not in the list.
    """
    start = {(thread.pid, thread.number): seconds for thread, seconds in before.items()}
    names: Counter[str] = Counter()
    for thread, seconds in after.items():
        names[thread.name] += seconds - start.get((thread.pid, thread.number), 0.0)
    parts = [f"{name} {seconds / count * 1e3:.2f}" for name, seconds in names.most_common() if seconds > 0.01]
    print(f"ms of CPU time a {unit} by thread: {', '.join(parts)}", flush=True)
