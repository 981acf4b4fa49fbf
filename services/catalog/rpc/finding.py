"""Searching and completing, on the wire."""

from __future__ import annotations

import grpc

from chassis import rpc
from rangkiang.catalog.v1 import catalog_pb2 as wire
from services.catalog import searching
from services.catalog.rpc.wiring import Wiring, wire_text


class Finding(Wiring):
    def Search(self, request: wire.SearchRequest, context: grpc.ServicerContext) -> wire.SearchReply:
        found = searching.search(
            self._database,
            self._index,
            context=rpc.context(context),
            query=request.query,
            filters={each.facet: tuple(each.values) for each in request.filters},
            facets=tuple(request.facets),
            sort=request.sort,
            cursor=request.cursor,
            limit=request.limit,
            highlight=request.highlight,
        )
        return wire.SearchReply(
            total=found.total,
            hits=[
                wire.Hit(
                    id=str(hit.id),
                    score=hit.score,
                    brief=hit.brief,
                    holdings=hit.holdings,
                    highlights=[wire.Highlight(field=name, pieces=pieces) for name, pieces in hit.highlights.items()],
                )
                for hit in found.hits
            ],
            next=found.next,
            changed=found.changed,
            facets=[
                wire.Facet(
                    name=facet.name,
                    values=[
                        wire.FacetValue(
                            value=each.value, count=each.count, label=wire_text(each.label), selected=each.selected
                        )
                        for each in facet.values
                    ],
                )
                for facet in found.facets
            ],
            understood=found.understood,
            did_you_mean=found.did_you_mean,
        )

    def Suggest(self, request: wire.SuggestRequest, context: grpc.ServicerContext) -> wire.SuggestReply:
        found = searching.suggest(
            self._database, self._index, context=rpc.context(context), prefix=request.prefix, limit=request.limit
        )
        return wire.SuggestReply(suggestions=[wire.Suggestion(text=each.text, kind=each.kind) for each in found])
