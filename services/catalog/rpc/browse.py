"""RPCs for browse lists, works, classes and shelves."""

from __future__ import annotations

import grpc

from chassis import rpc
from chassis.ids import parse_id
from rangkiang.catalog.v1 import browsing_pb2, works_pb2
from services.catalog.browse import class_counts
from services.catalog.browse.arrivals import list_arrivals
from services.catalog.browse.lists import browse
from services.catalog.items import shelves
from services.catalog.rpc.protobuf import ServicerPart, fill
from services.catalog.works.editions import load_work


class BrowseMethods(ServicerPart):
    """See rangkiang/catalog/v1/catalog.proto."""

    def Browse(self, request: browsing_pb2.BrowseRequest, context: grpc.ServicerContext) -> browsing_pb2.BrowseReply:
        page = browse(
            self._database,
            self._index,
            context=rpc.context(context),
            kind=request.kind,
            term=request.term,
            before=request.before,
            after=request.after,
            cursor=request.cursor,
        )
        return fill(browsing_pb2.BrowseReply(), page)

    def GetWork(self, request: works_pb2.GetWorkRequest, context: grpc.ServicerContext) -> works_pb2.GetWorkReply:
        reader = rpc.context(context)
        work = load_work(
            self._database,
            context=reader,
            work_id=parse_id(request.id),
            branch=request.branch,
            language=reader.language,
        )
        return fill(works_pb2.GetWorkReply(), work)

    def ListClasses(
        self, request: browsing_pb2.ListClassesRequest, context: grpc.ServicerContext
    ) -> browsing_pb2.ListClassesReply:
        classes = class_counts.classes(self._database, self._index, context=rpc.context(context), parent=request.parent)
        return fill(browsing_pb2.ListClassesReply(), classes)

    def ListNeighbours(
        self, request: browsing_pb2.ListNeighboursRequest, context: grpc.ServicerContext
    ) -> browsing_pb2.ListNeighboursReply:
        shelf = shelves.list_neighbours(
            self._database,
            context=rpc.context(context),
            record_id=request.record_id,
            branch=request.branch,
            limit=request.limit,
        )
        return fill(browsing_pb2.ListNeighboursReply(), shelf)

    def ListArrivals(
        self, request: browsing_pb2.ListArrivalsRequest, context: grpc.ServicerContext
    ) -> browsing_pb2.ListArrivalsReply:
        records = list_arrivals(
            self._database, self._index, context=rpc.context(context), branch=request.branch, limit=request.limit
        )
        return browsing_pb2.ListArrivalsReply(records=[fill(browsing_pb2.Shown(), record) for record in records])
