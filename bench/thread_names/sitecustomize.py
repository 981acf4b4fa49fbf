"""Gives each thread of a process its Python name in /proc, where `bench.thread_times` reads its CPU time."""

import contextlib
import os
import threading
from time import sleep  # of the system also in processes where eventlet replaces `time.sleep`

_PAUSE_SECONDS = 0.5


def _name_threads() -> None:
    """Write the names of new threads; the pause is short enough for threads that run for a whole benchmark."""
    named = set()
    while True:
        for thread in threading.enumerate():
            number = getattr(thread, "native_id", None)  # eventlet's threads have none
            if number is not None and number not in named:
                named.add(number)
                with contextlib.suppress(OSError), open(f"/proc/self/task/{number}/comm", "w") as file:
                    file.write(thread.name)
        sleep(_PAUSE_SECONDS)


def _start() -> None:
    threading.Thread(target=_name_threads, name="names", daemon=True).start()


_start()
# A fork, such as a worker of `up`, has only the thread that forked.
os.register_at_fork(after_in_child=_start)
