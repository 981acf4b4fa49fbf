"""What a search answers: its shapes for the OpenAPI, and its JSON. Brief records pass through as they are stored."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.api.schemas import Brief, ClassOf, CountedValue, Holding, Shape, Text
from gateway.api.serializers import a_class, counted, text_of
from rangkiang.catalog.v1 import browsing_pb2
from rangkiang.catalog.v1 import catalog_pb2 as wire

_SAID_WHEN_TRUE = ("corrected", "relaxed", "read_as_words", "degraded")


class Reason(Shape):
    """Why a hit ranks where it does; weight: this reason's part of the score."""

    text: Text
    weight: float


class Hit(Shape):
    """work_id and editions come with `by_work`: how many records of the work match."""

    id: str
    score: float
    record: Brief
    holdings: list[Holding]
    highlights: dict[str, list[str]] | None = None
    work_id: str | None = None
    editions: int | None = None
    reasons: list[Reason] | None = None


class Alternative(Shape):
    query: str
    total: int


class Help(Shape):
    """What would help. failed: words no record has; without: queries that find something; without_filters: how much
    the query finds with its filters off; elsewhere: where else it finds something; classes: nearest to what was asked.
    """

    failed: list[str]
    without: list[Alternative]
    without_filters: int
    elsewhere: list[CountedValue]
    classes: list[ClassOf]


class SearchPage(Shape):
    """`next` is absent at the end; `changed` says that the catalogue changed since the cursor was given.

    did_you_mean   a spelling that finds more; with `corrected` the hits are already its
    relaxed        nothing has all the words; these hits have most of them
    read_as_words  the query could not be read as it was written; its words were searched
    degraded       the search engine is away; these are look-ups by identifier, title and author
    help           when nothing matched as it was asked
    """

    total: int
    hits: list[Hit]
    next: str | None = None
    changed: bool
    facets: dict[str, list[CountedValue]] | None = None
    understood: str
    did_you_mean: str | None = None
    corrected: bool | None = None
    relaxed: bool | None = None
    read_as_words: bool | None = None
    degraded: bool | None = None
    help: Help | None = None


def page_of(reply: wire.SearchReply, *, with_facets: bool) -> bytes:
    """The page of a reply; `with_facets`: facets were asked for, be there values or not."""
    page: dict[str, Any] = {"total": reply.total, "hits": [_hit(hit) for hit in reply.hits]}
    if reply.next:
        page["next"] = reply.next
    page["changed"] = reply.changed
    if with_facets:
        page["facets"] = {facet.name: [counted(value) for value in facet.values] for facet in reply.facets}
    page["understood"] = reply.understood
    if reply.did_you_mean:
        page["did_you_mean"] = reply.did_you_mean
    for name in _SAID_WHEN_TRUE:
        if getattr(reply, name):
            page[name] = True
    if reply.HasField("help"):
        page["help"] = _help(reply.help)
    return orjson.dumps(page)


def _hit(hit: wire.Hit) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": hit.id,
        "score": hit.score,
        "record": orjson.Fragment(hit.brief),
        "holdings": orjson.Fragment(hit.holdings or b"[]"),
    }
    if hit.highlights:
        shown["highlights"] = {each.field: list(each.pieces) for each in hit.highlights}
    if hit.work_id:
        shown |= {"work_id": hit.work_id, "editions": hit.editions}
    if hit.reasons:
        shown["reasons"] = [{"text": text_of(each.text), "weight": each.weight} for each in hit.reasons]
    return shown


def _help(found: browsing_pb2.Help) -> dict[str, Any]:
    return {
        "failed": list(found.failed),
        "without": [{"query": each.query, "total": each.total} for each in found.without],
        "without_filters": found.without_filters,
        "elsewhere": [counted(each) for each in found.elsewhere],
        "classes": [a_class(each) for each in found.classes],
    }
