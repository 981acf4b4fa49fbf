"""RPCs for the browsers in which members allow notices."""

from __future__ import annotations

import grpc
from sqlalchemy.orm import Session

from chassis import audit, rpc
from chassis.addresses import networks
from chassis.context import Context
from chassis.database.db import Database
from chassis.database.idempotency import once
from chassis.http.outgoing import OutgoingClient
from chassis.ids import parse_id, parse_or_nil
from chassis.rpc import timestamp
from chassis.rpc.methods import reads, writes_once
from rangkiang.notifications.v1 import devices_pb2 as wire
from services.notifications import push_devices
from services.notifications.channels.opening import push_application_key
from services.notifications.keys import read_own_master
from services.notifications.push_devices import Subscription
from services.notifications.settings import NotificationsSettings


class DeviceMethods:
    """The part of the servicer for web push."""

    _database: Database
    _settings: NotificationsSettings

    @reads
    def ListOwnDevices(
        self, _request: wire.ListOwnDevicesRequest, session: Session, caller: Context
    ) -> wire.ListOwnDevicesReply:
        devices = [
            wire.Device(id=str(row.id), name=row.name, mark=row.endpoint_hash.hex(), made_at=timestamp(row.made_at))
            for row in push_devices.list_devices(session, parse_id(caller.actor))
        ]
        key = push_application_key(self._settings.channels)
        return wire.ListOwnDevicesReply(devices=devices, application_key=key)

    def AddOwnDevice(self, request: wire.AddOwnDeviceRequest, context: grpc.ServicerContext) -> wire.AddOwnDeviceReply:
        caller = rpc.context(context)
        subscription = Subscription(request.endpoint, request.p256dh, request.auth)
        allowed = networks(self._settings.push_private_networks)
        push_devices.check_subscription(subscription, OutgoingClient(allowed=allowed))
        master = read_own_master(self._database, self._settings.master_key)
        with self._database.transaction(caller) as session:

            def act() -> wire.AddOwnDeviceReply:
                device = push_devices.add_device(
                    session,
                    master,
                    subscription,
                    member_id=parse_id(caller.actor),
                    institution_id=parse_id(caller.institution),
                    name=request.name,
                )
                audit.record(session, caller, "notifications.add_device", kind="push_device", object_id=device.id)
                return wire.AddOwnDeviceReply(id=str(device.id))

            return once(session, caller, request, wire.AddOwnDeviceReply, act)

    @writes_once
    def RemoveOwnDevice(
        self, request: wire.RemoveOwnDeviceRequest, session: Session, caller: Context
    ) -> wire.RemoveOwnDeviceReply:
        device_id = parse_or_nil(request.id)
        push_devices.remove_device(session, parse_id(caller.actor), device_id)
        audit.record(session, caller, "notifications.remove_device", kind="push_device", object_id=device_id)
        return wire.RemoveOwnDeviceReply()
