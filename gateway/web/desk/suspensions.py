"""/desk/suspensions: the members who are suspended now, and a button that ends a suspension with a reason."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error
from gateway.api.suspensions import suspensions_as_csv
from gateway.clients import call, circulation
from gateway.sessions import may
from gateway.web.desk.lending import names_of
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from rangkiang.circulation.v1 import loans_pb2 as wire

router = SignedInRouter()

_PAGE = 100


@router.get("/desk/suspensions")
async def suspensions(request: Request) -> Response:
    note = "suspensions.ended" if request.query_params.get("ended") else ""
    return await _list(request, signed_in_form(request), note=note)


@router.get("/desk/suspensions.csv")
async def suspensions_csv(request: Request) -> Response:
    return await suspensions_as_csv(request, wire.ListSuspensionsRequest())


@router.post("/desk/suspensions")
async def end_suspension(request: Request) -> Response:
    """End the suspension of one member of the list, and show the list again."""
    fields = await read_form(request)
    form = signed_in_form(request, fields)
    message = wire.EndSuspensionRequest(member=fields.text("member"), reason=fields.text("reason"))
    try:
        await call(request, circulation(request).EndSuspension, message)
    except Error as problem:
        return await _list(request, refuse(request, form, problem, {}))
    return redirect("/desk/suspensions?ended=1")


async def _list(request: Request, form: Form, *, note: str = "") -> Response:
    message = wire.ListSuspensionsRequest(limit=_PAGE, cursor=request.query_params.get("cursor", "")[:500])
    reply = await call(request, circulation(request).ListSuspensions, message)
    names = await names_of(request, [row.member_id for row in reply.suspensions])
    return page(
        request,
        "suspensions.html",
        form=form,
        rows=[(row, (names or {}).get(row.member_id, row.card)) for row in reply.suspensions],
        total=reply.total,
        cursor=reply.cursor,
        are_names_missing=names is None,
        may_end=may(request, "members.block"),
        note=note,
    )
