"""Methods for notices: how to reach members, links of notices, and the limited tokens of their holders."""

from __future__ import annotations

import grpc

from rangkiang.members.v1 import contacts_pb2 as wire


class ContactMethods:
    """The part of the servicer that notices use."""

    def Contacts(self, request: wire.ContactsRequest, context: grpc.ServicerContext) -> wire.ContactsReply:
        raise NotImplementedError

    def ListContacts(self, request: wire.ListContactsRequest, context: grpc.ServicerContext) -> wire.ListContactsReply:
        raise NotImplementedError

    def FindByPhone(self, request: wire.FindByPhoneRequest, context: grpc.ServicerContext) -> wire.FindByPhoneReply:
        raise NotImplementedError

    def MakeSlipCode(self, request: wire.MakeSlipCodeRequest, context: grpc.ServicerContext) -> wire.MakeSlipCodeReply:
        raise NotImplementedError

    def MakeActLinks(self, request: wire.MakeActLinksRequest, context: grpc.ServicerContext) -> wire.MakeActLinksReply:
        raise NotImplementedError

    def VerifyActLink(
        self, request: wire.VerifyActLinkRequest, context: grpc.ServicerContext
    ) -> wire.VerifyActLinkReply:
        raise NotImplementedError

    def IssueActToken(
        self, request: wire.IssueActTokenRequest, context: grpc.ServicerContext
    ) -> wire.IssueActTokenReply:
        raise NotImplementedError

    def IssueMemberActToken(
        self, request: wire.IssueMemberActTokenRequest, context: grpc.ServicerContext
    ) -> wire.IssueMemberActTokenReply:
        raise NotImplementedError
