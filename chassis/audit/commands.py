"""`rangkiang audit`: verify the chain of digests, list and export acts."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Select, select

from chassis.audit import acts
from chassis.audit.acknowledgements import OPERATOR, acknowledge, read_key
from chassis.audit.verification import VERIFIER, Verification, verify
from chassis.database.db import Database
from chassis.errors import Invalid, Refusal
from chassis.metrics import telemetry
from chassis.output import csv_line, json_text, print_json, print_table, print_text
from chassis.sentences import sentence
from chassis.service import Service, discover, load, open_for_command, print_folder, process_settings
from chassis.settings import Settings

FINDINGS = 1
CHUNK = 1_000
COLUMNS = (
    "number", "id", "at", "institution", "actor", "session", "act", "kind", "object", "facts", "sealed", "request_id",
)  # fmt: skip

app = typer.Typer(name="audit", no_args_is_help=True, help="Verify and list the audit: who did what, and when.")
Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]


class Format(StrEnum):
    table = "table"
    csv = "csv"
    jsonl = "jsonl"


@app.command("verify")
def verify_(
    service: Annotated[str, typer.Argument(help="Name of a service; all of them by default.")] = "",
    head: Annotated[str, typer.Option(help="Head of an earlier run, NUMBER:DIGEST; with the name of a service.")] = "",
    json: Json = False,
) -> None:
    """Compare every act with its seal; exit code 1 when something was changed, removed, added or not sealed."""
    if head and not service:
        raise Invalid("AUDIT_HEAD_WITHOUT_SERVICE")
    services = [load(service)] if service else discover()
    settings = process_settings(services)
    with telemetry.command(settings):
        print_folder(settings)
        results = {audited.name: _verify(settings, audited, head) for audited in services}
    is_well = not any(result.wrong for result in results.values())
    if json:
        print_json({"well": is_well, "services": {name: _as_json(result) for name, result in results.items()}})
    else:
        for name, result in results.items():
            for refusal in result.wrong:
                print_text(f"{name}: {refusal.reason}: {refusal.sentence.in_language(settings.language)}")
            for refusal, acknowledgement in result.acknowledged:
                facts = {
                    "reason": acknowledgement.reason,
                    "key": acknowledgement.signed_by,
                    "at": f"{acknowledgement.at:%Y-%m-%d %H:%M} UTC",
                }
                note = sentence("AUDIT_ACKNOWLEDGED", **facts).in_language(settings.language)
                print_text(f"{name}: {refusal.sentence.in_language(settings.language)} {note}")
            print_text(f"{name}: {result.rows} acts, {result.seals} seals, head {result.head or '—'}")
    raise typer.Exit(0 if is_well else FINDINGS)


def _verify(settings: Settings, service: Service, head: str) -> Verification:
    with closing(service.open_database(settings, pool_size=1)) as database:
        return verify(database, head=head)


@app.command("acknowledge")
def acknowledge_(
    service: Annotated[str, typer.Argument(help="Name of the service.")],
    seal: Annotated[int, typer.Argument(help="Number of the broken seal, as `audit verify` prints it.")],
    reason: Annotated[str, typer.Option(help="Why the seal is broken, for whoever reads the audit.")],
    key: Annotated[Path, typer.Option(help="Your SSH key, which signs: a file that `ssh-keygen -t ed25519` made.")],
    json: Json = False,
) -> None:
    """Acknowledge a broken seal, with a reason and a signature; a later change at this seal is reported again."""
    signing_key = read_key(key)
    with open_for_command(service, pool_size=2) as resources:
        database = resources.database
        broken = [refusal for refusal in verify(database).wrong if _concerns(refusal, seal)]
        if not broken:
            raise Invalid("AUDIT_SEAL_UNBROKEN", seal=seal)
        with database.transaction(OPERATOR) as session:
            for refusal in broken:
                acknowledge(session, refusal, reason=reason, key=signing_key)
    if json:
        print_json({"service": service, "seal": seal, "findings": [refusal.reason for refusal in broken]})
    else:
        print_text("\n".join(f"{refusal.reason}: {reason}" for refusal in broken))


def _concerns(refusal: Refusal, seal: int) -> bool:
    if refusal.reason == "AUDIT_SEALS_MISSING":
        return bool(refusal.facts["first"] <= seal <= refusal.facts["last"])
    return refusal.facts.get("seal") == seal and "evidence" in refusal.facts


def _as_json(result: Verification) -> dict[str, Any]:
    acknowledged = [
        {
            **_refusal_json(refusal),
            "because": acknowledgement.reason,
            "signed_by": acknowledgement.signed_by,
            "at": acknowledgement.at.isoformat(),
        }
        for refusal, acknowledgement in result.acknowledged
    ]
    return {
        "acts": result.rows,
        "seals": result.seals,
        "head": result.head,
        "wrong": [_refusal_json(refusal) for refusal in result.wrong],
        "acknowledged": acknowledged,
    }


def _refusal_json(refusal: Refusal) -> dict[str, Any]:
    sentence = {"id": refusal.sentence.id, "en": refusal.sentence.en}
    return {"reason": refusal.reason, "facts": refusal.facts, "sentence": sentence}


@app.command("list")
def list_(
    service: Annotated[str, typer.Argument(help="Name of the service.")],
    actor: Annotated[str, typer.Option(help="Id of the person or client.")] = "",
    act: Annotated[
        str, typer.Option(help="An act, such as members.register; `members.` selects all acts that begin with this.")
    ] = "",
    object_: Annotated[str, typer.Option("--object", help="Id of the object, or KIND:ID.")] = "",
    from_: Annotated[str, typer.Option("--from", help="First day or time, ISO 8601; UTC without a zone.")] = "",
    to: Annotated[str, typer.Option("--to", help="Last day, or the end of the time; written as --from.")] = "",
    limit: Annotated[
        int, typer.Option(min=1, help="Number of rows in the table and with --json; the newest rows.")
    ] = 100,
    form: Annotated[Format, typer.Option("--format", help="csv and jsonl give all rows, oldest first.")] = Format.table,
    json: Json = False,
) -> None:
    """List acts, the newest first, or export them as CSV or JSON lines; sealed values stay sealed."""
    query = _filtered(actor=actor, act=act, object_=object_, since=_moment(from_), before=_moment(to, is_end=True))
    with open_for_command(service, pool_size=1) as resources:
        database = resources.database
        if form is not Format.table:
            _export(database, query, form)
            return
        with database.reading(VERIFIER) as session:
            rows = [_plain(row) for row in session.execute(query.order_by(acts.c.number.desc()).limit(limit))]
    if json:
        print_json({"total": len(rows), "acts": rows})
    elif rows:
        cells = [
            (row["at"][:19], row["actor"], row["act"], f"{row['kind']}:{row['object']}", json_text(row["facts"]))
            for row in rows
        ]
        print_table(("at (UTC)", "actor", "act", "object", "facts"), cells)
    else:
        print_text("—")


def _filtered(*, actor: str, act: str, object_: str, since: datetime | None, before: datetime | None) -> Select[Any]:
    query = select(acts)
    if actor:
        query = query.where(acts.c.actor == actor)
    if act:
        query = query.where(acts.c.act.startswith(act, autoescape=True) if act.endswith(".") else acts.c.act == act)
    if object_:
        kind, _, object_id = object_.rpartition(":")
        query = query.where(acts.c.object == object_id)
        if kind:
            query = query.where(acts.c.kind == kind)
    if since is not None:
        query = query.where(acts.c.at >= since)
    if before is not None:
        query = query.where(acts.c.at < before)
    return query


def _moment(text: str, *, is_end: bool = False) -> datetime | None:
    """Read a day or a time. The end of a day is the beginning of the next one.

    raises  Invalid  TIME_UNREADABLE
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if is_end and len(text) == len("2026-11-26"):
            moment += timedelta(days=1)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Invalid("TIME_UNREADABLE", given=text[:80]) from None


def _export(database: Database, query: Select[Any], form: Format) -> None:
    if form is Format.csv:
        print_text(csv_line(COLUMNS).rstrip("\r\n"))
    for row in _all(database, query):
        if form is Format.jsonl:
            print_json(row)
        else:
            cells = [json_text(row[name]) if name == "facts" else row[name] for name in COLUMNS]
            print_text(csv_line(cells).rstrip("\r\n"))


def _all(database: Database, query: Select[Any]) -> Iterator[dict[str, Any]]:
    after = None
    while True:
        page = query.order_by(acts.c.number).limit(CHUNK)
        with database.reading(VERIFIER) as session:
            rows = session.execute(page if after is None else page.where(acts.c.number > after)).all()
        yield from map(_plain, rows)
        if len(rows) < CHUNK:
            return
        after = rows[-1].number


def _plain(row: Any) -> dict[str, Any]:
    """Return a row with JSON's types; instead of sealed values, whether the row has any."""
    return {
        **row._mapping,
        "id": str(row.id),
        "at": row.at.isoformat(),
        "facts": json_module.loads(row.facts),
        "sealed": row.sealed is not None,
    }
