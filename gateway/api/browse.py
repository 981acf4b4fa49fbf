"""GET /browse/{kind} and /classes: the catalogue as ordered lists and as a tree."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import AfterValidator, WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from chassis.models import ResponseModel
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel, WholeNumber, number, text
from gateway.api.schemas import JSON, ClassOfTree, ListedRecord
from gateway.api.serializers import class_of_tree, listed_record
from gateway.clients import Catalog, call
from gateway.responses import respond
from rangkiang.catalog.v1 import browsing_pb2 as wire

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


class BrowseQuery(QueryModel):
    term: str = text("Heading at which to open the list; by default its first heading.", example="navis")
    before: Annotated[int, WholeNumber(0, MOST_ENTRIES)] = number(0, "Number of entries before the position.")
    after: Annotated[int, WholeNumber(1, MOST_ENTRIES)] = number(20, "Number of entries from the position on.")
    cursor: str = text("The `previous` or `next` value of another page; replaces `term`.", longest=500)


class ClassesQuery(QueryModel):
    parent: str = text(
        "List the subclasses of this class, given by `value` or `notation`; by default the main classes.",
        longest=20,
        example="8",
    )


class Heading(ResponseModel):
    """An entry of a list."""

    text: str
    """The heading."""
    count: int
    """Number of records with this heading; 0 for a variant form that only refers to another heading."""
    see: list[str]
    """Headings to use instead of this variant form."""
    see_also: list[str]
    """Related headings."""
    other_forms: list[str]
    """Variant forms of this heading, from its authority record."""
    record: ListedRecord | None = None
    """The record, when the entry is a title or a call number."""


class Headings(ResponseModel):
    hits: list[Heading]
    """Entries in order."""
    place: int
    """Index in `hits` of the first entry at or after the term."""
    previous: str | None = None
    """Cursor of the page before this one."""
    next: str | None = None
    """Cursor of the page after this one."""


class Classes(ResponseModel):
    total: int
    """Number of classes in `hits`."""
    hits: list[ClassOfTree]
    """The main classes, or the subclasses of `parent`."""
    path: list[ClassOfTree]
    """Classes from the main class down to `parent`."""
    without: int
    """Number of records without a class."""


@router.get(
    "/browse/{kind}",
    response_model=Headings,
    **documented(
        operation="browse",
        summary="A list of headings around a term",
        revalidates=True,
        example={
            "hits": [
                {"text": "Navis, A.A.", "count": 12, "see": [], "see_also": [], "other_forms": ["Navis, Ali Akbar"]},
                {"text": "Navis, Ali Akbar", "count": 0, "see": ["Navis, A.A."], "see_also": [], "other_forms": []},
            ],
            "place": 0,
            "next": "bmF2aXMsIGFsaSBha2Jhcg",
        },
        errors=(400, 404, 429, 503, 504),
    ),
)
async def browse(request: Request, kind: Kind, query: Annotated[BrowseQuery, Query()], catalog: Catalog) -> Response:
    """List authors, subjects, series, titles or call numbers in order, each with its number of records."""
    message = wire.BrowseRequest(
        kind=kind, term=query.term, before=query.before, after=query.after, cursor=query.cursor
    )
    reply = await call(request, catalog.Browse, message)
    headings = Headings(
        hits=[_heading(heading) for heading in reply.headings],
        place=reply.place,
        previous=reply.previous or None,
        next=reply.next or None,
    )
    return respond(request, headings.to_json(), JSON)


@router.get(
    "/classes",
    response_model=Classes,
    **documented(
        operation="list_classes",
        summary="Classes of the tree",
        revalidates=True,
        example={
            "total": 1,
            "hits": [
                {
                    "value": "89",
                    "notation": "890",
                    "caption": {"id": "Sastra bahasa lain", "en": "Literatures of other languages"},
                    "count": 120,
                    "divided": True,
                }
            ],
            "path": [
                {
                    "value": "8",
                    "notation": "800",
                    "caption": {"id": "Kesusastraan", "en": "Literature"},
                    "count": 180,
                    "divided": True,
                }
            ],
            "without": 3,
        },
        errors=(400, 404, 429, 503, 504),
    ),
)
async def classes(request: Request, query: Annotated[ClassesQuery, Query()], catalog: Catalog) -> Response:
    """List the main classes or the subclasses of a class, each with the library's caption and its number of records."""
    reply = await call(request, catalog.ListClasses, wire.ListClassesRequest(parent=query.parent))
    hits = [class_of_tree(class_) for class_ in reply.classes]
    path = [class_of_tree(class_) for class_ in reply.path]
    return respond(request, Classes(total=len(hits), hits=hits, path=path, without=reply.without).to_json(), JSON)


def _heading(message: wire.Heading) -> Heading:
    return Heading(
        text=message.text,
        count=message.count,
        see=list(message.see),
        see_also=list(message.see_also),
        other_forms=list(message.other_forms),
        record=ListedRecord(**listed_record(message.record)) if message.HasField("record") else None,
    )
