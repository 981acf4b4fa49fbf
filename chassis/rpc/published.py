"""The part of each owner's servicer for consumers that compare published events with those they have handled."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from chassis import rpc
from chassis.bus import outbox
from chassis.database.db import Database
from chassis.errors import Invalid
from rangkiang.common.v1 import published_pb2 as wire


class PublishedMethods:
    """The methods ListPublished and PublishAgain; see `chassis.rpc.gaps`."""

    _database: Database

    def ListPublished(self, request: wire.ListPublishedRequest, context: Any) -> wire.ListPublishedReply:
        after, before = _id(request.after), _id(request.before)
        with self._database.reading(rpc.context(context)) as session:
            ids = outbox.published_ids(session, request.type, after=after, before=before)
        return wire.ListPublishedReply(ids=[event_id.bytes for event_id in ids])

    def PublishAgain(self, request: wire.PublishAgainRequest, _context: Any) -> wire.PublishAgainReply:
        ids = [_id(event_id) for event_id in request.ids[: outbox.MOST_IDS]]
        with self._database.transaction(outbox.RELAY) as session:
            return wire.PublishAgainReply(count=outbox.publish_again(session, ids))


def _id(value: bytes) -> UUID:
    if len(value) != 16:
        raise Invalid("ID_NOT_READABLE", given=value.hex()[:80])
    return UUID(bytes=value)
