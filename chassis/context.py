"""Who asks, for which institution, in which language, and how much time is left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from chassis.errors import TooLate


@dataclass(frozen=True, slots=True)
class Context:
    """One request's surroundings, handed down explicitly.

    institution  whose rows may be written; "" nobody's (a reader), "*" everybody's (the system itself)
    actor        id of the person or client acting, "" when nobody signed in, "system:…" for ourselves
    language     "id" or "en"
    deadline     `time.monotonic()` at which the caller stops waiting; None for never
    """

    institution: str = ""
    actor: str = ""
    language: str = "id"
    request_id: str = ""
    deadline: float | None = field(default=None, compare=False)

    def remaining(self) -> float | None:
        """Seconds left, or None when nobody is waiting."""
        return None if self.deadline is None else self.deadline - time.monotonic()

    def in_time(self) -> None:
        """Go on only if somebody still waits for the answer.

        raises  TooLate  DEADLINE_PASSED
        """
        left = self.remaining()
        if left is not None and left <= 0:
            raise TooLate("DEADLINE_PASSED")

    def within(self, seconds: float) -> Context:
        """The same, with at most `seconds` left."""
        limit = time.monotonic() + seconds
        return replace(self, deadline=limit if self.deadline is None else min(limit, self.deadline))


def system(name: str) -> Context:
    """The house acting on its own account: relay, jobs, handlers, operator commands."""
    return Context(institution="*", actor=f"system:{name}")


READER = Context()
