"""Events for partners' systems: signed, in order, again after failures, and to public addresses only."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from chassis import clock
from chassis.addresses import networks
from chassis.context import Context
from chassis.errors import Forbidden, Invalid, NotFound, Refused, Unavailable
from chassis.http.outgoing import OutgoingClient
from chassis.ids import new_id
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from rangkiang.members.v1.events_pb2 import MemberRegistered
from rangkiang.notifications.v1 import webhooks_pb2 as wire
from services.notifications import checks, handlers
from services.notifications.institutions import copy_institutions
from services.notifications.rpc.webhooks import notify_owner
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Webhook, WebhookEvent
from services.notifications.webhooks import delivery
from services.notifications.webhooks.events import forget_member
from tests.fakes.http_receiver import Answer, HttpReceiver, Received
from tests.fakes.mail_server import MailServer
from tests.migrated import MigratedDatabases
from tests.services.notifications.partners import (
    ALL,
    MEMBER,
    PKS,
    TEST,
    UNAND,
    Partners,
    deliver,
    disable,
    lend,
    listed,
    opened,
    subscribe,
)

NOON = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)


def test_facts_come_signed_in_order_and_once(both: Partners, receiver: HttpReceiver) -> None:
    created = subscribe(both, receiver.url)
    loans = [lend(both) for _ in range(5)]
    lend(both, loan_id=loans[0], version=2, returned=True)
    assert deliver(both) == 6
    assert deliver(both) == 0
    documents = [json.loads(request.body) for request in receiver.requests]
    assert [document["facts"]["loan_id"] for document in documents] == [*loans, loans[0]]
    assert documents[-1]["kind"] == "loan.returned"
    for request, document in zip(receiver.requests, documents, strict=True):
        parts = dict(part.split("=") for part in request.headers["rangkiang-signature"].split(","))
        expected = hmac.new(created.secret.encode(), f"{parts['t']}.".encode() + request.body, hashlib.sha256)
        assert parts == {"t": str(int(NOON.timestamp())), "v1": expected.hexdigest()}
        assert request.headers["rangkiang-delivery"] == document["id"]
        assert document["payload_version"] == 1
        assert (document["facts"]["barcode"], document["facts"]["title"]) == ("KS0015001", "Rahasia <b>Judul</b>")


def test_ids_of_members_come_only_with_facts_members(partners: Partners, receiver: HttpReceiver) -> None:
    subscribe(partners, f"{receiver.url}/with")
    subscribe(partners, f"{receiver.url}/without", scopes=("webhooks.manage", "facts.loans", "members.read"))
    lend(partners)
    assert deliver(partners) == 2
    bodies = {request.path: json.loads(request.body) for request in receiver.requests}
    assert bodies["/with"]["member_id"] == MEMBER
    assert MEMBER not in json.dumps(bodies["/without"])


def test_each_kind_has_its_scope(partners: Partners, receiver: HttpReceiver) -> None:
    with pytest.raises(Forbidden) as error:
        subscribe(partners, receiver.url, "loan.opened", "member.registered", scopes=("webhooks.manage", "facts.loans"))
    assert error.value.facts["scopes"] == ["facts.members"]
    with pytest.raises(Forbidden):
        subscribe(partners, receiver.url, scopes=("facts.loans",))
    for kinds in (["loan.stolen"], ["loan.opened", ""]):
        with pytest.raises(Invalid):
            subscribe(partners, receiver.url, *kinds)


def test_facts_of_another_institution_and_of_other_kinds_do_not_come(
    partners: Partners, receiver: HttpReceiver
) -> None:
    subscribe(partners, receiver.url, "member.registered")
    subscribe(partners, receiver.url, institution=UNAND)
    lend(partners)
    event = MemberRegistered(id=MEMBER, institution_id=str(PKS))
    with partners.database.transaction(TEST) as session:
        handlers.create_welcome_notice(session, event, Context(institution=str(PKS)))
    assert deliver(partners) == 1
    assert json.loads(receiver.requests[0].body)["kind"] == "member.registered"


@pytest.mark.parametrize("url", ["http://169.254.169.254/latest/meta-data", "https://localhost/", "https://[::1]/"])
def test_an_address_inside_is_refused_when_it_is_given(migrated: MigratedDatabases, tmp_path: Path, url: str) -> None:
    with opened(migrated, "sqlite", tmp_path, OUTGOING_PRIVATE_NETWORKS="") as partners:
        with pytest.raises(Refused) as refusal:
            subscribe(partners, url)
        assert refusal.value.reason == "OUTGOING_ADDRESS_REFUSED"
        assert listed(partners) == []


def test_an_address_that_moves_inside_later_is_refused_at_the_delivery(
    partners: Partners, receiver: HttpReceiver
) -> None:
    subscribe(partners, receiver.url)
    lend(partners)
    client = OutgoingClient(total_seconds=3, requires_https=False)
    assert delivery.run_round(partners.database, partners.master, client, partners.read_scopes) == 0
    assert receiver.requests == []
    [webhook] = listed(partners)
    assert (webhook.failures, webhook.reason) == (1, "OUTGOING_ADDRESS_REFUSED")


def test_after_failures_a_webhook_waits_longer_each_time_and_nothing_is_lost(
    partners: Partners, receiver: HttpReceiver
) -> None:
    subscribe(partners, receiver.url)
    loans = [lend(partners) for _ in range(3)]
    receiver.answer = lambda _request: Answer(500)
    pauses = []
    moment = NOON
    for _ in range(6):
        with clock.frozen(moment):
            assert deliver(partners) == 0
            assert deliver(partners) == 0
            [webhook] = listed(partners)
            pauses.append((webhook.next_at.ToDatetime(UTC) - moment).total_seconds())
            moment = webhook.next_at.ToDatetime(UTC)
    assert pauses == [30, 60, 120, 240, 480, 960]
    assert len(receiver.requests) == 6
    receiver.answer = lambda _request: Answer(204, body=b"")
    with clock.frozen(moment):
        assert deliver(partners) == 3
        [webhook] = listed(partners)
    assert (webhook.failures, webhook.waiting, webhook.reason) == (0, 0, "")
    assert [json.loads(request.body)["facts"]["loan_id"] for request in receiver.requests[-3:]] == loans


def test_failures_of_a_day_disable_it_and_a_replay_sends_everything(both: Partners, receiver: HttpReceiver) -> None:
    client = str(new_id())
    created = subscribe(both, receiver.url, session=client)
    loans = [lend(both)]
    assert deliver(both) == 1
    first = json.loads(receiver.requests[0].body)["id"]
    receiver.answer = lambda _request: Answer(is_silent=True)
    loans.append(lend(both))
    moment = NOON
    for _ in range(20):
        with clock.frozen(moment):
            deliver(both)
            [webhook] = listed(both)
        if webhook.state == "disabled":
            break
        moment = webhook.next_at.ToDatetime(UTC)
    assert webhook.state == "disabled"
    assert timedelta(hours=24) <= moment - NOON <= timedelta(hours=30)
    receiver.answer = lambda _request: Answer()
    receiver.requests.clear()
    with clock.frozen(moment):
        assert deliver(both) == 0
        request = wire.ReplayWebhookRequest(id=created.webhook.id, cursor=first)
        with pytest.raises(NotFound):
            both.stub.ReplayWebhook(request, metadata=both.caller("webhooks.manage"))
        reply = both.stub.ReplayWebhook(request, metadata=both.caller(*ALL, session=client))
        assert (reply.webhook.state, reply.count) == ("active", 1)
        assert deliver(both) == 2
    assert [json.loads(request.body)["facts"]["loan_id"] for request in receiver.requests] == loans


def test_the_answer_410_ends_it_at_once(partners: Partners, receiver: HttpReceiver) -> None:
    subscribe(partners, receiver.url)
    lend(partners)
    receiver.answer = lambda _request: Answer(410)
    deliver(partners)
    [webhook] = listed(partners)
    assert (webhook.state, webhook.reason) == ("disabled", "HTTP_410")


def test_the_owner_of_a_disabled_webhook_gets_a_mail(partners: Partners, receiver: HttpReceiver) -> None:
    request = wire.CreateWebhookRequest(url=receiver.url, kinds=["loan.opened"], contact="sistem@kampus.example")
    partners.stub.CreateWebhook(request, metadata=partners.caller(*ALL))
    wrong = wire.CreateWebhookRequest(url=receiver.url, kinds=["loan.opened"], contact="a@b, c@d")
    with pytest.raises(Invalid):
        partners.stub.CreateWebhook(wrong, metadata=partners.caller(*ALL))
    lend(partners)
    receiver.answer = lambda _request: Answer(410)
    with MailServer(requires_login=False) as server:
        variables = {"channels": f"smtp://127.0.0.1:{server.port}?tls=none&from=pustaka@kota.example print:"}
        own = partners.resources.settings.of(NotificationsSettings).model_copy(update=variables)
        client = OutgoingClient(allowed=networks("127.0.0.0/8"), total_seconds=3)
        for _ in range(2):
            delivery.run_round(
                partners.database, partners.master, client, partners.read_scopes, notify=partial(notify_owner, own)
            )
        [mail] = server.mails
    assert mail.recipients == ["sistem@kampus.example"]
    assert "HTTP_410" in mail.part("text/plain")


@pytest.mark.parametrize("code", ["SANDBOX-7A20C4", "PKS"])
def test_a_sandbox_and_a_test_event_send_no_mail(partners: Partners, receiver: HttpReceiver, code: str) -> None:
    place = PKS if code == "PKS" else new_id()
    sandbox = InstitutionCopy(id=str(place), version=1, code=code, kind="public", zone="Asia/Jakarta")
    with partners.database.transaction(TEST) as session:
        copy_institutions(session, [sandbox])
    metadata = partial(partners.caller, *ALL, institution=place, session=str(new_id()))
    request = wire.CreateWebhookRequest(url=receiver.url, kinds=["loan.opened"], contact="sistem@kampus.example")
    webhook = partners.stub.CreateWebhook(request, metadata=metadata()).webhook
    if code == "PKS":
        partners.stub.PingWebhook(wire.PingWebhookRequest(id=webhook.id), metadata=metadata())
    else:
        lend(partners, institution=place)
    receiver.answer = lambda _request: Answer(410)
    client = OutgoingClient(allowed=networks("127.0.0.0/8"), total_seconds=3)
    disabled: list[delivery.Disabled] = []
    delivery.run_round(partners.database, partners.master, client, partners.read_scopes, notify=disabled.append)
    assert disabled == []
    [ended] = listed(partners, institution=place)
    assert ended.reason == "HTTP_410"


def test_one_receiver_that_is_away_does_not_hold_the_others(partners: Partners, receiver: HttpReceiver) -> None:
    subscribe(partners, "http://127.0.0.1:9/away")
    subscribe(partners, receiver.url)
    lend(partners)
    assert deliver(partners) == 1
    assert len(receiver.requests) == 1


def test_a_slow_receiver_has_its_turn_and_does_not_hold_the_others(
    partners: Partners, receiver: HttpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TURN_SECONDS", 0.0)
    subscribe(partners, receiver.url)
    for _ in range(3):
        lend(partners)
    assert [deliver(partners) for _ in range(4)] == [1, 1, 1, 0]


def test_a_client_sees_and_ends_its_own_webhooks_and_staff_all(both: Partners, receiver: HttpReceiver) -> None:
    own = str(new_id())
    created = subscribe(both, receiver.url, session=own)
    subscribe(both, receiver.url)
    assert [webhook.id for webhook in listed(both, scopes=("webhooks.manage",), session=own)] == [created.webhook.id]
    assert len(listed(both)) == 2
    assert listed(both, institution=UNAND) == []
    request = wire.DeleteWebhookRequest(id=created.webhook.id)
    for stranger in (both.caller("webhooks.manage"), both.caller(*ALL, "reports.read", institution=UNAND)):
        with pytest.raises(NotFound):
            both.stub.DeleteWebhook(request, metadata=stranger)
    lend(both)
    both.stub.DeleteWebhook(request, metadata=both.caller("webhooks.manage", session=own))
    assert len(listed(both)) == 1
    assert deliver(both) == 1


def test_the_secret_is_shown_once_and_is_not_in_the_database(both: Partners, receiver: HttpReceiver) -> None:
    request = wire.CreateWebhookRequest(url=receiver.url, kinds=["loan.opened"])
    metadata = both.caller(*ALL)
    created = both.stub.CreateWebhook(request, metadata=metadata)
    assert created.secret.startswith("rkwh_")
    with pytest.raises(Refused) as refusal:
        both.stub.CreateWebhook(request, metadata=metadata)
    assert refusal.value.reason == "REPLY_NOT_KEPT"
    with both.database.reading(TEST) as session:
        [row] = session.scalars(select(Webhook))
        assert created.secret.encode() not in row.sealed_secret


def test_a_client_has_at_most_ten(partners: Partners, receiver: HttpReceiver) -> None:
    own = str(new_id())
    for _ in range(10):
        subscribe(partners, receiver.url, session=own)
    with pytest.raises(Refused) as refusal:
        subscribe(partners, receiver.url, session=own)
    assert refusal.value.reason == "WEBHOOK_LIMIT_REACHED"


def test_an_erased_member_is_in_no_fact_and_old_facts_go(both: Partners, receiver: HttpReceiver) -> None:
    subscribe(both, receiver.url)
    lend(both)
    with both.database.transaction(TEST) as session:
        forget_member(session, UUID(MEMBER))
    assert deliver(both) == 0
    lend(both)
    with clock.frozen(NOON + timedelta(days=8)), both.database.transaction(TEST) as session:
        delivery.delete_old(session)
        assert session.scalar(select(WebhookEvent)) is None


def test_a_host_that_nobody_knows_is_refused_as_one_inside_is(partners: Partners, receiver: HttpReceiver) -> None:
    with pytest.raises(Refused) as refusal:
        subscribe(partners, "https://no-such-host.invalid/hook")
    assert refusal.value.reason == "OUTGOING_ADDRESS_REFUSED"
    subscribe(partners, receiver.url)
    lend(partners)

    def look_up(host: str, _port: int) -> list[str]:
        raise Unavailable("HOST_NOT_RESOLVED", host=host)

    client = OutgoingClient(allowed=networks("127.0.0.0/8"), resolve=look_up)
    delivery.run_round(partners.database, partners.master, client, partners.read_scopes)
    assert [entry.reason for entry in listed(partners)] == ["OUTGOING_ADDRESS_REFUSED"]


def test_a_disabled_webhook_gets_nothing_until_a_replay_and_doctor_says_nothing(
    both: Partners, receiver: HttpReceiver
) -> None:
    own = str(new_id())
    webhook = subscribe(both, receiver.url, session=own).webhook
    lend(both)
    metadata = partial(both.caller, *ALL, session=own)
    disable(both, webhook.id, metadata())
    lend(both)
    assert deliver(both) == 0
    assert checks.partners(both.resources) == []
    both.stub.ReplayWebhook(wire.ReplayWebhookRequest(id=webhook.id), metadata=metadata())
    lend(both)
    assert deliver(both) == 2


@pytest.mark.parametrize("act", ["disable", "delete"])
def test_a_webhook_that_is_stopped_during_its_turn_gets_no_further_fact(
    both: Partners, receiver: HttpReceiver, act: str
) -> None:
    own = str(new_id())
    webhook = subscribe(both, receiver.url, session=own).webhook
    for _ in range(3):
        lend(both)

    def stop(_request: Received) -> Answer:
        metadata = both.caller("webhooks.manage", session=own)
        if act == "disable":
            disable(both, webhook.id, metadata)
        else:
            both.stub.DeleteWebhook(wire.DeleteWebhookRequest(id=webhook.id), metadata=metadata)
        return Answer()

    receiver.answer = stop
    assert deliver(both) == 1
    assert len(receiver.requests) == 1
    assert [(entry.state, entry.reason) for entry in listed(both)] == [("disabled", "STOPPED")] * (act == "disable")
    assert checks.partners(both.resources) == []


def test_deliveries_are_listed_the_newest_first_with_those_that_wait(both: Partners, receiver: HttpReceiver) -> None:
    own = str(new_id())
    webhook = subscribe(both, receiver.url, session=own).webhook
    for _ in range(3):
        lend(both)
    deliver(both)
    lend(both)
    metadata = both.caller(*ALL, session=own)
    first = both.stub.ListDeliveries(wire.ListDeliveriesRequest(id=webhook.id, limit=3), metadata=metadata)
    assert [delivery.HasField("delivered_at") for delivery in first.deliveries] == [False, True, True]
    assert (first.webhook.waiting, first.zone) == (1, "Asia/Jakarta")
    rest = wire.ListDeliveriesRequest(id=webhook.id, limit=3, cursor=first.cursor)
    second = both.stub.ListDeliveries(rest, metadata=metadata)
    assert (len(second.deliveries), second.cursor) == (1, "")
    again = wire.ReplayWebhookRequest(id=webhook.id, cursor=first.deliveries[2].id)
    assert both.stub.ReplayWebhook(again, metadata=both.caller(*ALL, session=own)).count == 2
    with pytest.raises(NotFound):
        both.stub.ListDeliveries(wire.ListDeliveriesRequest(id=webhook.id), metadata=both.caller("webhooks.manage"))
