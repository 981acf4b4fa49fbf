"""A process that receives SIGTERM ends, also when a part of it hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

HANGING = """
import logging, signal, threading
from concurrent.futures import ThreadPoolExecutor
from chassis.http.supervisor import end_within
logging.basicConfig(format="%(message)s %(threads)s")
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: (end_within(0.5), stop.set()))
ThreadPoolExecutor(1, thread_name_prefix="hanging").submit(threading.Event().wait)
print("ready", flush=True)
stop.wait()
"""


def test_a_thread_that_hangs_does_not_keep_its_process() -> None:
    # The interpreter waits for the threads of an executor before it ends.
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - start < 10
    assert (process.returncode, errors) == (1, "stop_forced ['hanging_0']\n")
