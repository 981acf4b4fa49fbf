"""Calls a function after each commit of a database's sessions."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.orm import Session

from chassis.database.db import Database


def after_commit(database: Database, call: Callable[[], object]) -> None:
    """Call the function after each transaction of this database that commits, for the rest of this process."""

    @event.listens_for(Session, "after_commit")
    def _call(session: Session) -> None:
        if session.bind is database.writer and not session.in_nested_transaction():
            call()
