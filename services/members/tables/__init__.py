"""The tables of members, by what they are about."""

from __future__ import annotations

from services.members.tables.base import Table
from services.members.tables.identity import (
    Account,
    AccountRole,
    Client,
    FailedAttempts,
    Institution,
    Link,
    MasterKey,
    Session,
    SigningKey,
    Slip,
)

__all__ = [
    "Account",
    "AccountRole",
    "Client",
    "FailedAttempts",
    "Institution",
    "Link",
    "MasterKey",
    "Session",
    "SigningKey",
    "Slip",
    "Table",
]
