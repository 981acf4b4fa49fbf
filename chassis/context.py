"""Who calls, for which institution, in which language, and until when."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from chassis.errors import TooLate


@dataclass(frozen=True, slots=True)
class Context:
    """What is known of one request besides its message; passed down explicitly.

    institution  whose rows may be read and written: "" none (a reader), "*" all (the system itself)
    actor        id of the person or client, "" when nobody signed in, "system:…" for relay, jobs and commands
    language     "id" or "en"
    deadline     `time.monotonic()` at which the caller stops waiting; None for never
    """

    institution: str = ""
    actor: str = ""
    language: str = "id"
    request_id: str = ""
    deadline: float | None = field(default=None, compare=False)

    def remaining(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return None if self.deadline is None else self.deadline - time.monotonic()

    def check_deadline(self) -> None:
        """Go on only before the deadline.

        raises  TooLate  DEADLINE_PASSED
        """
        left = self.remaining()
        if left is not None and left <= 0:
            raise TooLate("DEADLINE_PASSED")


def system(name: str) -> Context:
    """The context of the system itself: relay, jobs, handlers, operator commands."""
    return Context(institution="*", actor=f"system:{name}")


READER = Context()
