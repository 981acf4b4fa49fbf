"""Changes of a webhook: its URL, kinds and secret, pings, and the attempts of its deliveries."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select

from chassis import clock
from chassis.audit import acts
from chassis.errors import Forbidden, Invalid, NotFound, Outdated, Refused
from chassis.ids import new_id
from rangkiang.notifications.v1 import webhooks_pb2 as wire
from services.notifications.webhooks import delivery
from tests.fakes.http_receiver import Answer, HttpReceiver, Received
from tests.services.notifications.partners import ALL, NOON, TEST, Partners, deliver, disable, lend, subscribe


def signatures(request: Received) -> list[str]:
    """The signatures of a delivery, in order."""
    parts = [part.split("=") for part in request.headers["rangkiang-signature"].split(",")]
    return [value for name, value in parts if name == "v1"]


def signed(secret: str, request: Received) -> str:
    seconds = request.headers["rangkiang-signature"].split(",")[0].removeprefix("t=")
    return hmac.new(secret.encode(), f"{seconds}.".encode() + request.body, hashlib.sha256).hexdigest()


def test_a_webhook_is_read_and_changed_by_the_version_that_was_read(both: Partners, receiver: HttpReceiver) -> None:
    own = str(new_id())
    webhook = subscribe(both, f"{receiver.url}/old", session=own).webhook
    metadata = partial(both.caller, *ALL, session=own)
    read = both.stub.GetWebhook(wire.GetWebhookRequest(id=webhook.id), metadata=metadata()).webhook
    assert (read.url, read.version) == (f"{receiver.url}/old", 1)
    request = wire.ChangeWebhookRequest(id=webhook.id, version=1, url=f"{receiver.url}/new", kinds=["loan.returned"])
    changed = both.stub.ChangeWebhook(request, metadata=metadata()).webhook
    assert (changed.url, list(changed.kinds), changed.version) == (f"{receiver.url}/new", ["loan.returned"], 2)
    with pytest.raises(Outdated) as outdated:
        both.stub.ChangeWebhook(request, metadata=metadata())
    assert outdated.value.facts["version"] == 2
    loan = lend(both)
    lend(both, loan_id=loan, version=2, returned=True)
    assert deliver(both) == 1
    assert [request.path for request in receiver.requests] == ["/new"]
    with both.database.reading(TEST) as session:
        rows = session.execute(select(acts.c.object, acts.c.facts).where(acts.c.act == "notifications.change_webhook"))
        assert [(row.object, json.loads(row.facts)) for row in rows] == [(webhook.id, {"fields": "url, kinds"})]


def test_a_change_needs_an_own_webhook_a_public_host_and_the_scope_of_each_kind(
    both: Partners, receiver: HttpReceiver
) -> None:
    own = str(new_id())
    webhook = subscribe(both, receiver.url, session=own).webhook
    change = partial(wire.ChangeWebhookRequest, id=webhook.id, version=1)
    metadata = partial(both.caller, "webhooks.manage", "facts.loans", session=own)
    with pytest.raises(NotFound):
        both.stub.ChangeWebhook(change(is_active=False), metadata=both.caller(*ALL))
    with pytest.raises(Refused) as refusal:
        both.stub.ChangeWebhook(change(url="https://10.1.2.3/"), metadata=metadata())
    assert refusal.value.reason == "OUTGOING_ADDRESS_REFUSED"
    with pytest.raises(Forbidden):
        both.stub.ChangeWebhook(change(kinds=["member.registered"]), metadata=metadata())
    for wrong in (change(kinds=["loan.stolen"]), change(contact="nobody")):
        with pytest.raises(Invalid):
            both.stub.ChangeWebhook(wrong, metadata=both.caller(*ALL, session=own))
    read = both.stub.GetWebhook(wire.GetWebhookRequest(id=webhook.id), metadata=metadata()).webhook
    assert (read.version, read.state) == (1, "active")


def test_who_lacks_a_scope_of_a_webhook_may_stop_it_and_turns_it_to_no_other_receiver(
    both: Partners, receiver: HttpReceiver
) -> None:
    webhook = subscribe(both, receiver.url).webhook
    few = partial(both.caller, "webhooks.manage", "reports.read", actor=str(new_id()))
    stopped = disable(both, webhook.id, few())
    change = partial(wire.ChangeWebhookRequest, id=webhook.id, version=stopped.version)
    for act, request in (
        (both.stub.ChangeWebhook, change(url=f"{receiver.url}/mine")),
        (both.stub.ChangeWebhook, change(contact="lain@kampus.example")),
        (both.stub.ChangeWebhook, change(is_active=True)),
        (both.stub.ChangeWebhookSecret, wire.ChangeWebhookSecretRequest(id=webhook.id)),
        (both.stub.ReplayWebhook, wire.ReplayWebhookRequest(id=webhook.id)),
    ):
        with pytest.raises(Forbidden) as refusal:
            act(request, metadata=few())
        assert refusal.value.reason == "WEBHOOK_SCOPE_MISSING"
        assert refusal.value.facts["scopes"] == ["facts.loans", "facts.members"]


def test_staff_add_no_kind_whose_scope_the_maker_may_lack(both: Partners, receiver: HttpReceiver) -> None:
    webhook = subscribe(both, receiver.url, scopes=("webhooks.manage", "facts.loans")).webhook
    staff = partial(both.caller, *ALL, "reports.read", actor=str(new_id()))
    change = partial(wire.ChangeWebhookRequest, id=webhook.id, version=1)
    with pytest.raises(Forbidden) as refusal:
        both.stub.ChangeWebhook(change(kinds=["loan.opened", "member.registered"]), metadata=staff())
    assert refusal.value.facts["scopes"] == ["facts.members"]
    assert both.stub.ChangeWebhook(change(kinds=["loan.renewed"]), metadata=staff()).webhook.version == 2


def test_a_turn_ends_when_the_url_of_its_webhook_changes(both: Partners, receiver: HttpReceiver) -> None:
    own = str(new_id())
    webhook = subscribe(both, f"{receiver.url}/old", session=own).webhook
    for _ in range(3):
        lend(both)

    def move(request: Received) -> Answer:
        if request.path == "/old":
            change = wire.ChangeWebhookRequest(id=webhook.id, version=1, url=f"{receiver.url}/new")
            both.stub.ChangeWebhook(change, metadata=both.caller(*ALL, session=own))
        return Answer()

    receiver.answer = move
    assert [deliver(both), deliver(both)] == [1, 2]
    assert [request.path for request in receiver.requests] == ["/old", "/new", "/new"]


def test_a_stopped_webhook_is_started_by_a_change(both: Partners, receiver: HttpReceiver) -> None:
    own = str(new_id())
    webhook = subscribe(both, receiver.url, session=own).webhook
    stopped = disable(both, webhook.id, both.caller(*ALL, session=own))
    lend(both)
    start = wire.ChangeWebhookRequest(id=webhook.id, version=stopped.version, is_active=True)
    assert both.stub.ChangeWebhook(start, metadata=both.caller(*ALL, session=own)).webhook.state == "active"
    lend(both)
    assert deliver(both) == 1


def test_after_a_change_both_secrets_sign_for_a_day(both: Partners, receiver: HttpReceiver) -> None:
    own = str(new_id())
    made = subscribe(both, receiver.url, session=own)
    request = wire.ChangeWebhookSecretRequest(id=made.webhook.id)
    reply = both.stub.ChangeWebhookSecret(request, metadata=both.caller(*ALL, session=own))
    assert reply.secret != made.secret
    assert reply.former_until.ToDatetime(UTC) == NOON + timedelta(days=1)
    lend(both)
    assert deliver(both) == 1
    [first] = receiver.requests
    assert signatures(first) == [signed(reply.secret, first), signed(made.secret, first)]
    with clock.frozen(NOON + timedelta(days=1)):
        lend(both)
        assert deliver(both) == 1
    assert signatures(receiver.requests[1]) == [signed(reply.secret, receiver.requests[1])]


def test_a_ping_is_an_event_without_facts_that_every_kind_of_webhook_gets(
    both: Partners, receiver: HttpReceiver
) -> None:
    own = str(new_id())
    webhook = subscribe(both, receiver.url, session=own).webhook
    ping = wire.PingWebhookRequest(id=webhook.id)
    queued = both.stub.PingWebhook(ping, metadata=both.caller(*ALL, session=own)).delivery
    with pytest.raises(Refused) as refusal:
        both.stub.PingWebhook(ping, metadata=both.caller(*ALL, session=own))
    assert refusal.value.reason == "WEBHOOK_PING_WAITS"
    assert deliver(both) == 1
    document = json.loads(receiver.requests[0].body)
    assert (document["id"], document["kind"], document["facts"]) == (queued.id, "ping", {})
    disable(both, webhook.id, both.caller(*ALL, session=own))
    with pytest.raises(Refused) as refusal:
        both.stub.PingWebhook(ping, metadata=both.caller(*ALL, session=own))
    assert refusal.value.reason == "WEBHOOK_DISABLED"


def test_deliveries_have_their_attempts_with_time_status_duration_and_reason(
    both: Partners, receiver: HttpReceiver
) -> None:
    own = str(new_id())
    webhook = subscribe(both, receiver.url, session=own).webhook
    lend(both)
    moments: list[datetime] = []
    for answer in (Answer(503), Answer(is_silent=True), Answer()):
        moments.append(NOON + timedelta(minutes=2 * len(moments)))
        receiver.answer = lambda _request, answer=answer: answer  # type: ignore[misc]
        with clock.frozen(moments[-1]):
            deliver(both)
    listed = wire.ListDeliveriesRequest(id=webhook.id)
    [sent] = both.stub.ListDeliveries(listed, metadata=both.caller(*ALL, session=own)).deliveries
    assert [attempt.at.ToDatetime(UTC) for attempt in sent.attempts] == moments
    assert [attempt.status for attempt in sent.attempts] == [503, 0, 200]
    assert [attempt.reason for attempt in sent.attempts][::2] == ["HTTP_503", ""]
    assert sent.attempts[1].reason.startswith("OUTGOING_")
    assert not sent.attempts[1].HasField("status")
    assert all(0 <= attempt.milliseconds < 60_000 for attempt in sent.attempts)


def test_the_oldest_attempts_of_an_event_are_not_kept(partners: Partners, receiver: HttpReceiver) -> None:
    own = str(new_id())
    webhook = subscribe(partners, receiver.url, session=own).webhook
    lend(partners)
    deliver(partners)
    listed = wire.ListDeliveriesRequest(id=webhook.id)
    metadata = partial(partners.caller, *ALL, session=own)
    [event] = partners.stub.ListDeliveries(listed, metadata=metadata()).deliveries
    for _ in range(delivery.MOST_ATTEMPTS):
        partners.stub.ReplayWebhook(wire.ReplayWebhookRequest(id=webhook.id, cursor=event.id), metadata=metadata())
        deliver(partners)
    [event] = partners.stub.ListDeliveries(listed, metadata=metadata()).deliveries
    assert len(event.attempts) == delivery.MOST_ATTEMPTS == len(receiver.requests) - 1


def test_a_ping_and_a_change_of_the_secret_are_in_the_audit(both: Partners, receiver: HttpReceiver) -> None:
    own = str(new_id())
    metadata = partial(both.caller, *ALL, session=own)
    webhook = subscribe(both, receiver.url, session=own).webhook
    both.stub.PingWebhook(wire.PingWebhookRequest(id=webhook.id), metadata=metadata())
    secret = both.stub.ChangeWebhookSecret(wire.ChangeWebhookSecretRequest(id=webhook.id), metadata=metadata()).secret
    with pytest.raises(Refused):  # a refused act is not in the audit
        both.stub.PingWebhook(wire.PingWebhookRequest(id=webhook.id), metadata=metadata())
    with both.database.reading(TEST) as session:
        rows = session.execute(select(acts).where(acts.c.object == webhook.id).order_by(acts.c.number)).all()
    assert [(row.act, row.kind, row.actor) for row in rows[1:]] == [
        ("notifications.ping_webhook", "webhook", own),
        ("notifications.change_webhook_secret", "webhook", own),
    ]
    assert secret
    assert secret not in repr(rows)
