"""The context of a call: institution, actor, language and deadline."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from chassis.errors import TooLate

# Trailer that marks a reply as stored by an earlier call with the same Idempotency-Key.
REPLAYED = "x-replayed"


@dataclass(frozen=True, slots=True)
class Context:
    """The data of one call besides its message. Functions pass it down as an argument.

    institution  the institution whose rows may be read and written: "" none (a reader), "*" all (the system itself)
    actor        id of the person or client; "" without sign-in; "system:…" for relay, jobs and commands
    scopes       scopes of the access token
    session      id of the actor's session; of a client: the client's id
    language     "id" or "en"
    deadline     `time.monotonic()` at which the caller stops waiting; None for never
    method       path of the called method, /package.Service/Method; "" outside a call
    key          the caller's Idempotency-Key; "" for methods that are not `keyed`
    trailers     metadata to send with the reply
    """

    institution: str = ""
    actor: str = ""
    language: str = "id"
    request_id: str = ""
    scopes: frozenset[str] = frozenset()
    session: str = ""
    deadline: float | None = field(default=None, compare=False)
    method: str = ""
    key: str = field(default="", repr=False)
    trailers: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def remaining(self) -> float | None:
        """Return the seconds until the deadline; None without one."""
        return None if self.deadline is None else self.deadline - time.monotonic()

    def check_deadline(self) -> None:
        """Raise an error after the deadline.

        raises  TooLate  DEADLINE_PASSED
        """
        seconds = self.remaining()
        if seconds is not None and seconds <= 0:
            raise TooLate("DEADLINE_PASSED")


def system(name: str) -> Context:
    """Return a context of the system: for relay, jobs, handlers and operator commands."""
    return Context(institution="*", actor=f"system:{name}")


READER = Context()
