"""Browsers that show a member's notices (web push). Members add and remove them; push services end subscriptions."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from chassis import clock
from chassis.errors import Invalid, NotFound, Refused, Unavailable
from chassis.http.outgoing import OutgoingClient
from chassis.ids import new_id
from chassis.security.encryption import MasterKey, MemberKey
from services.notifications.channels.port import one_line
from services.notifications.members import forget_damaged_key, keys_of
from services.notifications.tables import PushDevice

log = logging.getLogger(__name__)

MOST_DEVICES = 5  # of one member
LONGEST_ENDPOINT, LONGEST_NAME = 1_000, 60
_USE = "push device"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription of a browser (Push API, `PushSubscription.toJSON`).

    p256dh, auth  key and secret of the browser, base64url
    """

    endpoint: str
    p256dh: str
    auth: str

    @property
    def hash(self) -> bytes:
        return hash_endpoint(self.endpoint)

    def as_json(self) -> dict[str, object]:
        """Return the subscription in the JSON form of browsers."""
        return {"endpoint": self.endpoint, "keys": {"p256dh": self.p256dh, "auth": self.auth}}


def hash_endpoint(endpoint: str) -> bytes:
    """Return the SHA-256 of an endpoint."""
    return hashlib.sha256(endpoint.encode()).digest()


def check_subscription(subscription: Subscription, client: OutgoingClient) -> None:
    """Check a subscription, with a DNS query for its host, so not within a transaction.

    raises  Invalid  PUSH_SUBSCRIPTION_INVALID, OUTGOING_URL_INVALID
            Refused  PUSH_ADDRESS_REFUSED
    """
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _decoded(subscription.p256dh))
        is_valid = len(_decoded(subscription.auth)) == 16 and len(subscription.endpoint) <= LONGEST_ENDPOINT
    except ValueError:
        is_valid = False
    if not is_valid:
        raise Invalid("PUSH_SUBSCRIPTION_INVALID")
    try:
        client.check(subscription.endpoint)
    except Refused as problem:
        # The sentence for webhooks names another setting.
        raise Refused("PUSH_ADDRESS_REFUSED", **problem.facts) from None


def add_device(
    session: Session,
    master: MasterKey,
    subscription: Subscription,
    *,
    member_id: UUID,
    institution_id: UUID,
    name: str,
) -> PushDevice:
    """Add a browser to a member's devices. A device of another member of the institution moves to this member.

    raises  NotFound  NOTICE_MEMBER_NOT_FOUND  the member was erased
            Refused   PUSH_DEVICES_TOO_MANY
    """
    # This locks the row of the member, so that two requests cannot both add the last device.
    forget_damaged_key(session, master, member_id)
    key = keys_of(session, master, {member_id: institution_id}).get(member_id)
    if key is None:
        raise NotFound("NOTICE_MEMBER_NOT_FOUND", id=str(member_id))
    is_same = (PushDevice.endpoint_hash == subscription.hash, PushDevice.institution_id == institution_id)
    session.execute(delete(PushDevice).where(*is_same))
    of_member = select(func.count()).select_from(PushDevice).where(PushDevice.member_id == member_id)
    if (session.scalar(of_member) or 0) >= MOST_DEVICES:
        raise Refused("PUSH_DEVICES_TOO_MANY", most=MOST_DEVICES)
    device = PushDevice(
        id=new_id(),
        institution_id=institution_id,
        member_id=member_id,
        endpoint_hash=subscription.hash,
        sealed=key.seal(json.dumps(subscription.as_json()).encode(), use=_USE),
        name=one_line(name, LONGEST_NAME),
        made_at=clock.now(),
    )
    session.add(device)
    session.flush()
    return device


def list_devices(session: Session, member_id: UUID) -> list[PushDevice]:
    """Return the devices of a member, the oldest first."""
    query = select(PushDevice).where(PushDevice.member_id == member_id).order_by(PushDevice.made_at, PushDevice.id)
    return list(session.scalars(query))


def remove_device(session: Session, member_id: UUID, device_id: UUID) -> None:
    """Remove a device of a member. Raises NotFound PUSH_DEVICE_NOT_FOUND."""
    own = delete(PushDevice).where(PushDevice.id == device_id, PushDevice.member_id == member_id)
    if session.scalar(own.returning(PushDevice.id)) is None:
        raise NotFound("PUSH_DEVICE_NOT_FOUND", id=str(device_id))


def push_addresses(session: Session, master: MasterKey, members: Mapping[UUID, UUID]) -> dict[UUID, str]:
    """Return member -> address for web push, a JSON list of subscriptions. Members without devices are left out.

    members  member -> institution
    """
    query = select(PushDevice).where(PushDevice.member_id.in_(list(members))).order_by(PushDevice.id)
    devices: dict[UUID, list[PushDevice]] = {}
    for device in session.scalars(query):
        devices.setdefault(device.member_id, []).append(device)
    if not devices:
        return {}
    keys = keys_of(session, master, {member_id: members[member_id] for member_id in devices}, make=False)
    addresses: dict[UUID, str] = {}
    for member_id, key in keys.items():
        # Without the key the subscriptions cannot be read, and the next channel sends the notice.
        opened = [_open(key, device) for device in devices[member_id]] if key is not None else []
        subscriptions = [subscription for subscription in opened if subscription is not None]
        if subscriptions:
            addresses[member_id] = json.dumps(subscriptions)
    return addresses


def _open(key: MemberKey, device: PushDevice) -> Any:
    """Return the subscription of a device; None when it is damaged, so that the other devices are used."""
    try:
        return json.loads(key.open(device.sealed, use=_USE))
    except Unavailable:
        _report_damaged(device.id)
        return None


@lru_cache(maxsize=1_000)
def _report_damaged(device_id: UUID) -> None:
    """Log a damaged device once, because every round reads it."""
    log.warning("push_device_unreadable", extra={"device": str(device_id)})


def forget_endpoints(session: Session, member_id: UUID, endpoints: Sequence[str]) -> None:
    """Remove devices of a member whose subscriptions have ended, as push services have answered."""
    hashes = [hash_endpoint(endpoint) for endpoint in endpoints]
    own = (PushDevice.member_id == member_id, PushDevice.endpoint_hash.in_(hashes))
    session.execute(delete(PushDevice).where(*own))


def _decoded(text: str) -> bytes:
    """Decode base64url without padding. Raises ValueError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None
