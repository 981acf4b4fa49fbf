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
from services.catalog.rpc.protobuf import ServicerPart, wire_brief, wire_class, wire_text
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
        return browsing_pb2.BrowseReply(
            headings=[
                browsing_pb2.Heading(
                    text=heading.text,
                    count=heading.count,
                    see=heading.see,
                    see_also=heading.see_also,
                    other_forms=heading.other_forms,
                    record=None if heading.record is None else wire_brief(heading.record),
                )
                for heading in page.headings
            ],
            previous=page.previous,
            next=page.next,
            place=page.place,
        )

    def GetWork(self, request: works_pb2.GetWorkRequest, context: grpc.ServicerContext) -> works_pb2.GetWorkReply:
        reader = rpc.context(context)
        work = load_work(
            self._database,
            context=reader,
            work_id=parse_id(request.id),
            branch=request.branch,
            language=reader.language,
        )
        return works_pb2.GetWorkReply(
            id=str(work.id),
            title=work.title,
            author=work.author,
            editions=[
                works_pb2.Edition(
                    record=wire_brief(edition.record),
                    score=edition.score,
                    reasons=[text for reason in edition.reasons if (text := wire_text(reason)) is not None],
                )
                for edition in work.editions
            ],
        )

    def ListClasses(
        self, request: browsing_pb2.ListClassesRequest, context: grpc.ServicerContext
    ) -> browsing_pb2.ListClassesReply:
        classes = class_counts.classes(self._database, self._index, context=rpc.context(context), parent=request.parent)
        return browsing_pb2.ListClassesReply(
            classes=[wire_class(class_) for class_ in classes.classes],
            path=[wire_class(class_) for class_ in classes.path],
            without=classes.without,
        )

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
        return browsing_pb2.ListNeighboursReply(
            neighbours=[
                browsing_pb2.Neighbour(
                    record=wire_brief(neighbour.record),
                    call_number=neighbour.call_number,
                    here=neighbour.here,
                )
                for neighbour in shelf.neighbours
            ],
            institution=shelf.institution,
            branch=shelf.branch,
            branch_name=wire_text(shelf.branch_name),
        )

    def ListArrivals(
        self, request: browsing_pb2.ListArrivalsRequest, context: grpc.ServicerContext
    ) -> browsing_pb2.ListArrivalsReply:
        records = list_arrivals(
            self._database, self._index, context=rpc.context(context), branch=request.branch, limit=request.limit
        )
        return browsing_pb2.ListArrivalsReply(records=[wire_brief(record) for record in records])
