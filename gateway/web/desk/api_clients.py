"""/clients: programs of other systems that call the API, for administrators."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error
from gateway.clients import call, members
from gateway.web.desk.staff import ROLES, role_options
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from rangkiang.members.v1 import staff_pb2 as wire

router = SignedInRouter()

_FIELDS = {
    "CLIENT_NAME_INVALID": "name",
    "CLIENT_EXISTS": "name",
    "ROLE_NOT_YOURS": "role",
    "ROLE_UNKNOWN": "role",
}


@router.get("/clients")
async def clients(request: Request) -> Response:
    return await _list_page(request, signed_in_form(request, {"role": ROLES[0]}))


@router.post("/clients")
async def add_client(request: Request) -> Response:
    """Add a client and show its secret. No other page shows the secret."""
    fields = await read_form(request)
    name, role = fields.text("name"), fields.text("role")
    try:
        reply = await call(request, members(request).AddClient, wire.AddClientRequest(name=name, role=role))
    except Error as problem:
        form = refuse(request, signed_in_form(request, {"name": name, "role": role}), problem, _FIELDS)
        return await _list_page(request, form)
    return page(request, "client_added.html", client=reply.client, secret=reply.secret)


@router.post("/clients/{client_id}/revoke")
async def revoke_client(request: Request) -> Response:
    await read_form(request)
    await call(request, members(request).RevokeClient, wire.RevokeClientRequest(id=request.path_params["client_id"]))
    return redirect("/clients")


async def _list_page(request: Request, form: Form) -> Response:
    listed = (await call(request, members(request).ListClients, wire.ListClientsRequest())).clients
    return page(
        request,
        "clients.html",
        clients=listed,
        form=form,
        role_choices=[option[:2] for option in role_options(request)],
    )
