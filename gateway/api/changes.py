"""GET /changes: the change feed, by which another system keeps a copy of the catalogue."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request

from chassis.cursors import cursor_invalid, read_cursor, write_cursor
from chassis.models import ResponseModel, Time
from chassis.queries import QueryModel, WholeNumber, number, text
from gateway.api.openapi import ApiRoute, documented
from gateway.api.schemas import RECORD_ID_EXAMPLE
from gateway.clients import Catalog, call
from gateway.plans import count_records
from rangkiang.catalog.v1 import harvest_pb2 as wire

router = APIRouter(tags=["records"], route_class=ApiRoute)

_CURSORS = "changes"
_HIGHEST = 2**63 - 1


class ChangesQuery(QueryModel):
    cursor: str = text("`next` of the page before; without it the feed begins with the oldest change.", longest=200)
    limit: Annotated[int, WholeNumber(1, 1_000)] = number(100, "Changes on a page.")
    set: str = text(
        "Only records in this set of OAI-PMH, or in sets that it contains.", longest=200, example="institution:PKS"
    )


class RecordChange(ResponseModel):
    """The last change of a record. A later change of the record takes its place in the order."""

    id: str = Field(examples=[RECORD_ID_EXAMPLE])
    """Identifier of the record (UUID)."""
    version: int = Field(examples=[2])
    """Version of the record."""
    changed_at: Time = Field(examples=["2026-11-25T01:00:00Z"])
    """Time of the change, ISO 8601 in UTC; it never is before that of an earlier change in the feed."""
    is_deleted: bool = Field(examples=[False])
    """True when the record is deleted; a later import can restore it."""
    sets: list[str] = Field(examples=[["institution:PKS:PST", "material:book", "class:800"]])
    """Sets of OAI-PMH that have the record."""


class RecordChanges(ResponseModel):
    hits: list[RecordChange]
    """The changes, in the order in which they were made."""
    next: str = Field(examples=["WyJjaGFuZ2VzIiwiYzE5ZjA0ZTdhMmI4NTYzZCIsNDgyMTNd"])
    """Cursor of the next page, also on the last page: it finds the changes that are made later."""


@router.get("/changes", **documented("Changes of records", "catalog.Harvest", errors=(400,), revalidates=True))
async def list_changes(request: Request, query: Annotated[ChangesQuery, Query()], catalog: Catalog) -> RecordChanges:
    """List the last change of each record, in order, with deletions. A loan is no change.

    `limit` is 100 by default and at most 1,000, because programs read the whole feed and a change is small.

    Ask with `next` again and again: no change is missed. A page without hits means that there are no later changes yet.
    After the library has restored a backup, cursors from before are refused (`CURSOR_INVALID`): read the feed from its
    beginning, and remove the records that it does not have.
    """
    epoch, after = read_cursor(query.cursor, _CURSORS, str, int) if query.cursor else ("", 0)
    if not 0 <= after <= _HIGHEST:
        raise cursor_invalid()
    message = wire.HarvestRequest(after=after, epoch=epoch, limit=query.limit, sets=[query.set] if query.set else [])
    reply = await call(request, catalog.Harvest, message)
    changes = [
        RecordChange(
            id=change.id,
            version=change.version,
            changed_at=change.changed_at.ToJsonString(),
            is_deleted=change.is_deleted,
            sets=[*change.sets],
        )
        for change in reply.changes
    ]
    count_records(request, len(changes))
    return RecordChanges(hits=changes, next=write_cursor(_CURSORS, reply.epoch, reply.reached))
