"""Routes with which staff register, find, read and change members."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.member_models import (
    LISTED_MEMBER_EXAMPLE,
    MEMBER_EXAMPLE,
    MEMBER_ID_EXAMPLE,
    Categories,
    Category,
    ChangedMemberBody,
    FoundMembers,
    ListedMember,
    Member,
    MemberId,
    MembersQuery,
    NewMember,
    NewMemberBody,
    SearchBody,
)
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel
from gateway.api.schemas import JSON, ResponseModel
from gateway.api.serializers import plain
from gateway.api.writes import Version, version_tag
from gateway.clients import Members, call
from rangkiang.members.v1 import people_pb2 as wire

router = APIRouter(tags=["members"], route_class=ApiRoute)

ERRORS = (400, 401, 403, 429, 503, 504)
_FOUND = {"total": 1, "has_more": False, "hits": [LISTED_MEMBER_EXAMPLE]}
_NEW = {"id": MEMBER_ID_EXAMPLE, "number": "1000000018", "version": 1, "category": "umum", "expires_on": "2028-11-26"}
_SERVICE = "/rangkiang.members.v1.Members"


@router.get(
    "/members",
    response_model=FoundMembers,
    **documented(operation="find_members", summary="Find members", example=_FOUND, errors=ERRORS),
)
async def find(request: Request, query: Annotated[MembersQuery, Query()], members: Members) -> Response:
    """Find members by the beginnings of words; every word must match. Moh. finds Muhammad, and titles are ignored."""
    message = wire.SearchMembersRequest(q=query.q, limit=query.limit, cursor=query.cursor)
    return _found(await call(request, members.SearchMembers, message))


@router.post(
    "/members/search",
    response_model=FoundMembers,
    **documented(
        operation="search_members",
        summary="Find members by personal values",
        example=_FOUND,
        errors=ERRORS,
        method=f"{_SERVICE}/SearchMembers",
    ),
)
async def search(request: Request, body: SearchBody, members: Members) -> Response:
    """Find members as GET /members does, or by a phone number, e-mail address or NIK, which must not be in a URL."""
    message = wire.SearchMembersRequest(**body.model_dump(), by_contact=True)
    return _found(await call(request, members.SearchMembers, message))


@router.get(
    "/member-categories",
    response_model=Categories,
    **documented(
        operation="list_member_categories",
        summary="Categories of members",
        example={
            "total": 1,
            "hits": [{"code": "umum", "name": {"id": "Umum", "en": "General public"}, "months": 24, "kind": "person"}],
        },
        errors=ERRORS,
    ),
)
async def categories(request: Request, query: Annotated[QueryModel, Query()], members: Members) -> Response:
    """List the categories of members of the caller's institution."""
    reply = await call(request, members.ListCategories, wire.ListCategoriesRequest())
    hits = [Category(**plain(category)) for category in reply.categories]
    return private(Categories(total=len(hits), hits=hits))


@router.post(
    "/members",
    response_model=NewMember,
    status_code=201,
    **documented(
        operation="register_member",
        summary="Register a member",
        example=_NEW,
        errors=(*ERRORS, 409),
        method=f"{_SERVICE}/RegisterMember",
        status=201,
    ),
)
async def register(request: Request, body: NewMemberBody, members: Members) -> Response:
    """Register a member and issue a card.

    After MEMBER_LIKELY_DUPLICATE, compare the members, and repeat the request with `confirmed_duplicates`.
    """
    message = wire.RegisterMemberRequest(
        fields=body.message(),
        number=body.number,
        aliases=[wire.Alias(kind=alias.kind, code=alias.code) for alias in body.aliases],
        evidence=body.evidence,
        consents=body.consent_messages(),
        confirmed_duplicates=body.confirmed_duplicates,
    )
    reply = await call(request, members.RegisterMember, message)
    return private(NewMember(**plain(reply)), status=201, version=reply.version)


@router.get(
    "/members/{member_id}",
    response_model=Member,
    **documented(operation="get_member", summary="A member", example=MEMBER_EXAMPLE, errors=(*ERRORS, 404)),
)
async def get(
    request: Request, member_id: MemberId, query: Annotated[QueryModel, Query()], members: Members
) -> Response:
    """Return a member. Contact data needs the scope members.contact. The audit log records each request."""
    reply = await call(request, members.GetMember, wire.GetMemberRequest(id=member_id))
    return _member(reply.member)


@router.patch(
    "/members/{member_id}",
    response_model=Member,
    **documented(
        operation="change_member",
        summary="Change a member",
        example=MEMBER_EXAMPLE,
        errors=(*ERRORS, 404, 409),
        method=f"{_SERVICE}/ChangeMember",
    ),
)
async def change(
    request: Request, member_id: MemberId, body: ChangedMemberBody, members: Members, version: Version
) -> Response:
    """Change the fields of a member that are in the body."""
    message = wire.ChangeMemberRequest(
        id=member_id,
        version=version,
        fields=body.message(),
        evidence=body.evidence,
        consents=body.consent_messages(),
    )
    reply = await call(request, members.ChangeMember, message)
    return _member(reply.member)


def private(model: ResponseModel, *, status: int = 200, version: int = 0) -> Response:
    """Respond with data that no cache may store. A version above 0 is also the ETag."""
    headers = {"Cache-Control": "no-store"} | ({"ETag": version_tag(version)} if version else {})
    return Response(model.to_json(), status_code=status, media_type=JSON, headers=headers)


def _found(reply: wire.SearchMembersReply) -> Response:
    hits = [ListedMember(**plain(member)) for member in reply.members]
    return private(FoundMembers(total=reply.total, has_more=reply.has_more, hits=hits, next=reply.cursor or None))


def _member(message: wire.Member) -> Response:
    fields = plain(message)
    for name in ("guardian", "responsible", "contact"):
        if not message.HasField(name):
            del fields[name]
    return private(Member(**fields, is_blocked=bool(message.blocks)), version=message.version)
