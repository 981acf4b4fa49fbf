"""RPCs for members' own data: consents, data requests, and copies of all stored data."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.ids import parse_id
from chassis.rpc import timestamp
from chassis.rpc.methods import reads, writes_once
from rangkiang.members.v1 import requests_pb2 as wire
from services.members.people import consents, requests, store
from services.members.people.requests import Opened
from services.members.rpc.people import PeopleMethods, consent_message, member_message

_WEB = "web"


class RequestMethods(PeopleMethods):
    """The part of the servicer for members' rights over their own data."""

    @reads
    def ListOwnConsents(
        self, _request: wire.ListOwnConsentsRequest, session: Session, caller: Context
    ) -> wire.ListOwnConsentsReply:
        people = consents.own(session, caller.actor, master=self._keys.master)
        return wire.ListOwnConsentsReply(
            people=[
                wire.PersonConsents(
                    member_id=str(person.member.id),
                    name=person.member.name,
                    is_child=person.is_child,
                    consents=[consent_message(answer) for answer in person.answers],
                )
                for person in people
            ]
        )

    @writes_once
    def AnswerOwnConsent(
        self, request: wire.AnswerOwnConsentRequest, session: Session, caller: Context
    ) -> wire.AnswerOwnConsentReply:
        master = self._keys.master
        consents.answer(
            session,
            caller.actor,
            request.member_id,
            purpose=request.purpose,
            text_version=request.text_version,
            given=request.given,
            context=caller,
            master=master,
        )
        return wire.AnswerOwnConsentReply()

    @reads
    def ListOwnDataRequests(
        self, _request: wire.ListOwnDataRequestsRequest, session: Session, caller: Context
    ) -> wire.ListOwnDataRequestsReply:
        rows = requests.of_member(session, caller.actor, master=self._keys.master)
        return wire.ListOwnDataRequestsReply(requests=[_message(row) for row in rows])

    @writes_once
    def AddOwnDataRequest(
        self, request: wire.AddOwnDataRequestRequest, session: Session, caller: Context
    ) -> wire.AddOwnDataRequestReply:
        master = self._keys.master
        row = requests.add(
            session,
            caller.actor,
            request.kind,
            text=request.text,
            how=_WEB,
            by_guardian=False,
            context=caller,
            master=master,
        )
        return wire.AddOwnDataRequestReply(id=str(row.id), due_at=timestamp(row.due_at))

    @writes_once
    def AddDataRequest(
        self, request: wire.AddDataRequestRequest, session: Session, caller: Context
    ) -> wire.AddDataRequestReply:
        master = self._keys.master
        row = requests.add(
            session,
            request.id,
            request.kind,
            text=request.text,
            how=request.how,
            by_guardian=request.by_guardian,
            context=caller,
            master=master,
        )
        return wire.AddDataRequestReply(id=str(row.id), due_at=timestamp(row.due_at))

    @reads
    def ListDataRequests(
        self, request: wire.ListDataRequestsRequest, session: Session, caller: Context
    ) -> wire.ListDataRequestsReply:
        master, has_more = self._keys.master, False
        if request.id:
            rows = requests.of_member(session, request.id, master=master)
        else:
            rows, has_more = requests.open_ones(session, parse_id(caller.institution), master=master)
        for member_id in {row.row.member_id for row in rows}:
            self._access_log.record(caller, "members.read_data_requests", kind="member", object_id=member_id)
        return wire.ListDataRequestsReply(requests=[_message(row) for row in rows], has_more=has_more)

    @reads
    def GetDataRequest(
        self, request: wire.GetDataRequestRequest, session: Session, caller: Context
    ) -> wire.GetDataRequestReply:
        opened = requests.get(session, request.id, master=self._keys.master)
        self._access_log.record(caller, "members.read_data_requests", kind="member", object_id=opened.row.member_id)
        return wire.GetDataRequestReply(request=_message(opened))

    @writes_once
    def AnswerDataRequest(
        self, request: wire.AnswerDataRequestRequest, session: Session, caller: Context
    ) -> wire.AnswerDataRequestReply:
        master = self._keys.master
        row = requests.answer(session, request.id, request.outcome, text=request.answer, context=caller, master=master)
        return wire.AnswerDataRequestReply(id=str(row.id))

    @reads
    def ExportMember(
        self, request: wire.ExportMemberRequest, session: Session, caller: Context
    ) -> wire.ExportMemberReply:
        return self._export(session, caller, request.id)

    @reads
    def ExportOwnMember(
        self, _request: wire.ExportOwnMemberRequest, session: Session, caller: Context
    ) -> wire.ExportOwnMemberReply:
        own = replace(caller, scopes=caller.scopes | {"members.contact"})
        copy = self._export(session, own, caller.actor)
        # As on the member's page. A copy that the desk makes has the desk's note.
        copy.member.note = ""
        return wire.ExportOwnMemberReply(member=copy.member, requests=copy.requests)

    def _export(self, session: Session, caller: Context, member_id: str) -> wire.ExportMemberReply:
        master = self._keys.master
        details = store.read(session, member_id, context=caller, master=master)
        rows = requests.of_member(session, member_id, master=master)
        self._access_log.record(caller, "members.export", kind="member", object_id=details.member.id)
        return wire.ExportMemberReply(member=member_message(details), requests=[_message(row) for row in rows])


def _message(opened: Opened) -> wire.DataRequest:
    row = opened.row
    return wire.DataRequest(
        id=str(row.id),
        member_id=str(row.member_id),
        kind=row.kind,
        how=row.how,
        by_guardian=row.by_guardian,
        text=opened.text,
        received_at=timestamp(row.received_at),
        due_at=timestamp(row.due_at),
        answered_at=timestamp(row.answered_at),
        outcome=row.outcome,
        answer=opened.answer,
    )
