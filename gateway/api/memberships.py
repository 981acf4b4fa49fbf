"""Routes with which staff renew, block, merge and erase memberships."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.member_models import MEMBER_ID_EXAMPLE, Body, MemberId
from gateway.api.members import ERRORS, private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.schemas import ResponseModel
from gateway.api.serializers import plain
from gateway.clients import Members, call
from rangkiang.members.v1 import people_pb2 as wire

router = APIRouter(tags=["members"], route_class=ApiRoute)
SERVICE = "/rangkiang.members.v1.Members"
BLOCK_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f06-23456789abcd"
_ERRORS = (*ERRORS, 404, 409)
BlockId = Annotated[str, Path(description="A block's identifier (UUID).", examples=[BLOCK_ID_EXAMPLE])]
MergeId = Annotated[str, Path(description="A merge's identifier (UUID).", examples=[BLOCK_ID_EXAMPLE])]


class RenewalBody(Body):
    """A renewal. Without `expires_on`, the category sets the length."""

    expires_on: str = Field("", description="New last day, ISO 8601.", max_length=40, examples=["2028-11-26"])
    category: str = Field("", description="New category; by default the same.", max_length=64, examples=["umum"])


class BlockBody(Body):
    """A block, during which a member may not borrow."""

    reason: str = Field(
        description="lost_item, damaged_item, unpaid, conduct, wrong_data or other.",
        max_length=40,
        examples=["lost_item"],
    )
    note: str = Field("", description="Note for staff.", max_length=2_000, examples=["Two books of the school box."])
    ends_on: str = Field("", description="Last day, ISO 8601; by default none.", max_length=40, examples=["2027-01-31"])


class MergeBody(Body):
    """The other membership of the same person."""

    merged_id: str = Field(description="Id of the member that is merged into the member of the path.", max_length=64,
                           examples=[MEMBER_ID_EXAMPLE])  # fmt: skip


class Renewed(ResponseModel):
    """The renewed membership."""

    id: str
    """Identifier (UUID)."""
    version: int
    """Version of the member."""
    expires_on: str
    """Last day, ISO 8601; empty when the membership has no end."""


class Blocked(ResponseModel):
    """The block."""

    id: str
    """Identifier (UUID) of the member."""
    block_id: str
    """Identifier (UUID) of the block."""
    version: int
    """Version of the member."""


class Merged(ResponseModel):
    """The merge."""

    merge_id: str
    """Identifier (UUID) of the merge, for the route that undoes it."""
    version: int
    """Version of the member that remains."""


class Changed(ResponseModel):
    """The member after an act."""

    version: int
    """Version of the member."""


class Erased(ResponseModel):
    """The erased member."""

    id: str
    """Identifier (UUID) of the member, which statistics keep."""


@router.post(
    "/members/{member_id}/renewals",
    response_model=Renewed,
    status_code=201,
    **documented(
        operation="renew_membership",
        summary="Renew a membership",
        example={"id": MEMBER_ID_EXAMPLE, "version": 2, "expires_on": "2028-11-26"},
        errors=_ERRORS,
        method=f"{SERVICE}/RenewMembership",
        status=201,
    ),
)
async def renew(request: Request, member_id: MemberId, body: RenewalBody, members: Members) -> Response:
    """Renew a membership from its current end, or from today when the end has passed."""
    message = wire.RenewMembershipRequest(id=member_id, expires_on=body.expires_on, category=body.category)
    reply = await call(request, members.RenewMembership, message)
    return private(Renewed(**plain(reply)), status=201, version=reply.version)


@router.post(
    "/members/{member_id}/blocks",
    response_model=Blocked,
    status_code=201,
    **documented(
        operation="block_member",
        summary="Block a member",
        example={"id": MEMBER_ID_EXAMPLE, "block_id": BLOCK_ID_EXAMPLE, "version": 2},
        errors=_ERRORS,
        method=f"{SERVICE}/BlockMember",
        status=201,
    ),
)
async def block(request: Request, member_id: MemberId, body: BlockBody, members: Members) -> Response:
    """Block a member until the last day of the block, or until staff end it."""
    reply = await call(request, members.BlockMember, wire.BlockMemberRequest(id=member_id, **body.model_dump()))
    return private(Blocked(**plain(reply)), status=201, version=reply.version)


@router.delete(
    "/members/{member_id}/blocks/{block_id}",
    response_model=Changed,
    **documented(
        operation="end_block",
        summary="End a block",
        example={"version": 3},
        errors=_ERRORS,
        method=f"{SERVICE}/EndBlock",
    ),
)
async def end_block(request: Request, member_id: MemberId, block_id: BlockId, members: Members) -> Response:
    """End a block. The audit log keeps it."""
    reply = await call(request, members.EndBlock, wire.EndBlockRequest(id=member_id, block_id=block_id))
    return private(Changed(version=reply.version), version=reply.version)


@router.post(
    "/members/{member_id}/merge",
    response_model=Merged,
    status_code=201,
    **documented(
        operation="merge_members",
        summary="Merge two memberships of one person",
        example={"merge_id": BLOCK_ID_EXAMPLE, "version": 2},
        errors=_ERRORS,
        method=f"{SERVICE}/MergeMembers",
        status=201,
    ),
)
async def merge(request: Request, member_id: MemberId, body: MergeBody, members: Members) -> Response:
    """Merge another member into the member of the path, who gets the other's numbers, blocks and documents."""
    message = wire.MergeMembersRequest(id=member_id, merged_id=body.merged_id)
    reply = await call(request, members.MergeMembers, message)
    return private(Merged(**plain(reply)), status=201, version=reply.version)


@router.delete(
    "/members/{member_id}/merge/{merge_id}",
    response_model=Changed,
    **documented(
        operation="undo_merge",
        summary="Undo a merge",
        example={"version": 3},
        errors=_ERRORS,
        method=f"{SERVICE}/UndoMerge",
    ),
)
async def undo_merge(request: Request, member_id: MemberId, merge_id: MergeId, members: Members) -> Response:
    """Separate the data of the merged member again, except loans."""
    reply = await call(request, members.UndoMerge, wire.UndoMergeRequest(id=member_id, merge_id=merge_id))
    return private(Changed(version=reply.version), version=reply.version)


@router.post(
    "/members/{member_id}/erasure",
    response_model=Erased,
    **documented(
        operation="erase_member",
        summary="Erase a member",
        example={"id": MEMBER_ID_EXAMPLE},
        errors=_ERRORS,
        method=f"{SERVICE}/EraseMember",
    ),
)
async def erase(request: Request, member_id: MemberId, members: Members) -> Response:
    """Erase a member: destroy the key of the sealed values and clear the row.

    Refused while a loan, a fee or a block is open, or while the member is a guardian.
    """
    reply = await call(request, members.EraseMember, wire.EraseMemberRequest(id=member_id))
    return private(Erased(id=reply.id))
