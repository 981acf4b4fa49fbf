"""Routes of webhooks, which send events to systems of partners over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from chassis.models import to_message, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.writes import Version, versioned
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import models
from rangkiang.notifications.v1 import webhooks_pb2 as wire

router = APIRouter(tags=["webhooks"], route_class=ApiRoute)

_ID = "0192f3a4-5b6c-7d8e-9f05-23456789abcd"
_URL = "https://sistem.kampus.example/rangkiang"
WebhookId = Annotated[str, Path(description="A webhook's identifier (UUID).", examples=[_ID])]


class MadeWebhook(models.Webhook):
    """A new subscription."""

    secret: str = Field(
        description="Key that signs deliveries; only this response has it.",
        examples=["rkwh_zAs4g7HVwIe5QZzQdDuaPGmBnACtT1wAzAs4g7HVwIe"],
    )


@router.get("/webhooks", **documented("Webhooks of the caller", "notifications.ListWebhooks"))
async def list_webhooks(request: Request, query: NoParameters, notifications: Notifications) -> models.Webhooks:
    """List the webhooks of the client. Staff get the webhooks of all clients of the institution."""
    reply = await call(request, notifications.ListWebhooks, wire.ListWebhooksRequest())
    return to_model(models.Webhooks, reply)


@router.post(
    "/webhooks", **documented("Subscribe to events", "notifications.CreateWebhook", errors=(404, 409), status=201)
)
async def create_webhook(request: Request, body: models.NewWebhook, notifications: Notifications) -> MadeWebhook:
    """Subscribe to events. The caller needs the scope of each kind; ids of members need `facts.members`."""
    message = to_message(wire.CreateWebhookRequest, body)
    reply = await call(request, notifications.CreateWebhook, message)
    return to_model(MadeWebhook, reply.webhook, secret=reply.secret)


@router.get("/webhooks/{webhook_id}", **documented("A webhook", "notifications.GetWebhook", errors=(404,)))
async def get_webhook(
    request: Request, response: Response, webhook_id: WebhookId, query: NoParameters, notifications: Notifications
) -> models.Webhook:
    """Read a webhook. Its version is the ETag."""
    reply = await call(request, notifications.GetWebhook, wire.GetWebhookRequest(id=webhook_id))
    return versioned(response, to_model(models.Webhook, reply.webhook), reply.webhook.version)


@router.patch(
    "/webhooks/{webhook_id}", **documented("Change a webhook", "notifications.ChangeWebhook", errors=(404, 409))
)
async def change_webhook(
    request: Request,
    response: Response,
    webhook_id: WebhookId,
    body: models.ChangedWebhookBody,
    notifications: Notifications,
    version: Version,
) -> models.Webhook:
    """Change URL, kinds or contact. `is_active` stops deliveries, or starts them again."""
    message = to_message(wire.ChangeWebhookRequest, body, id=webhook_id, version=version)
    reply = await call(request, notifications.ChangeWebhook, message)
    return versioned(response, to_model(models.Webhook, reply.webhook), reply.webhook.version)


@router.post(
    "/webhooks/{webhook_id}/secrets",
    **documented("Give a webhook another secret", "notifications.ChangeWebhookSecret", errors=(404,), status=201),
)
async def change_webhook_secret(
    request: Request, webhook_id: WebhookId, notifications: Notifications
) -> models.WebhookSecret:
    """Give a webhook another secret. For a day each delivery has a signature with the former one too."""
    message = wire.ChangeWebhookSecretRequest(id=webhook_id)
    return to_model(models.WebhookSecret, await call(request, notifications.ChangeWebhookSecret, message))


@router.post(
    "/webhooks/{webhook_id}/pings",
    **documented("Send a test event", "notifications.PingWebhook", errors=(404, 409), status=201),
)
async def ping_webhook(request: Request, webhook_id: WebhookId, notifications: Notifications) -> models.Delivery:
    """Queue an event of the kind `ping`, whose `facts` are empty. Its attempts are in the deliveries."""
    reply = await call(request, notifications.PingWebhook, wire.PingWebhookRequest(id=webhook_id))
    return to_model(models.Delivery, reply.delivery)


@router.post(
    "/webhooks/{webhook_id}/replays",
    **documented(
        "Activate a webhook, and send events again", "notifications.ReplayWebhook", errors=(404, 409), status=201
    ),
)
async def replay_webhook(
    request: Request, webhook_id: WebhookId, body: models.ReplayBody, notifications: Notifications
) -> models.Replayed:
    """Activate a webhook, and send events again, beginning with the event of the cursor."""
    message = to_message(wire.ReplayWebhookRequest, body, id=webhook_id)
    reply = await call(request, notifications.ReplayWebhook, message)
    return to_model(models.Replayed, reply)


@router.get(
    "/webhooks/{webhook_id}/deliveries",
    **documented("Events for a webhook", "notifications.ListDeliveries", errors=(404,)),
)
async def list_deliveries(
    request: Request,
    webhook_id: WebhookId,
    query: Annotated[models.DeliveriesQuery, Query()],
    notifications: Notifications,
) -> models.Deliveries:
    """List the events of the last 7 days, the newest first. The `id` of an event is the cursor of a replay."""
    message = to_message(wire.ListDeliveriesRequest, query, id=webhook_id)
    reply = await call(request, notifications.ListDeliveries, message)
    return to_model(models.Deliveries, reply)


@router.delete(
    "/webhooks/{webhook_id}",
    **documented("Delete a webhook", "notifications.DeleteWebhook", errors=(404, 409), status=204),
)
async def delete_webhook(request: Request, webhook_id: WebhookId, notifications: Notifications) -> None:
    """Delete a webhook and its waiting events."""
    await call(request, notifications.DeleteWebhook, wire.DeleteWebhookRequest(id=webhook_id))
