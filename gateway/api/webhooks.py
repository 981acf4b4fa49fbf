"""Routes of webhooks, which send events to systems of partners over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import ResponseModel, to_message, to_model
from gateway.api.members import private
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import models
from rangkiang.notifications.v1 import webhooks_pb2 as wire

router = APIRouter(tags=["webhooks"], route_class=ApiRoute)

SERVICE = "/rangkiang.notifications.v1.Notifications"
_READ_ERRORS = (400, 401, 403, 429, 503, 504)
_WRITE_ERRORS = (400, 401, 403, 404, 409, 422, 429, 503, 504)
_ID = "0192f3a4-5b6c-7d8e-9f05-23456789abcd"
_URL = "https://sistem.kampus.example/rangkiang"
WebhookId = Annotated[str, Path(description="A webhook's identifier (UUID).", examples=[_ID])]


class MadeWebhook(models.Webhook):
    """A new subscription."""

    secret: str = Field(
        description="Key that signs deliveries; only this response has it.",
        examples=["rkwh_zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wAzAs4g7HVwIe"],
    )


class Deleted(ResponseModel):
    """A deleted subscription."""

    id: str = Field(description="Identifier of the webhook.", examples=[_ID])


@router.get("/webhooks", **documented("Webhooks of the caller", model=models.Webhooks, errors=_READ_ERRORS))
async def list_webhooks(request: Request, query: NoParameters, notifications: Notifications) -> Response:
    """List the webhooks of the client. Staff get the webhooks of all clients of the institution."""
    reply = await call(request, notifications.ListWebhooks, wire.ListWebhooksRequest())
    return private(to_model(models.Webhooks, reply))


@router.post(
    "/webhooks",
    **documented(
        "Subscribe to events", model=MadeWebhook, status=201, errors=_WRITE_ERRORS, method=f"{SERVICE}/CreateWebhook"
    ),
)
async def create_webhook(request: Request, body: models.NewWebhook, notifications: Notifications) -> Response:
    """Subscribe to events. The caller needs the scope of each kind; ids of members need `facts.members`."""
    message = to_message(wire.CreateWebhookRequest, body)
    reply = await call(request, notifications.CreateWebhook, message)
    return private(to_model(MadeWebhook, reply.webhook, secret=reply.secret), status=201)


@router.post(
    "/webhooks/{webhook_id}/replay",
    **documented(
        "Activate a webhook, and send events again",
        model=models.Replayed,
        errors=_WRITE_ERRORS,
        method=f"{SERVICE}/ReplayWebhook",
    ),
)
async def replay_webhook(
    request: Request, webhook_id: WebhookId, body: models.ReplayBody, notifications: Notifications
) -> Response:
    """Activate a webhook, and send events again, beginning with the event of the cursor."""
    message = to_message(wire.ReplayWebhookRequest, body, id=webhook_id)
    reply = await call(request, notifications.ReplayWebhook, message)
    return private(to_model(models.Replayed, reply))


@router.get(
    "/webhooks/{webhook_id}/deliveries",
    **documented("Events for a webhook", model=models.Deliveries, errors=(*_READ_ERRORS, 404)),
)
async def list_deliveries(
    request: Request,
    webhook_id: WebhookId,
    query: Annotated[models.DeliveriesQuery, Query()],
    notifications: Notifications,
) -> Response:
    """List the events of the last 7 days, the newest first. The `id` of an event is the cursor of a replay."""
    message = to_message(wire.ListDeliveriesRequest, query, id=webhook_id)
    reply = await call(request, notifications.ListDeliveries, message)
    return private(to_model(models.Deliveries, reply))


@router.post(
    "/webhooks/{webhook_id}/disable",
    **documented("Disable a webhook", model=models.Disabled, errors=_WRITE_ERRORS, method=f"{SERVICE}/DisableWebhook"),
)
async def disable_webhook(request: Request, webhook_id: WebhookId, notifications: Notifications) -> Response:
    """Stop deliveries until a replay. Events that occur before the replay are not stored for the webhook."""
    reply = await call(request, notifications.DisableWebhook, wire.DisableWebhookRequest(id=webhook_id))
    return private(to_model(models.Disabled, reply))


@router.delete(
    "/webhooks/{webhook_id}",
    **documented("Delete a webhook", model=Deleted, errors=_WRITE_ERRORS, method=f"{SERVICE}/DeleteWebhook"),
)
async def delete_webhook(request: Request, webhook_id: WebhookId, notifications: Notifications) -> Response:
    """Delete a webhook and its waiting events."""
    await call(request, notifications.DeleteWebhook, wire.DeleteWebhookRequest(id=webhook_id))
    return private(Deleted(id=webhook_id))
