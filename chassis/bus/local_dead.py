"""The dead list of the local bus: rows of `deliveries`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import and_, delete, select, update
from sqlalchemy.orm import Session

from chassis import clock
from chassis.bus import DeadEvent
from chassis.bus.local import LOCAL, deliveries
from chassis.errors import Invalid
from chassis.ids import parse_id
from chassis.service import Resources


class LocalDead:
    """See chassis.bus.DeadList."""

    def __init__(self, resources: Resources) -> None:
        self._database = resources.database

    def find(self) -> list[DeadEvent]:
        with self._database.reading(LOCAL) as session:
            rows = session.execute(
                select(deliveries).where(deliveries.c.dead).order_by(deliveries.c.handler, deliveries.c.event_id)
            ).all()
        return [
            DeadEvent(
                key=f"{row.handler}/{row.event_id}",
                handler=row.handler,
                type=row.type,
                body=row.body,
                institution=row.institution,
                actor=row.actor,
                occurred=row.occurred_at.isoformat(),
                attempts=row.attempts,
                error=row.error,
            )
            for row in rows
        ]

    def replay(self, keys: Sequence[str]) -> int:
        def restart(session: Session, condition: Any) -> Any:
            return session.execute(
                update(deliveries).where(condition).values(dead=False, attempts=0, next_at=clock.now())
            )

        return self._change(keys, restart)

    def drop(self, keys: Sequence[str]) -> int:
        return self._change(keys, lambda session, condition: session.execute(delete(deliveries).where(condition)))

    def close(self) -> None:
        """Do nothing: the caller closes the database."""

    def _change(self, keys: Sequence[str], change: Callable[[Session, Any], Any]) -> int:
        count = 0
        with self._database.transaction(LOCAL) as session:
            for key in keys:
                handler, _, event = key.rpartition("/")
                try:
                    event_id = parse_id(event)
                except Invalid:
                    continue
                condition = and_(deliveries.c.event_id == event_id, deliveries.c.handler == handler, deliveries.c.dead)
                count += change(session, condition).rowcount
        return count


def open_dead(_url: str, *, resources: Resources) -> LocalDead:
    """Open the dead list of a `local:` URL."""
    return LocalDead(resources)
