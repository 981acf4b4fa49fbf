"""Routes with which staff renew, block, merge and erase memberships."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import NotFound
from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import MemberId, one_of
from gateway.api.writes import version_tag, versioned
from gateway.clients import Members, call
from rangkiang.members.v1 import models
from rangkiang.members.v1 import people_pb2 as wire

router = APIRouter(tags=["members"], route_class=ApiRoute)
BLOCK_ID_EXAMPLE = "0192f3a4-5b6c-7d8e-9f06-23456789abcd"
BlockId = Annotated[str, Path(description="A block's identifier (UUID).", examples=[BLOCK_ID_EXAMPLE])]
MergeId = Annotated[str, Path(description="A merge's identifier (UUID).", examples=[BLOCK_ID_EXAMPLE])]


@router.post(
    "/members/{member_id}/renewals",
    **documented("Renew a membership", "members.RenewMembership", errors=(404, 409), status=201),
)
async def renew_membership(
    request: Request, response: Response, member_id: MemberId, body: models.RenewalBody, members: Members
) -> models.Renewed:
    """Renew a membership from its current end, or from today when the end has passed."""
    message = to_message(wire.RenewMembershipRequest, body, id=member_id)
    reply = await call(request, members.RenewMembership, message)
    return versioned(response, to_model(models.Renewed, reply), reply.version)


@router.post(
    "/members/{member_id}/blocks", **documented("Block a member", "members.BlockMember", errors=(404, 409), status=201)
)
async def block_member(
    request: Request, response: Response, member_id: MemberId, body: models.BlockBody, members: Members
) -> models.Blocked:
    """Block a member until the last day of the block, or until staff end it."""
    reply = await call(request, members.BlockMember, to_message(wire.BlockMemberRequest, body, id=member_id))
    return versioned(response, to_model(models.Blocked, reply), reply.version)


@router.get(
    "/members/{member_id}/blocks/{block_id}", **documented("A block in force", "members.GetMember", errors=(404,))
)
async def get_block(
    request: Request, member_id: MemberId, block_id: BlockId, query: NoParameters, members: Members
) -> models.Block:
    """Return a block of a member that is in force. The audit log records each request."""
    reply = await call(request, members.GetMember, wire.GetMemberRequest(id=member_id))
    return to_model(models.Block, one_of(reply.member.blocks, block_id, NotFound("BLOCK_NOT_FOUND", id=block_id[:64])))


@router.delete(
    "/members/{member_id}/blocks/{block_id}",
    **documented("End a block", "members.EndBlock", errors=(404, 409), status=204),
)
async def end_block(
    request: Request, response: Response, member_id: MemberId, block_id: BlockId, members: Members
) -> None:
    """End a block. The audit log keeps it."""
    reply = await call(request, members.EndBlock, wire.EndBlockRequest(id=member_id, block_id=block_id))
    response.headers["ETag"] = version_tag(reply.version)


@router.post(
    "/member-merges",
    **documented("Merge two memberships of one person", "members.MergeMembers", errors=(404, 409), status=201),
)
async def merge_members(
    request: Request, response: Response, body: models.MergeBody, members: Members
) -> models.Merged:
    """Merge a member into another, who gets its numbers, blocks and documents. The ETag is that of the kept member."""
    reply = await call(request, members.MergeMembers, to_message(wire.MergeMembersRequest, body))
    return versioned(response, to_model(models.Merged, reply), reply.version)


@router.get("/member-merges/{merge_id}", **documented("A merge", "members.GetMerge", errors=(404,)))
async def get_merge(request: Request, merge_id: MergeId, query: NoParameters, members: Members) -> models.MemberMerge:
    """Return which member was merged into which, and when."""
    return to_model(models.MemberMerge, await call(request, members.GetMerge, wire.GetMergeRequest(id=merge_id)))


@router.post("/member-merges/{merge_id}/undo", **documented("Undo a merge", "members.UndoMerge", errors=(404, 409)))
async def undo_merge(request: Request, response: Response, merge_id: MergeId, members: Members) -> models.Changed:
    """Separate the data of the merged member again, except loans. The ETag is the version of the kept member."""
    reply = await call(request, members.UndoMerge, wire.UndoMergeRequest(merge_id=merge_id))
    return versioned(response, to_model(models.Changed, reply), reply.version)


@router.post("/members/{member_id}/erasure", **documented("Erase a member", "members.EraseMember", errors=(404, 409)))
async def erase_member(request: Request, member_id: MemberId, members: Members) -> models.Erased:
    """Erase a member: destroy the key of the sealed values and clear the row.

    Refused while a loan, a fee or a block is open, or while the member is a guardian.
    """
    reply = await call(request, members.EraseMember, wire.EraseMemberRequest(id=member_id))
    return to_model(models.Erased, reply)
