"""Finds published events that did not reach a handler, and asks their owner to publish them again.

An owner keeps published events for three days in its outbox, and a consumer keeps the ids of handled ones for thirty
days in its inbox. Events of the last three hours are left out, because they may still wait for another attempt. Nothing
should ever be found: a gap means that a broker or a disk has lost data, or that a database was restored alone.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import select

from chassis import clock
from chassis.bus import outbox
from chassis.bus.depths import open_depths
from chassis.bus.inbox import inbox
from chassis.context import system
from chassis.ids import earliest_id
from chassis.jobs.job_runs import first_run, record_first_run
from chassis.rpc.client import SyncChannel, sync_channel
from chassis.service import Consumer, Resources
from rangkiang.common.v1 import published_pb2 as wire

log = logging.getLogger(__name__)

COMPARED = timedelta(days=2)  # less than chassis.bus.outbox.RETENTION
UNSETTLED = timedelta(hours=3)  # more than the sum of chassis.bus.BACKOFF_SECONDS
HANDLED = timedelta(seconds=60)  # a worker needs less
COMPARING = system("gaps")

# Called with owner, type of event, and two ids; returns a page of the ids of published events between them, in order.
ListPublished = Callable[[str, str, UUID, UUID], Sequence[UUID]]


@dataclass(frozen=True, slots=True)
class Gap:
    """Published events of an owner that a handler has not handled."""

    handler: str
    owner: str
    ids: Sequence[UUID]


def find_gaps(resources: Resources, published: ListPublished) -> list[Gap]:
    """Compare what owners published with what this service has handled.

    Events that wait on the bus, or are dead, are not missing: metrics and doctor count these.

    raises  Unavailable  an owner, the bus or the database does not answer
    """
    with contextlib.closing(open_depths(resources)) as depths:
        unhandled = {depth.handler: depth.waiting + depth.dead for depth in depths.count()}
    gaps = _find_unhandled(resources, published, COMPARED, UNSETTLED)
    return [gap for gap in gaps if len(gap.ids) > unhandled.get(gap.handler, 0)]


def find_late(resources: Resources, published: ListPublished) -> list[Gap]:
    """Return the events of the last three hours that should be handled, and are not, whatever the reason.

    raises  Unavailable  an owner or the database does not answer
    """
    return _find_unhandled(resources, published, UNSETTLED, HANDLED)


def _find_unhandled(resources: Resources, published: ListPublished, oldest: timedelta, newest: timedelta) -> list[Gap]:
    gaps = []
    for consumer in resources.service.consumers:
        owner = consumer.event.DESCRIPTOR.full_name.split(".")[1]  # "catalog" of rangkiang.catalog.v1.ItemsChanged
        ids = list(_missing(resources, consumer, owner, published, oldest, newest))
        if ids:
            gaps.append(Gap(consumer.name, owner, ids))
    return gaps


def close_gaps(resources: Resources) -> int:
    """Ask owners to publish missing events again. Returns the number of missing events.

    raises  Unavailable  an owner, the bus or the database does not answer
    """
    with resources.database.transaction(COMPARING) as session:
        for consumer in resources.service.consumers:
            record_first_run(session, _run_of(consumer))
    gaps = find_gaps(resources, partial(list_published, resources))
    for gap in gaps:
        again = _publish_again(resources, gap)
        facts = {"handler": gap.handler, "owner": gap.owner, "count": len(gap.ids), "first": str(gap.ids[0])}
        log.error("events_missing", extra={**facts, "published_again": again})
    return sum(len(gap.ids) for gap in gaps)


def _missing(
    resources: Resources, consumer: Consumer, owner: str, published: ListPublished, oldest: timedelta, newest: timedelta
) -> Iterator[UUID]:
    with resources.database.reading(COMPARING) as session:
        # A handler of a new release does not miss what was published before.
        since = first_run(session, _run_of(consumer))
    if since is None:
        return
    now = clock.now()
    after, before = earliest_id(max(now - oldest, since)), earliest_id(now - newest)
    while ids := published(owner, consumer.event.DESCRIPTOR.full_name, after, before):
        of_page = (inbox.c.consumer == consumer.name, inbox.c.event_id.between(ids[0], ids[-1]))
        with resources.database.reading(COMPARING) as session:
            handled = set(session.scalars(select(inbox.c.event_id).where(*of_page)))
        yield from (event_id for event_id in ids if event_id not in handled)
        after = ids[-1]


def _run_of(consumer: Consumer) -> str:
    return f"gaps:{consumer.name}"


def list_published(resources: Resources, owner: str, event_type: str, after: UUID, before: UUID) -> list[UUID]:
    """Ask an owner for a page of the ids of published events, as `ListPublished`. Raises Unavailable."""
    with _channel(resources, owner) as channel:
        method = channel.unary_unary(
            f"{_contract(owner)}/ListPublished",
            request_serializer=wire.ListPublishedRequest.SerializeToString,
            response_deserializer=wire.ListPublishedReply.FromString,
        )
        reply = method(wire.ListPublishedRequest(type=event_type, after=after.bytes, before=before.bytes))
    return [UUID(bytes=event_id) for event_id in reply.ids]


def _publish_again(resources: Resources, gap: Gap) -> int:
    """Returns how many events the owner still has."""
    count = 0
    with _channel(resources, gap.owner) as channel:
        method = channel.unary_unary(
            f"{_contract(gap.owner)}/PublishAgain",
            request_serializer=wire.PublishAgainRequest.SerializeToString,
            response_deserializer=wire.PublishAgainReply.FromString,
        )
        for start in range(0, len(gap.ids), outbox.MOST_IDS):
            ids = [event_id.bytes for event_id in gap.ids[start : start + outbox.MOST_IDS]]
            count += method(wire.PublishAgainRequest(ids=ids)).count
    return count


def _contract(owner: str) -> str:
    return f"/rangkiang.{owner}.v1.{owner.capitalize()}"


@contextlib.contextmanager
def _channel(resources: Resources, owner: str) -> Iterator[SyncChannel]:
    settings = resources.settings
    channel = sync_channel(settings.service_url(owner), settings, caller=resources.service.name)
    with contextlib.closing(channel):
        yield channel
