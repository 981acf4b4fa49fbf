"""Routes to list, add and remove the browsers that show the caller's own notices (web push)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field, WithJsonSchema
from starlette.requests import Request

from chassis.errors import NotFound
from chassis.models import Body, to_model
from gateway.api.openapi import ApiRoute, documented
from gateway.api.queries import NoParameters
from gateway.api.schemas import ID_PATTERN, one_of
from gateway.clients import Notifications, call
from rangkiang.notifications.v1 import devices_pb2 as wire
from rangkiang.notifications.v1 import models

router = APIRouter(tags=["notices"], route_class=ApiRoute)

_ID = "0192f3a4-5b6c-7d8e-9f21-23456789abcd"
_KEY = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
DeviceId = Annotated[
    str,
    Path(description="A device's identifier (UUID).", examples=[_ID]),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": ID_PATTERN}),
]


class KeysBody(Body):
    """The keys that encrypt a message to the browser."""

    p256dh: str = Field(description="Public key, base64url.", max_length=200, examples=[_KEY])
    auth: str = Field(description="Secret, base64url.", max_length=64, examples=["BTBZMqHH6r4Tts7J_aSIgg"], repr=False)


class NewDevice(Body):
    """A subscription, in the form of `PushSubscription.toJSON()`, and a name."""

    endpoint: str = Field(
        description="URL at the browser's push service: https, with a public host.",
        max_length=1_000,
        examples=["https://push.example.net/v1/xyz"],
        repr=False,
    )
    keys: KeysBody = Field(description="The browser's keys.")
    name: str = Field("", description="Name that the member sees.", max_length=60, examples=["Chrome, Android"])


@router.get("/account/devices", **documented("Browsers that show the caller's notices", "notifications.ListOwnDevices"))
async def list_own_devices(request: Request, query: NoParameters, notifications: Notifications) -> models.Devices:
    """List the browsers of the member who is signed in."""
    reply = await call(request, notifications.ListOwnDevices, wire.ListOwnDevicesRequest())
    return to_model(models.Devices, reply)


@router.post(
    "/account/devices",
    **documented("Show the caller's notices in a browser", "notifications.AddOwnDevice", errors=(404, 409), status=201),
)
async def add_own_device(request: Request, body: NewDevice, notifications: Notifications) -> models.DeviceReference:
    """Add a browser of the member who is signed in, at most five. Adding the same browser again replaces its entry."""
    message = wire.AddOwnDeviceRequest(
        endpoint=body.endpoint, p256dh=body.keys.p256dh, auth=body.keys.auth, name=body.name
    )
    reply = await call(request, notifications.AddOwnDevice, message)
    return to_model(models.DeviceReference, reply)


@router.get(
    "/account/devices/{device_id}",
    **documented("A browser that shows the caller's notices", "notifications.ListOwnDevices", errors=(404,)),
)
async def get_own_device(
    request: Request, device_id: DeviceId, query: NoParameters, notifications: Notifications
) -> models.Device:
    """Return a browser of the member who is signed in."""
    reply = await call(request, notifications.ListOwnDevices, wire.ListOwnDevicesRequest())
    return to_model(models.Device, one_of(reply.devices, device_id, NotFound("PUSH_DEVICE_NOT_FOUND")))


@router.delete(
    "/account/devices/{device_id}",
    **documented("Stop notices in a browser", "notifications.RemoveOwnDevice", errors=(404, 409), status=204),
)
async def remove_own_device(request: Request, device_id: DeviceId, notifications: Notifications) -> None:
    """Delete the subscription of a browser."""
    await call(request, notifications.RemoveOwnDevice, wire.RemoveOwnDeviceRequest(id=device_id))
