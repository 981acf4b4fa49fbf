"""`up` whose worker kills itself once at a point that a file names, while desks lend; and an import that does so.

python -m tests.faults.killed_lending                     the supervisor, with one worker
python -m tests.faults.killed_lending import POINT NUMBER FILE …  `loans import`, killed when it is there for this time
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial, wraps
from itertools import count
from pathlib import Path
from typing import Any

from chassis.bus import local_delivery, outbox
from chassis.cli import commands, up
from chassis.http.supervisor import Supervisor
from chassis.output import print_json
from chassis.settings import load
from services.circulation import importing
from services.circulation.rpc import loans

# Before and after the function of each point.
POINTS: dict[str, tuple[Any, str, str]] = {
    "check_out.before_commit": (loans, "check_out", "after"),
    "check_out.after_commit": (loans.LoanMethods, "CheckOut", "after"),
    "renewal.before_commit": (loans, "renew_loan", "after"),
    "renewal.after_commit": (loans.LoanMethods, "RenewLoan", "after"),
    "check_in.before_commit": (loans, "check_in", "after"),
    "check_in.after_commit": (loans.LoanMethods, "CheckIn", "after"),
    "relay.before_mark": (outbox, "_mark", "before"),
    "handler.after_commit": (local_delivery, "handle", "after"),
}
# Within the transaction of a batch of an import, and after it.
POINTS_OF_IMPORT: dict[str, tuple[Any, str, str]] = {
    "loan.before_commit": (importing.LoanImport, "_add", "after"),
    "batch.after_commit": (importing.LoanImport, "_import", "after"),
}


def point_file() -> Path:
    """The file with the name of the point; a worker that dies there deletes it first."""
    return load().data / "kill-at"


def arm(place: tuple[Any, str, str], kill: Callable[[], None]) -> None:
    """Call a function that may kill this process before or after another one."""
    owner, name, moment = place
    function: Callable[..., Any] = getattr(owner, name)

    @wraps(function)
    def armed(*args: Any, **kwargs: Any) -> Any:
        if moment == "before":
            kill()
        answer = function(*args, **kwargs)
        if moment == "after":
            kill()
        return answer

    setattr(owner, name, armed)


def kill_once(point: str, file: Path) -> None:
    """Kill this process while the file names the point."""
    if file.exists() and file.read_text() == point:
        file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)


def import_loans(point: str, number: int, words: list[str]) -> None:
    """Run `loans import`; at this time at the point kill this process."""
    times = count(1)
    arm(
        POINTS_OF_IMPORT[point],
        lambda: os.kill(os.getpid(), signal.SIGKILL) if next(times) == number else None,
    )
    sys.argv = ["rangkiang", "loans", "import", *words]
    commands.main()


def supervise() -> int:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for name, place in POINTS.items():
        arm(place, partial(kill_once, name, point_file()))
    supervisor = Supervisor(
        listener,
        work=up.prepare_workers(load()),
        workers=1,
        ready=lambda: print_json({"address": address}),
        refused=print_json,
    )
    return supervisor.run()


def main(*words: str) -> int:
    match words:
        case []:
            return supervise()
        case ["import", point, number, *words_of_import]:
            import_loans(point, int(number), words_of_import)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
