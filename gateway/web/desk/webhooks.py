"""/notices/webhooks: the institution's webhooks for systems of partners, with deliveries and replays."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from chassis.errors import Error, NotFound
from gateway.clients import call, notifications
from gateway.web.desk.notices import moment
from gateway.web.forms import Form, SignedInRouter, read_form, redirect, refuse, signed_in_form
from gateway.web.rendering import page
from gateway.web.texts import Wording, words_of
from rangkiang.notifications.v1 import webhooks_pb2 as wire

router = SignedInRouter()

NOTES = ("disabled", "active", "replayed", "deleted", "pinged")
_PAGE = 50
_FORM_FIELDS = {
    "OUTGOING_URL_INVALID": "url",
    "OUTGOING_ADDRESS_REFUSED": "url",
    "OUTGOING_NEEDS_HTTPS": "url",
    "WEBHOOK_KINDS_INVALID": "kinds",
    "WEBHOOK_SCOPE_MISSING": "kinds",
    "WEBHOOK_CONTACT_INVALID": "contact",
}


@router.get("/notices/webhooks")
async def list_webhooks(request: Request) -> Response:
    return await _list_page(request, signed_in_form(request, {"kinds": []}))


@router.post("/notices/webhooks")
async def create_webhook(request: Request) -> Response:
    """Add a webhook and show its secret. No other page shows the secret."""
    fields = await read_form(request)
    values = {"url": fields.text("url"), "contact": fields.text("contact"), "kinds": fields.many("kinds")[:20]}
    message = wire.CreateWebhookRequest(url=fields.text("url"), kinds=values["kinds"], contact=fields.text("contact"))
    form = signed_in_form(request, values)
    if not values["kinds"]:
        form.add_error("kinds", words_of(request).say("webhooks.choose"))
        return await _list_page(request, form)
    try:
        reply = await call(request, notifications(request).CreateWebhook, message)
    except Error as problem:
        return await _list_page(request, refuse(request, form, problem, _FORM_FIELDS))
    return page(request, "webhook_added.html", webhook=reply.webhook, secret=reply.secret, former_until="")


@router.get("/notices/webhooks/{webhook_id}")
async def show_webhook(request: Request) -> Response:
    return await _webhook_page(request, signed_in_form(request))


@router.post("/notices/webhooks/{webhook_id}/replay")
async def replay_webhook(request: Request) -> Response:
    """Activate a webhook. With a cursor, send events again, beginning with the event of the cursor."""
    fields = await read_form(request)
    webhook_id: str = request.path_params["webhook_id"]
    message = wire.ReplayWebhookRequest(id=webhook_id, cursor=fields.text("cursor")[:64])
    try:
        reply = await call(request, notifications(request).ReplayWebhook, message)
    except Error as problem:
        return await _refused(request, problem)
    note = f"replayed&count={reply.count}" if message.cursor else "active"
    return redirect(f"/notices/webhooks/{webhook_id}?note={note}")


@router.post("/notices/webhooks/{webhook_id}/disable")
async def disable_webhook(request: Request) -> Response:
    fields = await read_form(request)
    webhook_id: str = request.path_params["webhook_id"]
    version = fields.text("version")[:18]
    message = wire.ChangeWebhookRequest(
        id=webhook_id, version=int(version) if version.isascii() and version.isdecimal() else 0, is_active=False
    )
    try:
        await call(request, notifications(request).ChangeWebhook, message)
    except Error as problem:
        return await _refused(request, problem)
    return redirect(f"/notices/webhooks/{webhook_id}?note=disabled")


@router.post("/notices/webhooks/{webhook_id}/pings")
async def ping_webhook(request: Request) -> Response:
    await read_form(request)
    webhook_id: str = request.path_params["webhook_id"]
    try:
        await call(request, notifications(request).PingWebhook, wire.PingWebhookRequest(id=webhook_id))
    except Error as problem:
        return await _refused(request, problem)
    return redirect(f"/notices/webhooks/{webhook_id}?note=pinged")


@router.post("/notices/webhooks/{webhook_id}/secrets")
async def change_secret(request: Request) -> Response:
    """Give a webhook another secret and show it. No other page shows the secret."""
    await read_form(request)
    message = wire.ChangeWebhookSecretRequest(id=request.path_params["webhook_id"])
    try:
        reply = await call(request, notifications(request).ChangeWebhookSecret, message)
    except Error as problem:
        return await _refused(request, problem)
    until = moment(reply.former_until, words_of(request), reply.zone)
    return page(request, "webhook_added.html", webhook=reply.webhook, secret=reply.secret, former_until=until)


@router.post("/notices/webhooks/{webhook_id}/delete")
async def delete_webhook(request: Request) -> Response:
    await read_form(request)
    message = wire.DeleteWebhookRequest(id=request.path_params["webhook_id"])
    try:
        await call(request, notifications(request).DeleteWebhook, message)
    except Error as problem:
        return await _refused(request, problem)
    return redirect("/notices/webhooks?note=deleted")


async def _refused(request: Request, problem: Error) -> Response:
    if isinstance(problem, NotFound) and problem.reason == "WEBHOOK_UNKNOWN":
        raise problem
    form = refuse(request, signed_in_form(request), problem, {})
    return await _webhook_page(request, form)


async def _list_page(request: Request, form: Form) -> Response:
    reply = await call(request, notifications(request).ListWebhooks, wire.ListWebhooksRequest())
    words = words_of(request)
    return page(
        request,
        "webhooks.html",
        webhooks=[
            (webhook, failure_text(webhook, words), moment(webhook.last_delivered_at, words, reply.zone))
            for webhook in reply.webhooks
        ],
        kind_choices=[(kind, words.code("fact_kind", kind), "") for kind in reply.kinds],
        form=form,
        note=_note(request),
    )


async def _webhook_page(request: Request, form: Form) -> Response:
    webhook_id: str = request.path_params["webhook_id"]
    cursor = request.query_params.get("cursor", "")[:500]
    message = wire.ListDeliveriesRequest(id=webhook_id, limit=_PAGE, cursor=cursor)
    reply = await call(request, notifications(request).ListDeliveries, message)
    words, here = words_of(request), f"/notices/webhooks/{webhook_id}"
    webhook = reply.webhook
    count = request.query_params.get("count", "")
    return page(
        request,
        "webhook.html",
        webhook=webhook,
        why=failure_text(webhook, words),
        moments=[
            (words.say("webhooks.made_at"), moment(webhook.made_at, words, reply.zone)),
            (words.say("webhooks.last_delivered_at"), moment(webhook.last_delivered_at, words, reply.zone)),
            (words.say("webhooks.failing_since"), moment(webhook.failing_since, words, reply.zone)),
        ],
        next_at=moment(webhook.next_at, words, reply.zone) if webhook.failures else "",
        deliveries=[
            (
                delivery,
                moment(delivery.occurred_at, words, reply.zone),
                moment(delivery.delivered_at, words, reply.zone),
                [
                    (moment(attempt.at, words, reply.zone), failure_text(attempt, words), attempt.milliseconds)
                    for attempt in delivery.attempts
                ],
            )
            for delivery in reply.deliveries
        ],
        first=here if cursor else "",
        former_until=moment(webhook.former_secret_until, words, reply.zone),
        after=f"{here}?{urlencode({'cursor': reply.cursor})}" if reply.cursor else "",
        form=form,
        note=_note(request),
        replayed=int(count) if count.isascii() and count.isdecimal() and len(count) < 7 else 0,
    )


def failure_text(failed: wire.Webhook | wire.DeliveryAttempt, words: Wording) -> str:
    """Return the reason of a failure in words; "" without a failure."""
    if failed.reason.startswith("HTTP_"):
        return words.say("webhooks.answered", status=failed.reason.removeprefix("HTTP_"))
    return words.code("webhook_reason", failed.reason) if failed.reason else ""


def _note(request: Request) -> str:
    note = request.query_params.get("note", "")
    return note if note in NOTES else ""
