"""Events that a handler could not take, after every attempt: what an operator may see of them and do about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

ADAPTERS = {
    "local": "chassis.bus.local_dead:open_dead",
    "amqp": "chassis.bus.amqp_dead:open_dead",
    "amqps": "chassis.bus.amqp_dead:open_dead",
}


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """One event on the dead list of one handler.

    key       names it on the list: handler/event id
    occurred  when, ISO 8601; "" when the message cannot be read
    error     what the last attempt raised
    """

    key: str
    handler: str
    type: str
    body: str
    institution: str
    actor: str
    occurred: str
    attempts: int
    error: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class DeadList(Protocol):
    """The dead of one service."""

    def find(self) -> list[DeadEvent]:
        """All of them, by handler, oldest first. Raises Unavailable."""
        ...

    def replay(self, keys: Sequence[str]) -> int:
        """Give these to their handlers again, attempts counted afresh. Returns how many there were."""
        ...

    def drop(self, keys: Sequence[str]) -> int:
        """Forget these for good. Returns how many there were."""
        ...

    def close(self) -> None: ...
