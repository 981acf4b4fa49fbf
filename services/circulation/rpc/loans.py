"""Methods of the desk: check-out, check-in, renewals, reading here."""

from __future__ import annotations

from chassis.db import Database


class LoanMethods:
    """The part of the servicer that lends and takes back."""

    _database: Database
