"""The response of a search: models for the OpenAPI document, and the JSON, which is written from the reply directly."""

from __future__ import annotations

from typing import Any

import orjson

from chassis.models import ResponseModel
from gateway.api.schemas import ClassOfTree, CountedValue, ListedRecord
from gateway.api.serializers import class_of_tree, counted_value
from rangkiang.catalog.v1 import browsing_pb2, facets_pb2
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.common.v1.models import Text

_FLAGS = ("corrected", "relaxed", "read_as_words", "degraded")


class Reason(ResponseModel):
    """A reason for the rank of a hit."""

    text: Text
    """The reason."""
    weight: float
    """Part of the score that comes from this reason."""


class Hit(ListedRecord):
    score: float
    """Relevance score; a higher score is a better match."""
    highlights: dict[str, list[str]] | None = None
    """With `highlight`: the text of each field in pieces; every second piece matches."""
    work_id: str | None = None
    """With `by_work`: id of the work."""
    editions: int | None = None
    """With `by_work`: number of matching records of the work."""
    reasons: list[Reason] | None = None
    """With `explain`: reasons for the rank."""
    lacks: list[str] | None = None
    """Words of the query that this record does not have, when the hits include partial matches."""
    because: Text | None = None
    """Why the record is a hit although it does not have all words as typed: related words, or its class."""


class Alternative(ResponseModel):
    query: str
    """Another query."""
    total: int
    """Number of records that this query finds."""


class Help(ResponseModel):
    """Alternatives to a query that no record matches as typed."""

    failed: list[str]
    """Words that are in no record."""
    without: list[Alternative]
    """Shorter queries that find records."""
    without_filters: int
    """Number of records that the query finds without its filters."""
    elsewhere: list[CountedValue]
    """Institutions with matching records."""
    classes: list[ClassOfTree]
    """Classes related to the query."""


class SearchPage(ResponseModel):
    total: int
    """Number of records that match."""
    hits: list[Hit]
    """A page of the hits."""
    next: str | None = None
    """Cursor of the next page; absent on the last page."""
    offset: int | None = None
    """Number of hits on previous pages; absent on the first page."""
    previous: str | None = None
    """Cursor of the previous page; absent on the first page, and when the previous page is the first."""
    changed: bool
    """True when the catalogue has changed since the page that returned the cursor."""
    facets: dict[str, list[CountedValue]] | None = None
    """The requested facets by name."""
    understood: str
    """The query as the search interpreted it."""
    did_you_mean: str | None = None
    """A spelling that finds more records."""
    corrected: bool | None = None
    """True when the hits are those of `did_you_mean`."""
    relaxed: bool | None = None
    """True when no record has all words of the query; the hits are partial matches, see `lacks`."""
    complete: int | None = None
    """When partial matches follow: number of hits that have all words. These hits come first."""
    read_as_words: bool | None = None
    """True when the query could not be parsed, so that its words were searched."""
    degraded: bool | None = None
    """True when the search engine is not available; the hits come from look-ups by identifier, title and author."""
    help: Help | None = None
    """Alternatives, when no record matches the query as typed."""


def search_page_json(reply: wire.SearchReply, *, with_facets: bool = False, with_additions: bool = False) -> bytes:
    """Return a SearchPage as JSON.

    with_facets     True when the request has the parameter `facets`; then the response has `facets`, even if empty
    with_additions  True when the request asks for more about each hit: `highlight`, `by_work` or `explain`
    """
    # Looking for additions takes as long as the rest of a hit, and most pages have none.
    hit_members = _hit if with_additions or reply.relaxed or reply.complete else _plain_hit
    page: dict[str, Any] = {"total": reply.total, "hits": [hit_members(hit) for hit in reply.hits]}
    if reply.next:
        page["next"] = reply.next
    if reply.offset:
        page["offset"] = reply.offset
    if reply.previous:
        page["previous"] = reply.previous
    page["changed"] = reply.changed
    if with_facets:
        page["facets"] = {facet.name: [_counted(value) for value in facet.values] for facet in reply.facets}
    page["understood"] = reply.understood
    if reply.did_you_mean:
        page["did_you_mean"] = reply.did_you_mean
    for name in _FLAGS:
        if getattr(reply, name):
            page[name] = True
    if reply.complete:
        page["complete"] = reply.complete
    if reply.HasField("help"):
        page["help"] = _help(reply.help)
    return orjson.dumps(page)


def _plain_hit(hit: wire.Hit) -> dict[str, Any]:
    return {
        "id": hit.id,
        "score": hit.score,
        "record": orjson.Fragment(hit.brief),
        "holdings": orjson.Fragment(hit.holdings or b"[]"),
    }


def _hit(hit: wire.Hit) -> dict[str, Any]:
    members = _plain_hit(hit)
    if hit.highlights:
        members["highlights"] = {highlight.field: list(highlight.pieces) for highlight in hit.highlights}
    if hit.work_id:
        members |= {"work_id": hit.work_id, "editions": hit.editions}
    if hit.reasons:
        members["reasons"] = [
            {"text": {"id": reason.text.id, "en": reason.text.en}, "weight": reason.weight} for reason in hit.reasons
        ]
    if hit.lacks:
        members["lacks"] = list(hit.lacks)
    if hit.HasField("because"):
        members["because"] = {"id": hit.because.id, "en": hit.because.en}
    return members


def _counted(value: facets_pb2.FacetValue) -> dict[str, Any]:
    members: dict[str, Any] = {"value": value.value, "count": value.count, "selected": value.selected}
    if value.HasField("label"):
        members["label"] = {"id": value.label.id, "en": value.label.en}
    return members


def _help(message: browsing_pb2.Help) -> dict[str, Any]:
    model = Help(
        failed=list(message.failed),
        without=[Alternative(query=other.query, total=other.total) for other in message.without],
        without_filters=message.without_filters,
        elsewhere=[counted_value(value) for value in message.elsewhere],
        classes=[class_of_tree(class_) for class_ in message.classes],
    )
    return model.model_dump(exclude_none=True)
