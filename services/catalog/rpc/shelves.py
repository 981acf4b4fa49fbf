"""RPCs for classes and shelves."""

from __future__ import annotations

import grpc

from chassis import rpc
from rangkiang.catalog.v1 import browsing_pb2 as browsing
from services.catalog.browse import class_counts
from services.catalog.items import neighbours
from services.catalog.record.classes import Class
from services.catalog.rpc.base import ServicerBase, wire_text


class ShelfMethods(ServicerBase):
    def ListClasses(
        self, request: browsing.ListClassesRequest, context: grpc.ServicerContext
    ) -> browsing.ListClassesReply:
        classes = class_counts.classes(self._database, self._index, context=rpc.context(context), parent=request.parent)
        return browsing.ListClassesReply(
            classes=[wire_class(class_) for class_ in classes.classes],
            path=[wire_class(each) for each in classes.path],
            without=classes.without,
        )

    def ListNeighbours(
        self, request: browsing.ListNeighboursRequest, context: grpc.ServicerContext
    ) -> browsing.ListNeighboursReply:
        found = neighbours.neighbours(
            self._database,
            context=rpc.context(context),
            record_id=request.record_id,
            branch=request.branch,
            limit=request.limit,
        )
        return browsing.ListNeighboursReply(
            neighbours=[
                browsing.Neighbour(
                    record=browsing.Shown(
                        id=neighbour.record.id, brief=neighbour.record.brief, holdings=neighbour.record.holdings
                    ),
                    call_number=neighbour.call_number,
                    here=neighbour.here,
                )
                for neighbour in found.neighbours
            ],
            institution=found.institution,
            branch=found.branch,
            branch_name=wire_text(found.branch_name),
        )


def wire_class(found: Class) -> browsing.Class:
    return browsing.Class(
        value=found.value,
        notation=found.notation,
        caption=wire_text(found.caption),
        count=found.count,
        divided=found.divided,
    )
