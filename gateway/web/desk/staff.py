"""/staff: the staff of the institution and their roles, for administrators."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound
from chassis.models import choices
from gateway.clients import call, members
from gateway.links import absolute_url
from gateway.negotiation import language
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import wording
from rangkiang.members.v1 import staff_pb2 as wire

router = SignedInRouter()

ROLES = choices(wire.StaffMember, "roles")
_FIELDS = {
    "USER_NAME_INVALID": "user",
    "USER_NAME_TAKEN": "user",
    "NAME_INVALID": "name",
    "ROLE_MISSING": "roles",
    "ROLE_NOT_YOURS": "roles",
    "ROLE_UNKNOWN": "roles",
    "ROLES_ARE_YOUR_OWN": "roles",
}


@router.get("/staff")
async def staff(request: Request) -> Response:
    return await _list_page(request, signed_in_form(request, {"roles": []}))


@router.post("/staff")
async def add_staff(request: Request) -> Response:
    """Add a person and show the one-time link. No other page shows the link."""
    fields = await read_form(request)
    user, name, roles = fields.text("user"), fields.text("name"), fields.many("roles")
    try:
        reply = await call(request, members(request).AddStaff, wire.AddStaffRequest(user=user, name=name, roles=roles))
    except Error as problem:
        form = signed_in_form(request, {"user": user, "name": name, "roles": roles})
        return await _list_page(request, refuse(request, form, problem, _FIELDS))
    return _link_page(request, reply.member, reply.link, is_new=True)


def _link_page(request: Request, person: wire.StaffMember, link: str, *, is_new: bool) -> Response:
    address = absolute_url(request, f"/sign-in/link/{link}")
    return page(request, "staff_added.html", person=person, link=address, is_new=is_new)


def role_options(request: Request) -> list[tuple[str, str, str]]:
    """Return (code, name, description) of each role."""
    words = wording(language(request))
    return [(role, words.code("role", role), words.say(f"staff.role.{role}")) for role in ROLES]


async def _list_page(request: Request, form: Form) -> Response:
    staff = (await call(request, members(request).ListStaff, wire.ListStaffRequest())).staff
    return page(request, "staff.html", staff=staff, form=form, role_options=role_options(request))


@router.get("/staff/{account_id}")
async def person(request: Request) -> Response:
    return await _person_page(request, signed_in_form(request))


@router.post("/staff/{account_id}")
async def set_roles(request: Request) -> Response:
    """Replace the roles of a person. The button that closes the account sends no roles."""
    fields = await read_form(request)
    closes = "close" in fields
    roles = [] if closes else fields.many("roles")
    form = signed_in_form(request, {"roles": roles})
    if not roles and not closes:
        form.add_error("roles", wording(language(request)).say("staff.without_roles"))
        return await _person_page(request, form)
    message = wire.SetRolesRequest(
        id=request.path_params["account_id"],
        roles=roles,
        version=fields.version(),
    )
    act = call(request, members(request).SetRoles, message)
    return await act_or_show(request, act, "/staff", show=_person_page, form=form, form_fields=_FIELDS)


@router.post("/staff/{account_id}/links")
async def make_link(request: Request) -> Response:
    """Make a new one-time link and show it. No other page shows the link."""
    await read_form(request)
    message = wire.MakeLinkRequest(id=request.path_params["account_id"])
    try:
        reply = await call(request, members(request).MakeLink, message)
    except NotFound:
        raise
    except Error as problem:
        form = refuse(request, signed_in_form(request), problem, {})
        return await _person_page(request, form)
    return _link_page(request, reply.member, reply.link, is_new=False)


async def _person_page(request: Request, form: Form) -> Response:
    person = await _find(request)
    if "roles" not in form.values:
        form.values = {**form.values, "roles": list(person.roles)}
    return page(
        request,
        "staff_person.html",
        person=person,
        form=form,
        role_options=role_options(request),
    )


async def _find(request: Request) -> wire.StaffMember:
    staff = (await call(request, members(request).ListStaff, wire.ListStaffRequest())).staff
    for member in staff:
        if member.id == request.path_params["account_id"]:
            return member
    raise NotFound("ROUTE_NOT_FOUND")
