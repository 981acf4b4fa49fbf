"""RPCs for notices: contact data of members, links in notices, and the limited tokens of their holders."""

from __future__ import annotations

from datetime import UTC

import grpc
from sqlalchemy.orm import Session

from chassis.context import Context, system
from chassis.errors import Invalid
from chassis.ids import parse_id
from chassis.rpc import timestamp
from chassis.rpc.methods import reads, writes
from chassis.security.auth import TOKEN_SECONDS, Principal
from rangkiang.members.v1 import contacts_pb2 as wire
from rangkiang.members.v1.sign_in_pb2 import AccessToken
from services.members.people import act_links, contacts, password_codes, store
from services.members.people.act_links import ActLink
from services.members.rpc.people import PeopleMethods
from services.members.tables import Institution

MOST_LINKS = 500
LINKS = system("links")


class ContactMethods(PeopleMethods):
    """The part of the servicer for the sending of notices."""

    @reads
    def Contacts(self, request: wire.ContactsRequest, session: Session, _caller: Context) -> wire.ContactsReply:
        return wire.ContactsReply(members=contacts.contacts(session, request.ids, master=self._keys.master))

    @reads
    def ListContacts(
        self, request: wire.ListContactsRequest, session: Session, caller: Context
    ) -> wire.ListContactsReply:
        members = contacts.contacts(session, request.ids, master=self._keys.master)
        for member in members:
            member_id = member.merged_into or member.id
            self._access_log.record(caller, "members.read_contact", kind="member", object_id=member_id)
        return wire.ListContactsReply(members=members)

    @reads
    def FindByPhone(
        self, request: wire.FindByPhoneRequest, session: Session, _caller: Context
    ) -> wire.FindByPhoneReply:
        institution_id = parse_id(request.institution_id) if request.institution_id else None
        member, institutions = contacts.find_by_phone(
            session, request.phone, institution_id=institution_id, master=self._keys.master
        )
        listed = sorted(map(str, institutions))
        if member is None:
            return wire.FindByPhoneReply(found="many" if listed else "none", institution_ids=listed)
        return wire.FindByPhoneReply(
            found="one",
            member_id=str(member.id),
            institution_id=str(member.institution_id),
            language=member.language,
            institution_ids=listed,
        )

    @writes
    def MakeSlipCode(
        self, request: wire.MakeSlipCodeRequest, session: Session, caller: Context
    ) -> wire.MakeSlipCodeReply:
        master = self._keys.master
        code, row, number = password_codes.make_sent_code(
            session, request.member_id, request.slip_id, context=caller, master=master
        )
        return wire.MakeSlipCodeReply(code=code, expires_at=timestamp(row.expires_at), number=number)

    def MakeActLinks(self, request: wire.MakeActLinksRequest, context: grpc.ServicerContext) -> wire.MakeActLinksReply:
        if len(request.links) > MOST_LINKS:
            raise Invalid("MEMBER_TOO_MANY", field="links", most=MOST_LINKS)
        master = self._keys.master
        tokens = [act_links.make_token(_link(link), master=master) for link in request.links]
        return wire.MakeActLinksReply(tokens=tokens)

    def IssueActToken(
        self, request: wire.IssueActTokenRequest, context: grpc.ServicerContext
    ) -> wire.IssueActTokenReply:
        link = act_links.read_token(request.token, master=self._keys.master)
        # Nobody has signed in: the link itself identifies the member.
        with self._database.reading(LINKS) as session:
            member = act_links.holder_of(session, link)
            institution = session.get_one(Institution, member.institution_id)
        return wire.IssueActTokenReply(
            token=self._act_token(act_links.principal_of(member, link.act, link.subject)),
            act=link.act,
            subject=link.subject,
            language=member.language,
            institution=institution.code,
        )

    @reads
    def IssueMemberActToken(
        self, request: wire.IssueMemberActTokenRequest, session: Session, _caller: Context
    ) -> wire.IssueMemberActTokenReply:
        act_links.check_act_by_phone(request.act, request.subject)
        member = store.get(session, request.member_id)
        principal = act_links.principal_of(member, request.act, request.subject)
        return wire.IssueMemberActTokenReply(token=self._act_token(principal))

    def _act_token(self, principal: Principal) -> AccessToken:
        return AccessToken(token=self._keys.sign(principal), expires_in_seconds=TOKEN_SECONDS)


def _link(message: wire.ActLink) -> ActLink:
    try:
        expires_at = message.expires_at.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Invalid("ACT_LINK_LIFE", days=act_links.LONGEST_LIFE.days) from None
    return ActLink(parse_id(message.member_id), message.act, message.subject, expires_at)
