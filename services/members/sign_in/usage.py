"""Plans of clients, and what they use of them: counts by client, day and protocol, without persons."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.database.sql import insert_for
from chassis.errors import Invalid, Outdated
from chassis.ids import parse_or_nil
from services.members.roles import PARTNERS
from services.members.settings import MembersSettings
from services.members.sign_in.clients import get_client
from services.members.tables import Client, ClientUsage

ZONE = ZoneInfo("Asia/Jakarta")  # of all days here, because a partner may read from institutions of several zones
LIMITS = ("requests_a_minute", "requests_a_day", "records_a_day")
PROTOCOLS = ("api", "sru", "z3950", "oai", "daia")
_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Count:
    """What a client did on a day by a protocol, since the last count of the same process."""

    client_id: UUID
    day: date
    protocol: str
    requests: int
    records: int
    refusals: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The limits of a client, 0 for no limit, and what it has used on `day`."""

    client_id: UUID
    limits: tuple[int, int, int]
    day: date
    requests: int
    records: int


def change_plan(
    session: Session, client_id: str, limits: Mapping[str, int | None], *, version: int | None = None
) -> Client:
    """Change limits of a client.

    limits   by their names in LIMITS; None for the default of the role
    version  the version that the caller has read; None for any
    raises   NotFound  CLIENT_NOT_FOUND
             Outdated  VERSION_OUTDATED
             Invalid   CLIENT_LIMIT_INVALID
    """
    client = get_client(session, client_id)
    changed = [name for name in LIMITS if name in limits]
    if version is not None and client.version != version:
        at = client.changed_at or client.added_at
        raise Outdated.at_version(client.version, given=version, changed=changed, changed_at=at)
    set_limits(client, limits)
    client.version, client.changed_at = client.version + 1, clock.now()
    session.flush()
    return client


def set_limits(client: Client, limits: Mapping[str, int | None]) -> None:
    """Store these limits. Raises Invalid CLIENT_LIMIT_INVALID."""
    for name, limit in limits.items():
        if limit is not None and not 1 <= limit <= 1_000_000_000:
            raise Invalid("CLIENT_LIMIT_INVALID", field=name, least=1, most=1_000_000_000)
        setattr(client, name, limit)


def default_limits(client: Client, settings: MembersSettings) -> tuple[int, int, int]:
    """Return the limits that count where a client has none of its own, in the order of LIMITS; 0 for none."""
    if client.role not in PARTNERS:
        return 0, 0, 0
    return settings.partner_requests_a_minute, settings.partner_requests_a_day, settings.partner_records_a_day


def today() -> date:
    return clock.now().astimezone(ZONE).date()


def add_counts(session: Session, counts: Iterable[Count]) -> None:
    """Add counts of any institution; those of unknown clients and protocols are left out."""
    known = [count for count in counts if count.protocol in PROTOCOLS]
    query = select(Client.id, Client.institution_id).where(Client.id.in_({count.client_id for count in known}))
    owners = {row.id: row.institution_id for row in session.execute(query)}
    insert = insert_for(session, ClientUsage)
    added = insert.on_conflict_do_update(
        index_elements=["client_id", "day", "protocol"],
        set_={name: getattr(ClientUsage, name) + insert.excluded[name] for name in ("requests", "records", "refusals")},
    )
    # In one order, so that two processes do not wait for each other.
    for count in sorted(known, key=lambda count: (count.client_id, count.day, count.protocol)):
        if count.client_id in owners:
            values = {
                "client_id": count.client_id,
                "day": count.day,
                "protocol": count.protocol,
                "institution_id": owners[count.client_id],
                "requests": count.requests,
                "records": count.records,
                "refusals": count.refusals,
            }
            session.execute(added, values)


def plans_of(session: Session, client_ids: Iterable[str], settings: MembersSettings) -> list[Plan]:
    """Return the plans of valid clients of any institution, with their counts of today."""
    ids, day = [parse_or_nil(client_id) for client_id in client_ids], today()
    query = (
        select(ClientUsage.client_id, func.sum(ClientUsage.requests), func.sum(ClientUsage.records))
        .where(ClientUsage.client_id.in_(ids), ClientUsage.day == day)
        .group_by(ClientUsage.client_id)
    )
    used = {client_id: (int(requests), int(records)) for client_id, requests, records in session.execute(query)}
    clients = session.scalars(select(Client).where(Client.id.in_(ids), Client.revoked_at.is_(None)))
    return [Plan(client.id, limits_of(client, settings), day, *used.get(client.id, (0, 0))) for client in clients]


def limits_of(client: Client, settings: MembersSettings) -> tuple[int, int, int]:
    """Return the limits that count for a client, in the order of LIMITS; 0 for none."""
    defaults = default_limits(client, settings)
    minute, requests, records = (
        getattr(client, name) or default for name, default in zip(LIMITS, defaults, strict=True)
    )
    return minute, requests, records


def report(session: Session, month: str, client_id: str) -> list[tuple[str, ClientUsage]]:
    """Return the counts of a month of the transaction's institution, each with the client's name.

    month      ISO 8601: 2026-12
    client_id  "" for all clients
    raises     Invalid  MONTH_INVALID
    """
    match = _MONTH.fullmatch(month)
    if match is None or match[1] == "0000":
        raise Invalid("MONTH_INVALID", given=month[:40])
    year, number = int(match[1]), int(match[2])
    first = date(year, number, 1)
    conditions = [ClientUsage.day >= first]
    if (year, number) != (9999, 12):
        conditions.append(ClientUsage.day < date(year + number // 12, number % 12 + 1, 1))
    if client_id:
        conditions.append(ClientUsage.client_id == parse_or_nil(client_id))
    query = select(Client.name, ClientUsage).join(Client, Client.id == ClientUsage.client_id).where(*conditions)
    rows = session.execute(query.order_by(Client.name, Client.id, ClientUsage.day, ClientUsage.protocol))
    return [(name, usage) for name, usage in rows]
