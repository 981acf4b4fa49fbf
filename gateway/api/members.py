"""Routes with which staff register, find, read and change members."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import Since, to_message, to_model
from chassis.queries import QueryModel, WholeNumber, number, text
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import MemberId
from gateway.api.writes import Version, versioned
from gateway.clients import Members, call
from rangkiang.members.v1 import models
from rangkiang.members.v1 import people_pb2 as wire

router = APIRouter(tags=["members"], route_class=ApiRoute)


class MembersQuery(QueryModel):
    q: str = text(
        "Words of the name in any order, a number, school or class. Send personal values to POST /members/search.",
        longest=200,
        example="rahma sman 1",
    )
    updated_since: Since = Field(
        default=None,
        description="Only members that were changed at or after this time, also merged and erased ones, the earliest "
        "change first. Without `q`.",
        examples=["2026-11-26T00:00:00Z"],
    )
    limit: Annotated[int, WholeNumber(1, 100)] = number(20, "Members on a page.")
    cursor: str = text("The `next` value of the previous page.", longest=500)


class Member(models.Member):
    """A member with all their data."""

    is_blocked: bool = Field(description="True when a block is in force.", examples=[False])


@router.get("/members", **documented("Find members", "members.SearchMembers"))
async def find_members(
    request: Request, query: Annotated[MembersQuery, Query()], members: Members
) -> models.FoundMembers:
    """Find members by the beginnings of words; every word must match. Moh. finds Muhammad, and titles are ignored."""
    reply = await call(request, members.SearchMembers, to_message(wire.SearchMembersRequest, query))
    return to_model(models.FoundMembers, reply)


@router.post("/members/search", **documented("Find members by personal values", "members.SearchMembers"))
async def search_members(request: Request, body: models.SearchBody, members: Members) -> models.FoundMembers:
    """Find members as GET /members does, or by a phone number, e-mail address or NIK, which must not be in a URL."""
    message = to_message(wire.SearchMembersRequest, body, by_contact=True)
    return to_model(models.FoundMembers, await call(request, members.SearchMembers, message))


@router.get("/member-categories", **documented("Categories of members", "members.ListCategories"))
async def list_member_categories(request: Request, query: NoParameters, members: Members) -> models.Categories:
    """List the categories of members of the caller's institution."""
    reply = await call(request, members.ListCategories, wire.ListCategoriesRequest())
    return to_model(models.Categories, reply)


@router.post("/members", **documented("Register a member", "members.RegisterMember", errors=(409,), status=201))
async def register_member(
    request: Request, response: Response, body: models.NewMemberBody, members: Members
) -> models.NewMember:
    """Register a member and issue a card.

    After MEMBER_LIKELY_DUPLICATE, compare the members, and repeat the request with `confirmed_duplicates`.
    """
    reply = await call(request, members.RegisterMember, to_message(wire.RegisterMemberRequest, body))
    return versioned(response, to_model(models.NewMember, reply), reply.version)


@router.get("/members/{member_id}", **documented("A member", "members.GetMember", errors=(404,)))
async def get_member(
    request: Request, response: Response, member_id: MemberId, query: NoParameters, members: Members
) -> Member:
    """Return a member. Contact data needs the scope members.contact. The audit log records each request."""
    reply = await call(request, members.GetMember, wire.GetMemberRequest(id=member_id))
    return _member(response, reply.member)


@router.patch("/members/{member_id}", **documented("Change a member", "members.ChangeMember", errors=(404, 409)))
async def change_member(
    request: Request,
    response: Response,
    member_id: MemberId,
    body: models.ChangedMemberBody,
    members: Members,
    version: Version,
) -> Member:
    """Change the fields of a member that are in the body."""
    message = to_message(wire.ChangeMemberRequest, body, id=member_id, version=version)
    reply = await call(request, members.ChangeMember, message)
    return _member(response, reply.member)


def _member(response: Response, message: wire.Member) -> Member:
    return versioned(response, to_model(Member, message, is_blocked=bool(message.blocks)), message.version)
