"""Wire in, call a story, wire out."""

from __future__ import annotations

from datetime import datetime

import grpc
import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from chassis import rpc
from chassis.errors import Invalid, LocalText
from chassis.ids import parse_id
from chassis.service import Resources
from chassis.urls import open_url
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogServicer
from rangkiang.common.v1.text_pb2 import LocalText as WireText
from services.catalog import marc, queries, searching
from services.catalog.document import answer, display
from services.catalog.exporting import ENCODERS
from services.catalog.index import ENGINES, Index
from services.catalog.marc.faults import REASONS, Unserialisable

FORMATS = {
    wire.MARC_FORMAT_ISO2709: "marc",
    wire.MARC_FORMAT_MARCXML: "marcxml",
    wire.MARC_FORMAT_JSON: "json",
}


def servicer(resources: Resources) -> Catalog:
    """The catalogue's servicer, with an index of its own to search in."""
    return Catalog(resources, open_url(resources.settings.search, ENGINES))


class Catalog(CatalogServicer):
    def __init__(self, resources: Resources, index: Index) -> None:
        self._database, self._index = resources.database, index

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
                            value=each.value, count=each.count, label=_text(each.label), selected=each.selected
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

    def GetRecord(self, request: wire.GetRecordRequest, context: grpc.ServicerContext) -> wire.GetRecordReply:
        with self._database.reading(rpc.context(context)) as session:
            found = queries.record(session, parse_id(request.id))
        return wire.GetRecordReply(
            id=str(found.id),
            version=found.version,
            display=orjson.dumps(
                display(marc.Record.unpack(found.marc), institution=found.institution, source=found.source)
            ),
            holdings=found.holdings,
            updated_at=_moment(found.updated_at),
            source=found.source,
            institution=found.institution,
        )

    def GetMarc(self, request: wire.GetMarcRequest, context: grpc.ServicerContext) -> wire.GetMarcReply:
        name = FORMATS.get(request.format)
        if name is None:
            raise Invalid(
                "FORMAT_UNKNOWN",
                LocalText("Format MARC itu tidak dikenal.", "That MARC format is not known."),
                format=int(request.format),
            )
        with self._database.reading(rpc.context(context)) as session:
            found = queries.record(session, parse_id(request.id))
        try:
            content = ENCODERS[name](marc.Record.unpack(found.marc))
        except Unserialisable as problem:
            raise Invalid(
                problem.reason, REASONS[problem.reason], record=str(found.id), detail=problem.detail
            ) from None
        return wire.GetMarcReply(content=content, version=found.version, updated_at=_moment(found.updated_at))

    def ListItems(self, request: wire.ListItemsRequest, context: grpc.ServicerContext) -> wire.ListItemsReply:
        with self._database.reading(rpc.context(context)) as session:
            found = queries.record(session, parse_id(request.record_id))
            items = queries.items(session, found.number)
        return wire.ListItemsReply(
            record_version=found.version,
            items=[
                wire.Item(
                    id=str(item.id),
                    barcode=item.barcode or "",
                    call_number=item.call_number,
                    institution=item.institution,
                    branch=item.branch,
                    branch_name=WireText(id=item.name_id, en=item.name_en),
                    collection=item.collection,
                    material=item.material,
                    status=item.status,
                    availability=answer(item.status, item.collection),
                    copy=item.copy,
                )
                for item in items
            ],
        )

    def ListInstitutions(
        self, request: wire.ListInstitutionsRequest, context: grpc.ServicerContext
    ) -> wire.ListInstitutionsReply:
        with self._database.reading(rpc.context(context)) as session:
            found = queries.institutions(session)
        return wire.ListInstitutionsReply(
            institutions=[
                wire.Institution(
                    code=each.code,
                    name=WireText(id=each.name_id, en=each.name_en),
                    kind=each.kind,
                    npp=each.npp,
                    isil=each.isil,
                    zone=each.zone,
                )
                for each in found
            ]
        )

    def ListBranches(self, request: wire.ListBranchesRequest, context: grpc.ServicerContext) -> wire.ListBranchesReply:
        with self._database.reading(rpc.context(context)) as session:
            found = queries.branches(session, institution=request.institution)
        return wire.ListBranchesReply(
            branches=[
                wire.Branch(
                    code=branch.code,
                    institution=institution,
                    name=WireText(id=branch.name_id, en=branch.name_en),
                    kind=branch.kind,
                    npp=branch.npp,
                    isil=branch.isil,
                    zone=branch.zone,
                    confirmed=branch.confirmed,
                )
                for branch, institution in found
            ]
        )


def _text(label: LocalText | None) -> WireText | None:
    return None if label is None else WireText(id=label.id, en=label.en)


def _moment(at: datetime) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(at)
    return moment
