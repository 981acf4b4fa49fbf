"""The tables of members."""

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
    PasswordCode,
    RevokedToken,
    Session,
    SigningKey,
)
from services.members.tables.people import (
    Block,
    Card,
    Category,
    Consent,
    DataRequest,
    Evidence,
    ExpiryStep,
    Member,
    MemberLoan,
    MemberLookup,
    MemberWord,
    Merge,
    NumberSeries,
    Tombstone,
)

__all__ = [
    "Account",
    "AccountRole",
    "Block",
    "Card",
    "Category",
    "Client",
    "Consent",
    "DataRequest",
    "Evidence",
    "ExpiryStep",
    "FailedAttempts",
    "Institution",
    "Link",
    "MasterKey",
    "Member",
    "MemberLoan",
    "MemberLookup",
    "MemberWord",
    "Merge",
    "NumberSeries",
    "PasswordCode",
    "RevokedToken",
    "Session",
    "SigningKey",
    "Table",
    "Tombstone",
]
