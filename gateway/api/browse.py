"""GET /browse/{kind} and /classes: the catalogue as ordered lists and as a tree."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, WithJsonSchema
from starlette.requests import Request

from chassis.errors import NotFound
from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.clients import Catalog, call
from rangkiang.catalog.v1 import browsing_pb2 as wire
from rangkiang.catalog.v1 import models

router = APIRouter(tags=["browse"], route_class=ApiRoute)

KINDS = ("author", "subject", "series", "title", "call_number")
MOST_ENTRIES = 50


def check_kind(kind: str) -> str:
    """Return `kind` when it names a list.

    raises  NotFound  LIST_NOT_FOUND
    """
    if kind not in KINDS:
        raise NotFound("LIST_NOT_FOUND", kind=kind[:80])
    return kind


Kind = Annotated[
    str,
    Path(description="Name of the list.", examples=["author"]),
    AfterValidator(check_kind),
    WithJsonSchema({"type": "string", "enum": list(KINDS)}),
]


@router.get(
    "/browse/{kind}",
    **documented("A list of headings around a term", "catalog.Browse", errors=(404,), revalidates=True),
)
async def browse(
    request: Request, kind: Kind, query: Annotated[models.BrowseQuery, Query()], catalog: Catalog
) -> models.Headings:
    """List authors, subjects, series, titles or call numbers in order, each with its number of records.

    `before` and `after` take the place of `limit`, because the list has entries on both sides of the term.
    """
    reply = await call(request, catalog.Browse, to_message(wire.BrowseRequest, query, kind=kind))
    return to_model(models.Headings, reply)


@router.get("/classes", **documented("Classes of the tree", "catalog.ListClasses", errors=(404,), revalidates=True))
async def list_classes(
    request: Request, query: Annotated[models.ClassesQuery, Query()], catalog: Catalog
) -> models.Classes:
    """List the main classes or the subclasses of a class, each with the library's caption and its number of records."""
    reply = await call(request, catalog.ListClasses, to_message(wire.ListClassesRequest, query))
    return to_model(models.Classes, reply)
