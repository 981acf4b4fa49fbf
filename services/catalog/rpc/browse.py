"""RPCs for browse lists, works, classes and shelves."""

from __future__ import annotations

import grpc

from chassis import rpc
from chassis.ids import parse_id
from rangkiang.catalog.v1 import browsing_pb2, works_pb2
from services.catalog.browse import class_counts
from services.catalog.browse.lists import browse
from services.catalog.items import neighbours
from services.catalog.rpc.protobuf import ServicerPart, wire_brief, wire_class, wire_text
from services.catalog.works.editions import load_work


class BrowseMethods(ServicerPart):
    def Browse(self, request: browsing_pb2.BrowseRequest, context: grpc.ServicerContext) -> browsing_pb2.BrowseReply:
        found = browse(
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
                    record=None if heading.record is None else wire_brief(heading.record),
                )
                for heading in found.headings
            ],
            previous=found.previous,
            next=found.next,
            place=found.place,
        )

    def GetWork(self, request: works_pb2.GetWorkRequest, context: grpc.ServicerContext) -> works_pb2.GetWorkReply:
        asker = rpc.context(context)
        found = load_work(
            self._database, context=asker, work_id=parse_id(request.id), branch=request.branch, language=asker.language
        )
        return works_pb2.GetWorkReply(
            id=str(found.id),
            title=found.title,
            author=found.author,
            editions=[
                works_pb2.Edition(
                    record=wire_brief(edition.record),
                    score=edition.score,
                    reasons=[text for reason in edition.reasons if (text := wire_text(reason)) is not None],
                )
                for edition in found.editions
            ],
        )

    def ListClasses(
        self, request: browsing_pb2.ListClassesRequest, context: grpc.ServicerContext
    ) -> browsing_pb2.ListClassesReply:
        classes = class_counts.classes(self._database, self._index, context=rpc.context(context), parent=request.parent)
        return browsing_pb2.ListClassesReply(
            classes=[wire_class(class_) for class_ in classes.classes],
            path=[wire_class(each) for each in classes.path],
            without=classes.without,
        )

    def ListNeighbours(
        self, request: browsing_pb2.ListNeighboursRequest, context: grpc.ServicerContext
    ) -> browsing_pb2.ListNeighboursReply:
        found = neighbours.neighbours(
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
                for neighbour in found.neighbours
            ],
            institution=found.institution,
            branch=found.branch,
            branch_name=wire_text(found.branch_name),
        )
