"""Fills a service's copies of other services' rows: at the first start, after a restore, and for `rangkiang resync`.

After a restore only the cluster edition needs it, because there the events in the broker are lost.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from typing import Annotated, Any
from uuid import UUID

import typer
from google.protobuf.message_factory import GetMessageClass

from chassis.context import system
from chassis.errors import Invalid
from chassis.jobs.job_runs import DONE, REFILL, is_unfinished, record_end
from chassis.output import print_json, print_text
from chassis.rpc import inproc
from chassis.rpc.client import SyncChannel, sync_channel
from chassis.rpc.gaps import close_gaps
from chassis.service import Projection, Resources, discover, load, open_for_command
from chassis.settings import Settings
from chassis.urls import resolve

log = logging.getLogger(__name__)

FILLING = system("resync")
# A page is written in parts, so that acts of desks can write between two parts.
PART = 100
PAUSE_SECONDS = 0.001

app = typer.Typer()
Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]


def fill_empty(resources: Resources, _stop: threading.Event) -> None:
    """Run the job of a service with projections: fill the empty ones, or all after a restore.

    raises  Unavailable  an owner does not answer; the job is tried again
    """
    with resources.database.reading(FILLING) as session:
        is_restored = is_unfinished(session, REFILL)
    for projection in resources.service.projections:
        with resources.database.reading(FILLING) as session:
            is_due = is_restored or resolve(projection.is_empty)(session)
        if is_due and (rows := fill(resources, projection)):
            log.info("projection_filled", extra={"projection": projection.name, "rows": rows})
    if is_restored:
        with resources.database.transaction(FILLING) as session:
            record_end(session, REFILL, DONE)


def catch_up(resources: Resources, _stop: threading.Event) -> None:
    """Run the nightly job of a service that gets events: close gaps, and fill the projections that are checked nightly.

    raises  Unavailable  an owner or the bus does not answer; the job is tried again
    """
    close_gaps(resources)
    for projection in resources.service.projections:
        if projection.nightly:
            fill(resources, projection)


def fill(resources: Resources, projection: Projection) -> int:
    """Copy the rows of one projection from its owner. Returns the number of rows read."""
    settings, name = resources.settings, resources.service.name
    with contextlib.closing(sync_channel(settings.service_url(projection.owner), settings, caller=name)) as channel:
        if projection.fill:
            rows: int = resolve(projection.fill)(resources, channel)
            return rows
        return _store_snapshot(resources, projection, channel)


def _store_snapshot(resources: Resources, projection: Projection, channel: SyncChannel) -> int:
    store, count = resolve(projection.store), 0
    for reply in read_snapshot(channel, projection.owner, of=projection.name):
        rows = getattr(reply, projection.name)
        for start in range(0, len(rows), PART):
            with resources.database.transaction(FILLING) as session:
                store(session, rows[start : start + PART])
            time.sleep(PAUSE_SECONDS)
        count += len(rows)
        for erased_id in reply.erased_ids if projection.erase else ():
            with resources.database.transaction(FILLING) as session:
                resolve(projection.erase)(session, UUID(erased_id))
    return count


def read_snapshot(channel: SyncChannel, owner: str, *, of: str = "") -> Iterator[Any]:
    """Read the pages of an owner's snapshot. of: the kind of rows, if the owner has several kinds."""
    contract, name = f"rangkiang.{owner}.v1.{owner}_pb2", owner.capitalize()
    read = resolve(f"{contract}_grpc:{name}Stub")(channel).Snapshot
    kind = resolve(f"{contract}:DESCRIPTOR").services_by_name[name].methods_by_name["Snapshot"].input_type
    request: Any = GetMessageClass(kind)(**({"of": of} if "of" in kind.fields_by_name else {}))
    while True:
        reply = read(request)
        yield reply
        request.cursor = reply.cursor
        if not reply.cursor:
            return


@app.command("resync")
def resync(
    service: Annotated[str, typer.Argument(help="The service that keeps the copies.")],
    json: Json = False,
) -> None:
    """Copy again the data that a service keeps from other services; current rows do not change."""
    manifest = load(service)
    if not manifest.projections:
        services = [other.name for other in discover() if other.projections]
        raise Invalid("NOTHING_TO_RESYNC", service=service, known=services)
    with open_for_command(service) as resources:
        rows = refill(resources)
    if json:
        print_json({"service": service, "rows": rows})
    else:
        print_text("\n".join(f"{name}: {count} rows" for name, count in rows.items()))


def refill(resources: Resources, *, owner: str = "") -> dict[str, int]:
    """Fill every projection of a service again, for a command. Returns projection -> number of rows read.

    owner  fill only projections of this service's rows
    """
    rows = {}
    for projection in resources.service.projections:
        if owner and projection.owner != owner:
            continue
        with _owner_in_this_process(projection.owner, resources.settings):
            rows[projection.name] = fill(resources, projection)
    return rows


@contextlib.contextmanager
def open_owner(resources: Resources, owner: str) -> Iterator[SyncChannel]:
    """Open a channel to the owner of rows, for a command: to its server, or to its servicer in this process."""
    settings, name = resources.settings, resources.service.name
    with (
        _owner_in_this_process(owner, settings),
        contextlib.closing(sync_channel(settings.service_url(owner), settings, caller=name)) as channel,
    ):
        yield channel


@contextlib.contextmanager
def _owner_in_this_process(owner: str, settings: Settings) -> Iterator[None]:
    """Run the owner's servicer in this process if its URL is `inproc:`, because no server may be running."""
    if settings.service_url(owner) != f"inproc:{owner}":
        yield
        return
    manifest = load(owner)
    with contextlib.closing(manifest.open_database(settings, pool_size=2)) as database:
        database.check_revisions()
        resources = Resources(settings=settings, database=database, service=manifest)
        inproc.register(owner, resolve(manifest.rpc)(resources), resolve(manifest.adder))
        try:
            yield
        finally:
            inproc.unregister(owner)
