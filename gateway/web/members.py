"""/members — the desk finds a member, and sees what it must know of one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error
from gateway.clients import call, members
from gateway.negotiation import language
from gateway.web.forms import Form, for_signed_in, read_form, redirect, refuse, signed_in_form
from gateway.web.hits import local_text
from gateway.web.rendering import page
from rangkiang.members.v1 import people_pb2 as wire

router = APIRouter()

PAGE = 20


@router.get("/members")
@for_signed_in
async def box(request: Request) -> Response:
    # Asks for no member, and refuses readers who may not.
    await call(request, members(request).ListCategories, wire.ListCategoriesRequest())
    return page(request, "members.html", query="", form=signed_in_form(request, {"q": ""}), found=None)


@router.post("/members")
@for_signed_in
async def search(request: Request) -> Response:
    """Find members by number, name, phone, school or class; the only hit is opened.

    A form and no address, because a phone number may be typed into the box.
    """
    fields = await read_form(request)
    form = signed_in_form(request, {"q": fields.text("q")})
    if not fields.text("q"):
        return page(request, "members.html", query="", form=form, found=None)
    message = wire.SearchMembersRequest(
        q=fields.text("q")[:200], limit=PAGE, cursor=fields.get("cursor", ""), by_contact=True
    )
    try:
        found = await call(request, members(request).SearchMembers, message)
    except Error as problem:
        refuse(request, form, problem, {})
        return page(request, "members.html", query="", form=form, found=None, status=problem.http_status)
    if len(found.members) == 1 and not message.cursor:
        return redirect(f"/members/{found.members[0].id}")
    return page(request, "members.html", query="", form=form, found=found, categories=await category_names(request))


@router.get("/members/{member_id}")
@for_signed_in
async def member(request: Request) -> Response:
    return await member_page(request, signed_in_form(request))


async def member_page(request: Request, form: Form, *, status: int = 200, **facts: Any) -> Response:
    """Render the page of a member; `form` is that of each of its acts."""
    member_id = request.path_params["member_id"]
    found = (await call(request, members(request).GetMember, wire.GetMemberRequest(id=member_id))).member
    lang = language(request)
    return page(
        request,
        "member.html",
        query="",
        form=form,
        member=found,
        category=local_text(found.category_name, lang) or found.category,
        status=status,
        **facts,
    )


async def category_names(request: Request) -> dict[str, str]:
    """Return the names of the institution's categories by code, in their order."""
    reply = await call(request, members(request).ListCategories, wire.ListCategoriesRequest())
    return {
        category.code: local_text(category.name, language(request)) or category.code for category in reply.categories
    }
