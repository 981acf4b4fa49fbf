"""The gRPC servicer: it translates requests and results. Each part of the contract has a module."""

from __future__ import annotations

import grpc

from chassis.context import system
from chassis.rpc.client import Stubs
from chassis.rpc.published import PublishedMethods
from chassis.service import Resources
from rangkiang.common.v1.token_state_pb2 import GetTokenStateReply, GetTokenStateRequest, SigningKey
from rangkiang.members.v1.members_pb2_grpc import MembersServicer
from services.members.keys import Keys, public_keys
from services.members.rpc.cards import CardMethods
from services.members.rpc.contacts import ContactMethods
from services.members.rpc.requests import RequestMethods
from services.members.rpc.sign_in import SignInMethods
from services.members.rpc.staff import StaffMethods
from services.members.rpc.standing import StandingMethods
from services.members.rpc.usage import UsageMethods
from services.members.settings import MembersSettings
from services.members.sign_in import passwords
from services.members.sign_in.sessions import revoked

TOKENS = system("tokens")


class Members(
    SignInMethods,
    StaffMethods,
    UsageMethods,
    CardMethods,
    RequestMethods,
    StandingMethods,
    ContactMethods,
    PublishedMethods,
    MembersServicer,
):
    """The servicer of the whole contract."""

    def GetTokenState(self, request: GetTokenStateRequest, context: grpc.ServicerContext) -> GetTokenStateReply:
        with self._database.reading(TOKENS) as session:
            keys, ended = public_keys(session), revoked(session)
        return GetTokenStateReply(
            keys=[SigningKey(id=key.id, public_key=key.public_key) for key in keys], revoked=ended
        )


def servicer(resources: Resources) -> Members:
    """Create the servicer of members."""
    settings = resources.settings.of(MembersSettings)
    passwords.share_turns(settings.workers)
    stubs = Stubs(resources.settings, caller="members")
    return Members(resources.database, Keys(resources.database, settings), settings, stubs)
