"""Webhooks belong to the account or client that made them, and end with it or with a scope that they need."""

from __future__ import annotations

from functools import partial

import pytest
from sqlalchemy import select

from chassis.addresses import networks
from chassis.audit import acts
from chassis.errors import Forbidden, Refused, Unavailable
from chassis.http.outgoing import OutgoingClient
from chassis.ids import new_id
from rangkiang.notifications.v1 import webhooks_pb2 as wire
from services.notifications import checks
from services.notifications.webhooks import delivery
from tests.fakes.http_receiver import HttpReceiver
from tests.services.notifications.partners import (
    ALL,
    PKS,
    TEST,
    Partners,
    deliver,
    disable,
    lend,
    listed,
    subscribe,
)


def test_a_webhook_of_staff_belongs_to_the_account_in_every_session(both: Partners, receiver: HttpReceiver) -> None:
    account = str(new_id())
    request = wire.CreateWebhookRequest(url=receiver.url, kinds=["loan.opened"])
    webhook = both.stub.CreateWebhook(request, metadata=both.caller(*ALL, actor=account)).webhook
    assert (webhook.client_id, webhook.made_by_staff) == (account, True)
    # Another session of the same person, then a person without reports.read, then a manager.
    assert [entry.id for entry in listed(both, scopes=("webhooks.manage",), actor=account)] == [webhook.id]
    assert listed(both, scopes=("webhooks.manage",), actor=str(new_id())) == []
    assert [entry.id for entry in listed(both, actor=str(new_id()))] == [webhook.id]
    later = both.caller("webhooks.manage", actor=account)
    disabled = disable(both, webhook.id, later)
    assert (disabled.state, disabled.reason) == ("disabled", "STOPPED")
    for _ in range(9):
        both.stub.CreateWebhook(request, metadata=both.caller(*ALL, actor=account))
    with pytest.raises(Refused) as refusal:
        both.stub.CreateWebhook(request, metadata=both.caller(*ALL, actor=account))
    assert refusal.value.reason == "WEBHOOK_LIMIT_REACHED"


@pytest.mark.parametrize("lost", ["", " webhooks.manage", " facts.loans", " facts.members"])
def test_a_webhook_ends_with_its_maker_or_a_scope_and_the_list_says_why(
    both: Partners, receiver: HttpReceiver, lost: str
) -> None:
    manager = str(new_id())
    made = both.caller(*ALL, actor=manager)
    request = wire.CreateWebhookRequest(url=f"{receiver.url}/manager", kinds=["loan.opened"])
    webhook = both.stub.CreateWebhook(request, metadata=made).webhook
    subscribe(both, f"{receiver.url}/other")
    lend(both)
    both.lost.add(manager + lost)
    assert deliver(both) == 1
    assert {request.path for request in receiver.requests} == {"/other"}
    # The second time, as after a restart, changes nothing.
    assert delivery.end_without_scopes(both.database, both.read_scopes) == 0
    lend(both)
    assert deliver(both) == 1
    ended = next(entry for entry in listed(both) if entry.id == webhook.id)
    assert (ended.state, ended.reason, ended.waiting) == ("disabled", "MAKER_WITHOUT_SCOPES", 0)
    [finding] = checks.partners(both.resources)
    assert webhook.id in finding.message.en
    with both.database.reading(TEST) as session:
        is_end = acts.c.act == "notifications.end_webhook"
        rows = session.execute(select(acts.c.object, acts.c.institution).where(is_end)).all()
    assert [tuple(row) for row in rows] == [(webhook.id, str(PKS))]


def test_a_webhook_for_which_nothing_waits_and_a_disabled_one_end_too(both: Partners, receiver: HttpReceiver) -> None:
    own = str(new_id())
    for _ in range(2):
        webhook = subscribe(both, receiver.url, session=own).webhook
    disable(both, webhook.id, both.caller(*ALL, session=own))
    both.lost.add(own)
    assert delivery.end_without_scopes(both.database, both.read_scopes) == 2
    assert {(entry.state, entry.reason) for entry in listed(both)} == {("disabled", "MAKER_WITHOUT_SCOPES")}
    replay = wire.ReplayWebhookRequest(id=webhook.id)
    manager = partial(both.caller, *ALL, "reports.read", actor=str(new_id()))
    assert disable(both, webhook.id, manager()).reason == "MAKER_WITHOUT_SCOPES"
    # A token may be valid for some minutes after its client was revoked.
    for metadata in (manager(), both.caller(*ALL, session=own)):
        with pytest.raises(Refused) as refusal:
            both.stub.ReplayWebhook(replay, metadata=metadata)
        assert refusal.value.reason == "WEBHOOK_ENDED"


def test_another_manager_continues_the_webhook_of_one_who_left(both: Partners, receiver: HttpReceiver) -> None:
    left, successor = str(new_id()), str(new_id())
    request = wire.CreateWebhookRequest(url=receiver.url, kinds=["loan.opened"])
    webhook = both.stub.CreateWebhook(request, metadata=both.caller(*ALL, actor=left)).webhook
    both.lost.add(left)
    delivery.end_without_scopes(both.database, both.read_scopes)
    replay = wire.ReplayWebhookRequest(id=webhook.id)
    too_few = both.caller("webhooks.manage", "facts.loans", "reports.read", actor=str(new_id()))
    with pytest.raises(Forbidden) as error:
        both.stub.ReplayWebhook(replay, metadata=too_few)
    assert error.value.facts["scopes"] == ["facts.members"]
    reply = both.stub.ReplayWebhook(replay, metadata=both.caller(*ALL, "reports.read", actor=successor))
    assert (reply.webhook.state, reply.webhook.client_id) == ("active", successor)
    lend(both)
    assert deliver(both) == 1


def test_while_members_does_not_answer_webhooks_wait(both: Partners, receiver: HttpReceiver) -> None:
    subscribe(both, receiver.url)
    lend(both)

    def away(_ids: object) -> dict[str, frozenset[str]]:
        raise Unavailable("SERVICE_UNAVAILABLE", service="members")

    client = OutgoingClient(allowed=networks("127.0.0.0/8"))
    with pytest.raises(Unavailable):
        delivery.run_round(both.database, both.master, client, away)
    assert receiver.requests == []
    assert deliver(both) == 1
