"""Browsers that show notices: sealed, limited, checked, reached by the real sender, deleted at their end."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select, update

from chassis import clock
from chassis.database.db import Database
from chassis.errors import Invalid, NotFound, Refused
from chassis.http.outgoing import OutgoingClient
from chassis.ids import new_id
from rangkiang.circulation.v1.events_pb2 import LoanDueSoon, LoanOpened
from rangkiang.members.v1.contacts_pb2 import GuardianContact
from rangkiang.members.v1.events_pb2 import MemberCopy, MemberErased
from rangkiang.notifications.v1 import devices_pb2 as wire
from services.notifications.channels import webpush
from services.notifications.channels.opening import open_channels, push_application_key
from services.notifications.channels.port import Outcome
from services.notifications.channels.webpush import (
    make_keys,
    public_key,
)
from services.notifications.merging import copy_members
from services.notifications.push_devices import (
    MOST_DEVICES,
    Subscription,
    add_device,
    check_subscription,
    list_devices,
    remove_device,
)
from services.notifications.tables import PushDevice
from tests.fakes.notices import FakeChannel, loan_copy
from tests.fakes.push_service import PushService
from tests.migrated import MigratedDatabases
from tests.services.notifications.conftest import JAYAPURA, PADANG, PADANG_BRANCH, TEST, Office
from tests.services.notifications.partners import Partners, opened
from tests.services.notifications.test_push_channel import LOOPBACK, open_push

MORNING = datetime(2026, 11, 21, 2, tzinfo=UTC)  # 09.00 WIB


def subscription_of(service: PushService) -> Subscription:
    document = json.loads(service.subscription)
    return Subscription(document["endpoint"], document["keys"]["p256dh"], document["keys"]["auth"])


def elsewhere(number: int, service: PushService) -> Subscription:
    """Another browser, at an address that nobody calls in these tests."""
    subscription = subscription_of(service)
    return Subscription(f"https://push.example/{number}", subscription.p256dh, subscription.auth)


@pytest.fixture
def service():
    with PushService() as service:
        yield service


@pytest.fixture
def pushing(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    """A library whose first channel is the real web push, and whose second one is a mail."""
    # After three seconds on a busy machine a message would not go to the next device.
    monkeypatch.setattr(webpush, "REQUEST_SECONDS", 30.0)
    make_keys(tmp_path / "vapid")
    url = f"webpush:?keys={tmp_path / 'vapid'}&contact=pustaka@kota.example"
    return Office(database, channels=[*open_channels(url, push_networks=LOOPBACK), FakeChannel()])  # type: ignore[list-item]


def add(office: Office, member: UUID, subscription: Subscription, *, institution: UUID = PADANG) -> UUID:
    with office.database.transaction(TEST) as session:
        device = add_device(
            session, office.master, subscription, member_id=member, institution_id=institution, name="Chrome, Android"
        )
        return device.id


def devices(office: Office, member: UUID) -> list[str]:
    with office.database.reading(TEST) as session:
        return [row.endpoint_hash.hex() for row in list_devices(session, member)]


def lend(office: Office, member: UUID) -> None:
    office.deliver(LoanOpened(loan=loan_copy(member, PADANG, branch_id=PADANG_BRANCH)))


def test_a_receipt_is_decrypted_by_the_browser_that_the_member_added(pushing: Office, service: PushService) -> None:
    member = pushing.owners.add(email="siti@example.org")
    add(pushing, member, subscription_of(service))
    lend(pushing, member)
    pushing.send()
    (shown,) = service.shown.values()
    assert "Merantau ke Deli" in shown["body"]
    assert "Siti" not in shown["title"]
    assert [(row.channel, row.state) for row in pushing.attempts()] == [("webpush", "accepted")]
    assert pushing.channels[1].sent == []


def test_a_message_reaches_every_device_and_one_that_has_ended_is_forgotten(pushing: Office) -> None:
    member = pushing.owners.add(email="siti@example.org")
    with PushService() as phone, PushService() as laptop:
        add(pushing, member, subscription_of(phone))
        add(pushing, member, subscription_of(laptop))
        phone.status = 410
        lend(pushing, member)
        pushing.send()
        assert [len(device.shown) for device in (phone, laptop)] == [0, 1]
        assert devices(pushing, member) == [subscription_of(laptop).hash.hex()]
        assert [row.state for row in pushing.attempts()] == ["accepted"]


def test_without_a_device_that_takes_it_the_next_channel_carries_the_notice(
    pushing: Office, service: PushService
) -> None:
    member = pushing.owners.add(email="siti@example.org")
    add(pushing, member, subscription_of(service))
    service.status = 410
    lend(pushing, member)
    pushing.send()
    assert devices(pushing, member) == []
    assert [message.address for _, message in pushing.channels[1].sent] == ["siti@example.org"]


def test_a_child_s_notice_goes_to_the_guardian_and_not_to_the_child_s_browser(
    pushing: Office, service: PushService
) -> None:
    guardian = GuardianContact(name="Rahmi", language="id", email="rahmi@example.org")
    member = pushing.owners.add(is_child=True, guardian=guardian)
    add(pushing, member, subscription_of(service))
    lend(pushing, member)
    pushing.send()
    assert service.shown == {}
    assert [message.address for _, message in pushing.channels[1].sent] == ["rahmi@example.org"]


def test_subscriptions_are_sealed_under_the_member_s_key(office: Office, service: PushService) -> None:
    member, subscription = new_id(), subscription_of(service)
    add(office, member, subscription)
    with office.database.reading(TEST) as session:
        (row,) = session.scalars(select(PushDevice))
        stored = b"".join(value for value in vars(row).values() if isinstance(value, bytes)) + row.name.encode()
    for secret in (subscription.endpoint, subscription.auth, subscription.p256dh):
        assert secret.encode() not in stored


def test_a_member_has_a_bounded_number_of_devices_and_the_same_browser_counts_once(
    office: Office, service: PushService
) -> None:
    member = new_id()
    for number in range(MOST_DEVICES):
        add(office, member, elsewhere(number, service))
    add(office, member, elsewhere(0, service))
    with pytest.raises(Refused) as refusal:
        add(office, member, elsewhere(MOST_DEVICES, service))
    assert refusal.value.reason == "PUSH_DEVICES_TOO_MANY"
    assert len(devices(office, member)) == MOST_DEVICES


def test_a_browser_shows_the_notices_of_the_member_who_added_it_last(office: Office, service: PushService) -> None:
    first, second, other_library = new_id(), new_id(), new_id()
    add(office, first, elsewhere(1, service))
    add(office, second, elsewhere(1, service))
    add(office, other_library, elsewhere(1, service), institution=JAYAPURA)
    assert [len(devices(office, member)) for member in (first, second, other_library)] == [0, 1, 1]


def test_only_the_member_removes_a_device(office: Office, service: PushService) -> None:
    member = new_id()
    device_id = add(office, member, elsewhere(1, service))
    with office.database.transaction(TEST) as session, pytest.raises(NotFound):
        remove_device(session, new_id(), device_id)
    with office.database.transaction(TEST) as session:
        remove_device(session, member, device_id)
    assert devices(office, member) == []


def test_devices_go_with_an_erased_member_and_with_one_who_was_merged(office: Office, service: PushService) -> None:
    erased, merged, kept = new_id(), new_id(), new_id()
    for number, member in enumerate((erased, merged, kept)):
        add(office, member, elsewhere(number, service))
    office.deliver(MemberErased(id=str(erased), version=9))
    with office.database.transaction(TEST) as session:
        copied = MemberCopy(id=str(merged), institution_id=str(PADANG), version=2, merged_into=str(kept))
        copy_members(session, [copied])
    assert [len(devices(office, person)) for person in (erased, merged, kept)] == [0, 0, 1]
    with office.database.transaction(TEST) as session, pytest.raises(NotFound):
        add_device(session, office.master, elsewhere(9, service), member_id=erased, institution_id=PADANG, name="")


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        ("https://169.254.169.254/latest", "PUSH_ADDRESS_REFUSED"),
        ("https://127.0.0.1/push", "PUSH_ADDRESS_REFUSED"),
        ("https://[::1]/push", "PUSH_ADDRESS_REFUSED"),
        ("https://2130706433/push", "PUSH_ADDRESS_REFUSED"),
        ("http://8.8.8.8/push", "PUSH_ADDRESS_REFUSED"),
        ("https://no-such-host.invalid/push", "PUSH_ADDRESS_REFUSED"),
        ("file:///etc/passwd", "OUTGOING_URL_INVALID"),
        ("https://8.8.8.8/" + "x" * 1_000, "PUSH_SUBSCRIPTION_INVALID"),
    ],
)
def test_an_endpoint_is_called_over_https_and_at_a_public_address_only(
    endpoint: str, reason: str, service: PushService
) -> None:
    subscription = subscription_of(service)
    with pytest.raises((Invalid, Refused)) as refusal:
        check_subscription(Subscription(endpoint, subscription.p256dh, subscription.auth), OutgoingClient())
    assert refusal.value.reason == reason


def test_networks_that_staff_open_to_gateways_are_closed_to_the_addresses_of_members(
    migrated: MigratedDatabases, tmp_path: Path, service: PushService
) -> None:
    subscription = subscription_of(service)
    request = wire.AddOwnDeviceRequest(
        endpoint=subscription.endpoint, p256dh=subscription.p256dh, auth=subscription.auth, name="Chrome"
    )
    with opened(migrated, "sqlite", tmp_path, PUSH_PRIVATE_NETWORKS="") as partners, pytest.raises(Refused) as refusal:
        partners.stub.AddOwnDevice(request, metadata=partners.caller("self"))
    assert refusal.value.reason == "PUSH_ADDRESS_REFUSED"


def test_nothing_is_sent_to_an_endpoint_in_a_network_of_gateways(
    database: Database, tmp_path: Path, service: PushService
) -> None:
    make_keys(tmp_path / "vapid")
    url = f"webpush:?keys={tmp_path / 'vapid'}&contact=pustaka@kota.example"
    office = Office(database, channels=[*open_channels(url, allowed_networks=LOOPBACK), FakeChannel()])  # type: ignore[list-item]
    member = office.owners.add(email="siti@example.org")
    add(office, member, subscription_of(service))
    lend(office, member)
    office.send()
    assert service.server.requests == []
    assert [message.address for _, message in office.channels[1].sent] == ["siti@example.org"]


@pytest.mark.parametrize(
    ("p256dh", "auth"), [("", ""), ("BAAA", "BTBZMqHH6r4Tts7J_aSIgg"), (None, "short"), ("€", "€")]
)
def test_keys_that_no_browser_has_are_refused(p256dh: str | None, auth: str, service: PushService) -> None:
    subscription = subscription_of(service)
    with pytest.raises(Invalid) as refusal:
        check_subscription(Subscription("https://8.8.8.8/p", p256dh or subscription.p256dh, auth), OutgoingClient())
    assert refusal.value.reason == "PUSH_SUBSCRIPTION_INVALID"


def test_a_member_adds_lists_and_removes_a_device_over_the_contract(both: Partners, service: PushService) -> None:
    subscription = subscription_of(service)
    caller = both.caller("self")[:1]
    request = wire.AddOwnDeviceRequest(
        endpoint=subscription.endpoint, p256dh=subscription.p256dh, auth=subscription.auth, name="Chrome\n, Android"
    )
    keyed = [*caller, ("idempotency-key", "a-1")]
    reply = both.stub.AddOwnDevice(request, metadata=keyed)
    assert both.stub.AddOwnDevice(request, metadata=keyed).id == reply.id
    (device,) = both.stub.ListOwnDevices(wire.ListOwnDevicesRequest(), metadata=caller).devices
    assert (device.id, device.name, device.mark) == (reply.id, "Chrome , Android", subscription.hash.hex())
    stranger = both.caller("self")[:1]
    remove = wire.RemoveOwnDeviceRequest(id=reply.id)
    with pytest.raises(NotFound):
        both.stub.RemoveOwnDevice(remove, metadata=[*stranger, ("idempotency-key", "b-1")])
    both.stub.RemoveOwnDevice(remove, metadata=[*caller, ("idempotency-key", "a-2")])
    assert not both.stub.ListOwnDevices(wire.ListOwnDevicesRequest(), metadata=caller).devices


def test_browsers_get_the_key_of_the_channel(tmp_path: Path) -> None:
    make_keys(tmp_path / "vapid")
    channels = f"smtp://mail.example.org:25 webpush:?keys={tmp_path / 'vapid'}&contact=pustaka@kota.example print:"
    assert push_application_key(channels) == public_key(tmp_path / "vapid") != ""
    assert push_application_key("print:") == ""


def test_a_receipt_takes_the_next_channel_while_the_circuit_of_web_push_is_open_and_a_digest_waits(
    database: Database,
) -> None:
    push = FakeChannel("webpush", "push", outcome=Outcome("temporary", reason="CIRCUIT_OPEN", retry_after_seconds=600))
    office = Office(database, channels=[push, FakeChannel()])
    member = office.owners.add(email="siti@example.org")
    with PushService() as service:
        add(office, member, subscription_of(service))
    with clock.frozen(MORNING):
        lend(office, member)
        office.deliver(
            LoanDueSoon(
                loan=loan_copy(member, PADANG, branch_id=PADANG_BRANCH), days=3, on="2026-11-21", zone="Asia/Jakarta"
            )
        )
        office.send()
    assert [message.kind for _, message in office.channels[1].sent] == ["loan_receipt"]


def test_a_wrong_answer_of_dns_ends_no_device_and_marks_no_address(
    database: Database, tmp_path: Path, service: PushService
) -> None:
    refusing = Office(database, channels=[open_push(tmp_path, push_networks=()), FakeChannel()])  # type: ignore[list-item]
    member = refusing.owners.add(email="siti@example.org")
    add(refusing, member, subscription_of(service))
    lend(refusing, member)
    refusing.send()
    assert [message.address for _, message in refusing.channels[1].sent] == ["siti@example.org"]
    assert len(devices(refusing, member)) == 1


def test_a_browser_that_is_added_again_after_its_end_is_reached(pushing: Office, service: PushService) -> None:
    member = pushing.owners.add(email="siti@example.org")
    add(pushing, member, subscription_of(service))
    service.status = 410
    lend(pushing, member)
    pushing.send()
    service.status = 201
    add(pushing, member, subscription_of(service))
    lend(pushing, member)
    pushing.send()
    assert len(service.shown) == 1


def test_a_damaged_device_is_left_out_and_logged_once_and_all_others_get_their_notices(
    pushing: Office, service: PushService, caplog: pytest.LogCaptureFixture
) -> None:
    member, another = (pushing.owners.add(email=f"{name}@example.org") for name in ("siti", "budi"))
    for owner, subscription in ((member, subscription_of(service)), (another, elsewhere(1, service))):
        add(pushing, owner, subscription)
    damaged = [add(pushing, member, elsewhere(2, service)), devices_of(pushing, another)]
    with pushing.database.transaction(TEST) as session:
        session.execute(update(PushDevice).where(PushDevice.id.in_(damaged)).values(sealed=b"\x00" * 64))
    for _ in range(2):
        lend(pushing, member)
        lend(pushing, another)
    pushing.send()
    assert len(service.shown) == 2
    assert [message.address for _, message in pushing.channels[1].sent] == ["budi@example.org"] * 2
    lines = [record for record in caplog.records if record.getMessage() == "push_device_unreadable"]
    assert len(lines) == len(damaged)


def devices_of(office: Office, member: UUID) -> UUID:
    with office.database.reading(TEST) as session:
        (row,) = list_devices(session, member)
        return row.id
