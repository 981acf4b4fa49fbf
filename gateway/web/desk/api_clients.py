"""/clients: programs of other systems that call the API, their plans and statements, for administrators."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from chassis import clock
from chassis.errors import Error
from gateway.api.staff import usage_as_csv
from gateway.clients import call, members
from gateway.negotiation import language
from gateway.web.desk.staff import ROLES, role_options
from gateway.web.forms import Form, SignedInRouter, act_or_show, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import Wording, wording
from rangkiang.members.v1 import staff_pb2 as wire

router = SignedInRouter()

_FIELDS = {
    "CLIENT_NAME_INVALID": "name",
    "CLIENT_EXISTS": "name",
    "ROLE_NOT_YOURS": "role",
    "ROLE_UNKNOWN": "role",
}
LIMITS: Final = ("requests_a_minute", "requests_a_day", "records_a_day")
MOST_MONTHS: Final = 6  # with a link, before the month that is shown
_LIMIT = re.compile(r"[1-9][0-9]{0,9}")
_MOST: Final = 1_000_000_000
_ZONE = ZoneInfo("Asia/Jakarta")


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


@router.get("/clients/{client_id}")
async def client(request: Request) -> Response:
    return await _client_page(request, signed_in_form(request))


@router.post("/clients/{client_id}")
async def change_client(request: Request) -> Response:
    """Change the plan; an empty field stands for the default of the role."""
    fields = await read_form(request)
    client_id, words = request.path_params["client_id"], wording(language(request))
    typed = {name: fields.text(name) for name in LIMITS}
    form = signed_in_form(request, {**typed, "version": fields.text("version")})
    limits = {name: re.sub(r"[.,\s]", "", text) for name, text in typed.items()}
    for name, text in limits.items():
        if text and not (_LIMIT.fullmatch(text) and int(text) <= _MOST):
            form.add_error(name, words.say("clients.wrong_limit"))
    if form.errors:
        return await _client_page(request, form)
    message = wire.ChangeClientRequest(
        id=client_id, version=fields.version(), **{name: int(text or 0) for name, text in limits.items()}
    )
    act = call(request, members(request).ChangeClient, message)
    return await act_or_show(request, act, f"/clients/{client_id}", show=_client_page, form=form, form_fields={})


@router.get("/clients/{client_id}/usage.csv")
async def usage_csv(request: Request) -> Response:
    message = wire.ReportUsageRequest(
        month=request.query_params.get("month", "")[:10], client_id=request.path_params["client_id"]
    )
    return await usage_as_csv(request, message)


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


async def _client_page(request: Request, form: Form) -> Response:
    client_id, words = request.path_params["client_id"], wording(language(request))
    reply = await call(request, members(request).GetClient, wire.GetClientRequest(id=client_id))
    client = reply.client
    month = request.query_params.get("month", "")[:10] or f"{clock.now().astimezone(_ZONE):%Y-%m}"
    message = wire.ReportUsageRequest(month=month, client_id=client_id)
    counts = (await call(request, members(request).ReportUsage, message)).counts
    if "version" not in form.values:
        own = {name: str(getattr(client, name) or "") for name in LIMITS}
        form.values = {**own, "version": str(client.version)}
    return page(
        request,
        "client.html",
        client=client,
        form=form,
        defaults=[(name, getattr(reply.default_plan, name)) for name in LIMITS],
        counts=counts,
        totals=_totals(counts),
        month=month,
        month_name=_month_name(month, words),
        other_months=[(value, _month_name(value, words)) for value in _months_before(month)],
    )


def _totals(counts: Iterable[wire.UsageCount]) -> list[tuple[str, tuple[int, int, int]]]:
    """Return requests, records and refusals of the month by protocol."""
    totals: dict[str, tuple[int, int, int]] = {}
    for count in counts:
        requests, records, refusals = totals.get(count.protocol, (0, 0, 0))
        totals[count.protocol] = (
            requests + count.requests, records + count.records, refusals + count.refusals,
        )  # fmt: skip
    return sorted(totals.items())


def _months_before(month: str) -> list[str]:
    """Return the months before a month and the month after it, unless that is in the future; the newest first."""
    first = date.fromisoformat(f"{month}-01")
    months = [first]
    for _ in range(MOST_MONTHS):
        if months[-1].year > 1:
            months.append((months[-1] - timedelta(days=1)).replace(day=1))
    this_month = clock.now().astimezone(_ZONE).date().replace(day=1)
    after = [(first + timedelta(days=31)).replace(day=1)] if first < this_month else []
    return [day.isoformat()[:7] for day in (*after, *months[1:])]


def _month_name(month: str, words: Wording) -> str:
    return f"{words.say(f'month.{int(month[5:])}')} {month[:4]}"
