"""Routes of webhooks, which send events to systems of partners over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import Body, ResponseModel
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import QueryModel, WholeNumber, number, text
from gateway.api.serializers import plain
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import webhooks_pb2 as wire

router = APIRouter(tags=["webhooks"], route_class=ApiRoute)

SERVICE = "/rangkiang.notifications.v1.Notifications"
_READ_ERRORS = (400, 401, 403, 429, 503, 504)
_WRITE_ERRORS = (400, 401, 403, 404, 409, 422, 429, 503, 504)
_ID = "0192f3a4-5b6c-7d8e-9f05-23456789abcd"
_URL = "https://sistem.kampus.example/rangkiang"
WebhookId = Annotated[str, Path(description="A webhook's identifier (UUID).", examples=[_ID])]


class NewWebhook(Body):
    """A subscription: kinds of events, and a URL."""

    url: str = Field(description="URL with https and a public host.", max_length=1_000, examples=[_URL])
    kinds: list[str] = Field(
        description="Kinds: loan.opened, loan.renewed, loan.returned, loan.overdue or member.registered.",
        min_length=1,
        max_length=20,
        examples=[["loan.opened", "loan.returned"]],
    )
    contact: str = Field(
        "",
        description="E-mail address to notify when the webhook is disabled after a day of failures.",
        max_length=320,
        examples=["sistem@kampus.example"],
        repr=False,
    )


class ReplayBody(Body):
    """The first event to send again."""

    cursor: str = Field(
        "",
        description="Id of an event of the last 7 days; when empty, no event is sent again.",
        max_length=64,
        examples=[_ID],
    )


class Webhook(ResponseModel):
    """A subscription."""

    id: str
    """Identifier of the webhook."""
    client_id: str
    """Identifier of the client or staff account that made the webhook, and with which it ends."""
    made_by_staff: bool
    """True when a member of staff made the webhook, for the institution."""
    url: str
    """The URL to which events are sent."""
    kinds: list[str]
    """Kinds of events."""
    with_members: bool
    """True when events have ids of members. Events never have names or contact data."""
    state: str
    """active; or disabled: by its owner (reason STOPPED), after a day of failures, or with its maker
    (MAKER_WITHOUT_SCOPES)."""
    reason: str
    """Reason code of the last failure; empty after a delivery."""
    failures: int
    """Number of consecutive failures."""
    waiting: int
    """Number of events that wait for delivery."""
    made_at: str | None = None
    """Time of creation, ISO 8601 in UTC."""
    last_delivered_at: str | None = None
    """Time of the last delivery, ISO 8601 in UTC."""
    failing_since: str | None = None
    """Time of the first failure after the last delivery, ISO 8601 in UTC."""
    next_at: str | None = None
    """Earliest time of the next delivery, ISO 8601 in UTC."""


class MadeWebhook(Webhook):
    """A new subscription."""

    secret: str
    """Key that signs deliveries; only this response has it."""


class Webhooks(ResponseModel):
    """Subscriptions."""

    total: int
    """Number of subscriptions."""
    hits: list[Webhook]
    """The subscriptions."""


class Replayed(ResponseModel):
    """A subscription that is active again, and its replay."""

    webhook: Webhook
    """The subscription."""
    count: int
    """Number of events that are sent again."""


class Delivery(ResponseModel):
    """An event for a webhook, without its data."""

    id: str
    """Identifier of the event, which is the cursor of a replay."""
    kind: str
    """Kind of the event."""
    occurred_at: str | None = None
    """Time of the event, ISO 8601 in UTC."""
    delivered_at: str | None = None
    """Time of the delivery, ISO 8601 in UTC; absent while the event waits."""


class Deliveries(ResponseModel):
    """Events of the last 7 days for a webhook."""

    webhook: Webhook
    """The webhook."""
    hits: list[Delivery]
    """The events, the newest first."""
    next: str | None = None
    """Cursor of the next page; absent on the last page."""


class Disabled(ResponseModel):
    """A disabled subscription."""

    webhook: Webhook
    """The subscription."""


class DeliveriesQuery(QueryModel):
    cursor: str = text("The `next` value of the previous page.", longest=64)
    limit: Annotated[int, WholeNumber(1, 200)] = number(50, "Events on a page.")


class Deleted(ResponseModel):
    """A deleted subscription."""

    id: str
    """Identifier of the webhook."""


_EXAMPLE = {
    "id": _ID,
    "client_id": _ID,
    "made_by_staff": False,
    "url": _URL,
    "kinds": ["loan.opened", "loan.returned"],
    "with_members": False,
    "state": "active",
    "reason": "",
    "failures": 0,
    "waiting": 0,
    "made_at": "2026-11-24T03:12:00Z",
    "next_at": "2026-11-24T03:12:00Z",
}


@router.get(
    "/webhooks",
    response_model=Webhooks,
    **documented(
        operation="list_webhooks",
        summary="Webhooks of the caller",
        example={"total": 1, "hits": [_EXAMPLE]},
        errors=_READ_ERRORS,
    ),
)
async def list_webhooks(
    request: Request, query: Annotated[QueryModel, Query()], notifications: Notifications
) -> Response:
    """List the webhooks of the client. Staff get the webhooks of all clients of the institution."""
    reply = await call(request, notifications.ListWebhooks, wire.ListWebhooksRequest())
    hits = [Webhook(**plain(webhook)) for webhook in reply.webhooks]
    return private(Webhooks(total=len(hits), hits=hits))


@router.post(
    "/webhooks",
    response_model=MadeWebhook,
    status_code=201,
    **documented(
        operation="create_webhook",
        summary="Subscribe to events",
        example={**_EXAMPLE, "secret": "rkwh_zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wAzAs4g7HVwIe"},
        status=201,
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/CreateWebhook",
    ),
)
async def create_webhook(request: Request, body: NewWebhook, notifications: Notifications) -> Response:
    """Subscribe to events. The caller needs the scope of each kind; ids of members need `facts.members`."""
    message = wire.CreateWebhookRequest(url=body.url, kinds=body.kinds, contact=body.contact)
    reply = await call(request, notifications.CreateWebhook, message)
    return private(MadeWebhook(**plain(reply.webhook), secret=reply.secret), status=201)


@router.post(
    "/webhooks/{webhook_id}/replay",
    response_model=Replayed,
    **documented(
        operation="replay_webhook",
        summary="Activate a webhook, and send events again",
        example={"webhook": _EXAMPLE, "count": 12},
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/ReplayWebhook",
    ),
)
async def replay_webhook(
    request: Request, webhook_id: WebhookId, body: ReplayBody, notifications: Notifications
) -> Response:
    """Activate a webhook, and send events again, beginning with the event of the cursor."""
    message = wire.ReplayWebhookRequest(id=webhook_id, cursor=body.cursor)
    reply = await call(request, notifications.ReplayWebhook, message)
    return private(Replayed(webhook=Webhook(**plain(reply.webhook)), count=reply.count))


@router.get(
    "/webhooks/{webhook_id}/deliveries",
    response_model=Deliveries,
    **documented(
        operation="list_deliveries",
        summary="Events for a webhook",
        example={
            "webhook": _EXAMPLE,
            "hits": [{"id": _ID, "kind": "loan.opened", "occurred_at": "2026-11-24T03:12:00Z"}],
        },
        errors=(*_READ_ERRORS, 404),
    ),
)
async def list_deliveries(
    request: Request, webhook_id: WebhookId, query: Annotated[DeliveriesQuery, Query()], notifications: Notifications
) -> Response:
    """List the events of the last 7 days, the newest first. The `id` of an event is the cursor of a replay."""
    message = wire.ListDeliveriesRequest(id=webhook_id, limit=query.limit, cursor=query.cursor)
    reply = await call(request, notifications.ListDeliveries, message)
    hits = [Delivery(**plain(delivery)) for delivery in reply.deliveries]
    return private(Deliveries(webhook=Webhook(**plain(reply.webhook)), hits=hits, next=reply.cursor or None))


@router.post(
    "/webhooks/{webhook_id}/disable",
    response_model=Disabled,
    **documented(
        operation="disable_webhook",
        summary="Disable a webhook",
        example={"webhook": {**_EXAMPLE, "state": "disabled", "reason": "STOPPED"}},
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/DisableWebhook",
    ),
)
async def disable_webhook(request: Request, webhook_id: WebhookId, notifications: Notifications) -> Response:
    """Stop deliveries until a replay. Events that occur before the replay are not stored for the webhook."""
    reply = await call(request, notifications.DisableWebhook, wire.DisableWebhookRequest(id=webhook_id))
    return private(Disabled(webhook=Webhook(**plain(reply.webhook))))


@router.delete(
    "/webhooks/{webhook_id}",
    response_model=Deleted,
    **documented(
        operation="delete_webhook",
        summary="Delete a webhook",
        example={"id": _ID},
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/DeleteWebhook",
    ),
)
async def delete_webhook(request: Request, webhook_id: WebhookId, notifications: Notifications) -> Response:
    """Delete a webhook and its waiting events."""
    await call(request, notifications.DeleteWebhook, wire.DeleteWebhookRequest(id=webhook_id))
    return private(Deleted(id=webhook_id))
