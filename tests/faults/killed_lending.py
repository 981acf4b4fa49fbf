"""`up` whose worker kills itself once at a point that a file names, while desks lend.

python -m tests.faults.killed_lending         the supervisor, with one worker
python -m tests.faults.killed_lending HANDLE  the worker
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from chassis import outbox, up
from chassis.bus import local_delivery
from chassis.output import print_json
from chassis.settings import load
from chassis.supervisor import Supervisor
from services.circulation.rpc import loans

# Before and after the function of each point.
POINTS: dict[str, tuple[Any, str, str]] = {
    "act.before_commit": (loans, "write_check_out", "after"),
    "act.after_commit": (loans.LoanMethods, "CheckOut", "after"),
    "relay.before_mark": (outbox, "_mark", "before"),
    "handler.after_commit": (local_delivery.Batch, "handle", "after"),
}


def point_file() -> Path:
    """The file with the name of the point; a worker that dies there deletes it first."""
    return load().data / "kill-at"


def arm(point: str, file: Path) -> None:
    """Kill this process at the point while the file names it."""
    owner, name, moment = POINTS[point]
    function: Callable[..., Any] = getattr(owner, name)

    def kill() -> None:
        if file.exists() and file.read_text() == point:
            file.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    @wraps(function)
    def armed(*args: Any, **kwargs: Any) -> Any:
        if moment == "before":
            kill()
        answer = function(*args, **kwargs)
        if moment == "after":
            kill()
        return answer

    setattr(owner, name, armed)


def supervise() -> int:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    supervisor = Supervisor(
        listener,
        module="tests.faults.killed_lending",
        workers=1,
        connections_per_address=100,
        ready=lambda: print_json({"address": address}),
        refused=print_json,
    )
    return supervisor.run()


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(supervise())
    for point in POINTS:
        arm(point, point_file())
    up.worker(int(sys.argv[1]))
