"""GET /browse/{kind} and /classes: the catalogue as lists in order and as a tree."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from gateway.api.parameters import Parameter, one, read, table
from gateway.api.schemas import JSON, ClassOf, Shape, Shown, documented
from gateway.api.serializers import a_class, shown
from gateway.deps import answer, ask, catalog
from rangkiang.catalog.v1 import browsing_pb2 as wire

router = APIRouter(tags=["browse"])

KINDS = ("author", "subject", "series", "title", "call_number")
MOST_ENTRIES = 50
USUALLY_AFTER = 20
BROWSE = table(
    Parameter("term", "Where in the list, as typed; its beginning unless given.", "navis"),
    Parameter("before", "Entries before the place.", "2", numbers=(0, MOST_ENTRIES)),
    Parameter("after", "Entries from the place on; 20 unless told.", "20", numbers=(1, MOST_ENTRIES)),
    Parameter("cursor", "Go on from here: `previous` or `next` of another page; instead of `term`.", longest=500),
)
KIND = {
    "name": "kind",
    "in": "path",
    "required": True,
    "description": "Which list.",
    "schema": {"type": "string", "enum": list(KINDS)},
    "example": "author",
}
CLASSES = table(
    Parameter("parent", "A class, as `value` or as people write it: its own classes. None: the main ones.", "8", 20),
)


class Heading(Shape):
    """count: records that have it, 0 for a form that is only referred from; see: the forms to look under instead;
    see_also: related ones; record: the one record, for titles and call numbers.
    """

    text: str
    count: int
    see: list[str]
    see_also: list[str]
    record: Shown | None = None


class Headings(Shape):
    """place: index in `hits` of the first entry at or after the term."""

    hits: list[Heading]
    place: int
    previous: str | None = None
    next: str | None = None


class Classes(Shape):
    """path: from the main class down to the one asked for; without: records that have no class."""

    total: int
    hits: list[ClassOf]
    path: list[ClassOf]
    without: int


@router.get(
    "/browse/{kind}",
    **documented(
        operation="browse",
        summary="A list of headings around a term",
        model=Headings,
        example={
            "hits": [
                {"text": "Navis, A.A.", "count": 12, "see": [], "see_also": []},
                {"text": "Navis, Ali Akbar", "count": 0, "see": ["Navis, A.A."], "see_also": []},
            ],
            "place": 0,
            "next": "bmF2aXMsIGFsaSBha2Jhcg",
        },
        parameters=BROWSE,
        refusals=(400, 404, 429, 503, 504),
        path=(KIND,),
    ),
)
async def browse(request: Request) -> Response:
    """Authors, subjects, series, titles or call numbers in order, with how many records each has."""
    kind = request.path_params["kind"]
    if kind not in KINDS:
        raise NotFound("LIST_NOT_FOUND", kind=kind[:80])
    given = read(request, BROWSE)
    message = wire.BrowseRequest(
        kind=kind,
        term=one(given, "term"),
        before=int(one(given, "before", "0")),
        after=int(one(given, "after", str(USUALLY_AFTER))),
        cursor=one(given, "cursor"),
    )
    reply = await ask(request, catalog(request).Browse, message)
    made: dict[str, Any] = {"hits": [_heading(each) for each in reply.headings], "place": reply.place}
    if reply.previous:
        made["previous"] = reply.previous
    if reply.next:
        made["next"] = reply.next
    return answer(request, orjson.dumps(made), JSON)


@router.get(
    "/classes",
    **documented(
        operation="list_classes",
        summary="Classes of the tree",
        model=Classes,
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
        parameters=CLASSES,
        refusals=(400, 404, 429, 503, 504),
    ),
)
async def classes(request: Request) -> Response:
    """The ten main classes, or the classes of one, with the library's own captions and how many records each has."""
    given = read(request, CLASSES)
    reply = await ask(request, catalog(request).ListClasses, wire.ListClassesRequest(parent=one(given, "parent")))
    hits = [a_class(each) for each in reply.classes]
    made = {
        "total": len(hits),
        "hits": hits,
        "path": [a_class(each) for each in reply.path],
        "without": reply.without,
    }
    return answer(request, orjson.dumps(made), JSON)


def _heading(heading: wire.Heading) -> dict[str, Any]:
    made: dict[str, Any] = {
        "text": heading.text,
        "count": heading.count,
        "see": list(heading.see),
        "see_also": list(heading.see_also),
    }
    if heading.HasField("record"):
        made["record"] = shown(heading.record)
    return made
