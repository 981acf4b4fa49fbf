"""Gives each thread of a process its Python name in /proc, where `bench.thread_times` reads its CPU time."""

import contextlib
import threading
import time

_PAUSE_SECONDS = 0.5


def _name_threads() -> None:
    """Write the names of new threads; the pause is short enough for threads that run for a whole benchmark."""
    named = set()
    while True:
        for thread in threading.enumerate():
            if thread.native_id not in named:
                named.add(thread.native_id)
                with contextlib.suppress(OSError), open(f"/proc/self/task/{thread.native_id}/comm", "w") as file:
                    file.write(thread.name)
        time.sleep(_PAUSE_SECONDS)


threading.Thread(target=_name_threads, name="names", daemon=True).start()
