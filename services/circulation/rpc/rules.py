"""Methods of the lending rules: policies and calendars."""

from __future__ import annotations

from chassis.db import Database


class RuleMethods:
    """The part of the servicer that reads and saves policies and calendars."""

    _database: Database
