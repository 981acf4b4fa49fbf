"""The JSON of a page of hits. It is written from the reply directly, because this route is the most frequent."""

from __future__ import annotations

from typing import Any

import orjson

from chassis.models import to_model
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1 import facets_pb2, models


def search_page_json(reply: wire.SearchReply, *, with_additions: bool = False) -> bytes:
    """Return a SearchPage as JSON.

    with_additions  True when the request asks for more about each hit: `highlight`, `by_work` or `explain`
    """
    # Looking for additions takes as long as the rest of a hit, and most pages have none.
    hit_members = _hit if with_additions or reply.relaxed or reply.complete else _plain_hit
    page: dict[str, Any] = {"total": reply.total, "hits": [hit_members(hit) for hit in reply.hits]}
    page |= {
        "next": reply.next or None,
        "offset": reply.offset,
        "previous": reply.previous or None,
        "changed": reply.changed,
        "understood": reply.understood or None,
        "did_you_mean": reply.did_you_mean or None,
        "corrected": reply.corrected,
        "relaxed": reply.relaxed,
        "read_as_words": reply.read_as_words,
        "degraded": reply.degraded,
        "complete": reply.complete or None,
        "help": to_model(models.Help, reply.help).model_dump() if reply.HasField("help") else None,
        "facets": {facet.name: [_counted(value) for value in facet.values] for facet in reply.facets},
    }
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
