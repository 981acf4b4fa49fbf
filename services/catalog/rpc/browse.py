"""RPCs for browse lists and works."""

from __future__ import annotations

import grpc

from chassis import rpc
from chassis.ids import parse_id
from rangkiang.catalog.v1 import browsing_pb2, works_pb2
from services.catalog.browse.lists import browse
from services.catalog.queries import Brief
from services.catalog.rpc.base import ServicerBase, wire_text
from services.catalog.works.editions import load_work


class BrowseMethods(ServicerBase):
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
                    record=None if heading.record is None else _shown(heading.record),
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
                    record=_shown(edition.record),
                    score=edition.score,
                    reasons=[text for reason in edition.reasons if (text := wire_text(reason)) is not None],
                )
                for edition in found.editions
            ],
        )


def _shown(record: Brief) -> browsing_pb2.Shown:
    return browsing_pb2.Shown(id=record.id, brief=record.brief, holdings=record.holdings)
