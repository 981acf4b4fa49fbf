"""A desk of the library: calls the methods of members with an access token of a role."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any
from uuid import UUID

from chassis.errors import Error
from chassis.security.auth import Principal
from rangkiang.members.v1 import people_pb2 as wire
from services.members.roles import scopes_of
from tests.services.members.conftest import PKS, Office, bearer


class Desk:
    """Somebody of staff with a role, of one institution."""

    def __init__(self, office: Office, role: str = "manager", institution: UUID = PKS, *, actor: UUID | None = None):
        self.office = office
        self.actor = str(actor or uuid.uuid4())
        principal = Principal(
            id=self.actor, institution=str(institution), session=str(uuid.uuid4()), scopes=scopes_of([role])
        )
        self.token = office.keys.sign(principal)

    def call(self, method: str, request: Any, *, key: str = "") -> Any:
        """Call a method under a new Idempotency-Key, or under this one."""
        metadata = [*bearer(self.token), ("idempotency-key", key or str(uuid.uuid4()))]
        return getattr(self.office.stub, method)(request, metadata=metadata)

    def register(self, name: str = "Siti Rahma", *, key: str = "", request: Any = None, **fields: Any) -> Any:
        """Register a member; `fields` are those of MemberFields."""
        request = request or wire.RegisterMemberRequest()
        request.fields.MergeFrom(wire.MemberFields(**{"category": "umum", "name": name, **fields}))
        return self.call("RegisterMember", request, key=key)

    def get(self, member_id: str) -> Any:
        return self.call("GetMember", wire.GetMemberRequest(id=member_id)).member

    def change(self, member_id: str, version: int, **fields: Any) -> Any:
        request = wire.ChangeMemberRequest(id=member_id, version=version, fields=wire.MemberFields(**fields))
        return self.call("ChangeMember", request).member

    def find(self, q: str = "", **more: Any) -> Any:
        return self.call("SearchMembers", wire.SearchMembersRequest(q=q, **more))

    def names(self, q: str = "", **more: Any) -> list[str]:
        return [member.name for member in self.find(q, **more).members]


def reasons(call: Callable[[], Any]) -> list[str]:
    """The reasons for which a call is refused, in their order; empty when it is not."""
    try:
        call()
    except Error as error:
        return [refusal.reason for refusal in error.refusals]
    return []


def error_of(call: Callable[[], Any]) -> Error:
    """The error of a call that is refused."""
    try:
        call()
    except Error as error:
        return error
    raise AssertionError("the call was not refused")
