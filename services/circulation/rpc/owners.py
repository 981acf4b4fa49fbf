"""Requests the copy of an unknown item from the catalogue, or of an unknown member from members, once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from chassis.context import Context, system
from chassis.errors import Error, NotFound
from chassis.rpc.client import Stubs
from chassis.service import Resources
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub
from rangkiang.catalog.v1.items_pb2 import GetItemCopyRequest
from rangkiang.members.v1.events_pb2 import GetMemberFactRequest
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from services.circulation import borrowers, copies

log = logging.getLogger(__name__)

ASK_SECONDS = 0.3
COPYING = system("copies")
_UNKNOWN = {"COPY_UNKNOWN", "BORROWER_UNKNOWN"}

Result = TypeVar("Result")


class Owners:
    """Clients of the services that own items and members. Channels are opened at the first call."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._stubs = Stubs(resources.settings, caller="circulation")

    def retry_known(
        self, caller: Context, grpc_context: Any, read: Callable[[], Result], *, item: str = "", member: str = ""
    ) -> Result:
        """Run a function that reads copies. If a copy is unknown, request it from its owner and run the function again.

        read          raises NotFound COPY_UNKNOWN or BORROWER_UNKNOWN, outside every transaction
        grpc_context  context of the call, because the owners need the caller's own token
        item, member  ids, or numbers as scanned
        """
        try:
            return read()
        except NotFound as problem:
            if not problem.reasons & _UNKNOWN:
                raise
            reasons = problem.reasons
        metadata = [pair for pair in grpc_context.invocation_metadata() if pair[0] == "authorization"]
        if "COPY_UNKNOWN" in reasons and item:
            self._copy_item(caller, item, metadata)
        if "BORROWER_UNKNOWN" in reasons and member:
            self._copy_member(member, metadata)
        return read()

    def _copy_item(self, caller: Context, item: str, metadata: list[tuple[str, str]]) -> None:
        is_id = copies.read_id(item) is not None
        request = GetItemCopyRequest(
            id=item if is_id else "", barcode="" if is_id else item, institution_id=caller.institution
        )
        ask = self._stubs.of("catalog", CatalogStub).GetItemCopy
        reply = _ask(lambda: ask(request, timeout=ASK_SECONDS, metadata=metadata))
        if reply is not None and reply.item.institution_id == caller.institution:
            with self._resources.database.transaction(COPYING) as session:
                copies.copy_items(session, [reply.item])

    def _copy_member(self, member: str, metadata: list[tuple[str, str]]) -> None:
        ask = self._stubs.of("members", MembersStub).GetMemberFact
        request = GetMemberFactRequest(member=member)
        reply = _ask(lambda: ask(request, timeout=ASK_SECONDS, metadata=metadata))
        if reply is not None:
            with self._resources.database.transaction(COPYING) as session:
                borrowers.copy_members(session, [reply.member])


def _ask(call: Callable[[], Any]) -> Any:
    """Return the reply; None when the owner does not know the object or does not answer. Then it stays unknown."""
    try:
        return call()
    except NotFound:
        return None
    except Error as problem:
        log.info("owner_without_answer", extra={"why": problem.reason})
        return None
