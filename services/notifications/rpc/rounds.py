"""The loop of the jobs that send: rounds until the job must stop, with a pause after errors."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from chassis.errors import Error

log = logging.getLogger(__name__)

AWAY_SECONDS = 5.0


def run_rounds(stop: threading.Event, run_round: Callable[[], float], *, log_event: str) -> None:
    """Run rounds until `stop`. After an error, such as of a service without an answer, the next round waits.

    run_round  does the next work; returns the seconds until the next round
    log_event  logged when the reason of the errors changes, because the round is repeated every few seconds
    """
    last_reason = ""
    while not stop.is_set():
        try:
            seconds, last_reason = run_round(), ""
        except Error as problem:
            if problem.reason != last_reason:
                log.warning(log_event, extra={"reason": problem.reason})
            seconds, last_reason = AWAY_SECONDS, problem.reason
        stop.wait(seconds)
