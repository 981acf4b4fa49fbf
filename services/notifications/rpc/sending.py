"""The sender's job, and its calls to other services over their contracts."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.errors import NotFound, Refused
from chassis.rpc import timestamp
from chassis.rpc.client import Stubs
from chassis.service import Resources
from rangkiang.members.v1 import contacts_pb2 as wire
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from rangkiang.members.v1.staff_pb2 import ListScopesRequest
from services.notifications.channels.opening import open_own_channels
from services.notifications.keys import read_own_master
from services.notifications.rpc.places import BranchPlaces
from services.notifications.rpc.rounds import run_rounds
from services.notifications.sending.owners import LinkRequest, PasswordCode, PlaceQuestion
from services.notifications.sending.queue import VISIT
from services.notifications.sending.sender import Sender
from services.notifications.settings import NotificationsSettings
from services.notifications.templates.store import render

ASK_SECONDS = 10.0
PACE_SECONDS = 0.5  # between two rounds, so that a round has the notices of several events


class ServiceOwners:
    """Calls other services over their contracts; the gRPC channel is opened at the first call."""

    def __init__(self, resources: Resources) -> None:
        self._stubs = Stubs(resources.settings, caller="notifications")
        self._places = BranchPlaces(resources.settings)

    def contacts(self, ids: Sequence[UUID]) -> Mapping[UUID, wire.MemberContact]:
        request = wire.ContactsRequest(ids=[str(member_id) for member_id in ids])
        reply = self._members().Contacts(request, timeout=ASK_SECONDS)
        return {UUID(contact.id): contact for contact in reply.members}

    def list_contacts(
        self, ids: Sequence[UUID], metadata: Sequence[tuple[str, str]]
    ) -> Mapping[UUID, wire.MemberContact]:
        """Return contact data with the caller's token, so that the service members records the read."""
        request = wire.ListContactsRequest(ids=[str(member_id) for member_id in ids])
        reply = self._members().ListContacts(request, timeout=ASK_SECONDS, metadata=metadata)
        return {UUID(contact.id): contact for contact in reply.members}

    def password_code(self, member_id: UUID, slip_id: str) -> PasswordCode | None:
        request = wire.MakeSlipCodeRequest(member_id=str(member_id), slip_id=slip_id)
        try:
            reply = self._members().MakeSlipCode(request, timeout=ASK_SECONDS)
        except (NotFound, Refused):
            return None
        return PasswordCode(reply.code, reply.number)

    def links(self, requests: Sequence[LinkRequest]) -> list[str]:
        links = [
            wire.ActLink(
                member_id=str(link.member_id), act=link.act, subject=link.subject, expires_at=timestamp(link.expires_at)
            )
            for link in requests
        ]
        reply = self._members().MakeActLinks(wire.MakeActLinksRequest(links=links), timeout=ASK_SECONDS)
        return list(reply.tokens)

    def scopes(self, ids: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Return id -> scopes of staff accounts and clients; ended and unknown ones are left out."""
        reply = self._members().ListScopes(ListScopesRequest(ids=ids), timeout=ASK_SECONDS)
        return {holder.id: frozenset(holder.scopes) for holder in reply.holders}

    def place(self, question: PlaceQuestion) -> Mapping[str, str]:
        return self._places.describe(question.institution_id, question.branch_id, question.language)

    def _members(self) -> Any:
        return self._stubs.of("members", MembersStub)


def send_notices(resources: Resources, stop: threading.Event) -> None:
    """Send waiting notices until `stop`. While members does not answer, notices wait."""
    own = resources.settings.of(NotificationsSettings)
    channels = open_own_channels(own)
    sender = Sender(
        resources.database,
        ServiceOwners(resources),
        channels,
        read_master=lambda: read_own_master(resources.database, own.master_key),
        render=render,
        public_url=own.public_url,
        visit=VISIT,
    )
    try:
        send_until(stop, sender)
    finally:
        for channel in channels:
            channel.close()


def send_until(stop: threading.Event, sender: Sender) -> None:
    """Run rounds until `stop`. Before the first round and after each error, end the attempts without an outcome.

    The database may fail between a hand-over and the commit of its outcome. Without recovery, the next round would hand
    the same messages over again.
    """
    needs_recovery = True

    def run_round() -> float:
        nonlocal needs_recovery
        started_at = time.monotonic()
        if needs_recovery:
            sender.recover()
        needs_recovery = True
        sender.run_round()
        needs_recovery = False
        return max(0.0, PACE_SECONDS - (time.monotonic() - started_at))

    run_rounds(stop, run_round, log_event="sender_waits")
