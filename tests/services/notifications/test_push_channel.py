"""Web push beside push services that are slow, refuse or answer too much."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from webpush import WebPush

from chassis.addresses import Networks, networks
from chassis.errors import Unavailable
from chassis.http.outgoing import MOST_BYTES, OutgoingClient
from services.notifications.channels.limits import FAILURES
from services.notifications.channels.opening import open_channels
from services.notifications.channels.port import Channel, Message
from services.notifications.channels.webpush import (
    PRIVATE_KEY,
    PUBLIC_KEY,
    REFUSALS,
    REQUEST_SECONDS,
    SOME_DEVICES,
    WebPushChannel,
    make_keys,
)
from tests.fakes.http_receiver import Answer
from tests.fakes.push_service import PushService

LOOPBACK = networks("127.0.0.0/8")


def message_to(*endpoints: PushService, number: int = 0) -> Message:
    address = json.dumps([json.loads(endpoint.subscription) for endpoint in endpoints])
    return Message(id=f"m-{number}", kind="loan_receipt", address=address, language="id", subject="Buku", text="Teks")


def open_push(folder: Path, *, push_networks: Networks = LOOPBACK) -> Channel:
    make_keys(folder / "vapid")
    [channel] = open_channels(
        f"webpush:?keys={folder / 'vapid'}&contact=pustaka@kota.example", push_networks=push_networks
    )
    return channel


def test_a_message_ends_at_the_first_push_service_that_does_not_reply_which_is_then_the_last(tmp_path: Path) -> None:
    channel = open_push(tmp_path)
    with PushService() as silent, PushService() as other, PushService() as third:
        silent.is_silent = True
        outcomes = [channel.send(message_to(silent, other, third, number=number)).state for number in range(2)]
        assert outcomes == ["unknown", "accepted"]
        assert [len(endpoint.server.requests) for endpoint in (silent, other, third)] == [2, 1, 1]


@pytest.mark.parametrize(("status", "reason"), [(429, SOME_DEVICES), (503, SOME_DEVICES), (410, ""), (201, "")])
def test_one_device_that_takes_a_message_is_enough_and_the_outcome_says_that_others_did_not(
    tmp_path: Path, status: int, reason: str
) -> None:
    channel = open_push(tmp_path)
    with PushService() as busy, PushService() as other:
        busy.server.answer = lambda _request: Answer(status)
        outcome = channel.send(message_to(busy, other))
        assert (outcome.state, outcome.reason) == ("accepted", reason)
        assert [len(endpoint.server.requests) for endpoint in (busy, other)] == [1, 1]


def test_hosts_that_are_not_resolved_in_time_end_a_message_and_others_do_not(tmp_path: Path) -> None:
    make_keys(tmp_path)
    now = [0.0]
    seconds = {"slow.example": REQUEST_SECONDS, "gone.example": 0.1}

    def resolve(host: str, _port: int) -> list[str]:
        now[0] += seconds.get(host, 0)
        if host in seconds:
            raise Unavailable("HOST_NOT_RESOLVED", host=host)
        return ["127.0.0.1"]

    channel = WebPushChannel(
        "webpush",
        encryption=WebPush(tmp_path / PRIVATE_KEY, tmp_path / PUBLIC_KEY, subscriber="pustaka@kota.example"),
        client=OutgoingClient(allowed=LOOPBACK, resolve=resolve),
        monotonic=lambda: now[0],
    )
    with PushService() as service:
        subscription = json.loads(service.subscription)
        for host, states in (("gone.example", ["accepted"]), ("slow.example", ["temporary", "accepted"])):
            both = json.dumps([subscription | {"endpoint": f"https://{host}/push"}, subscription])
            message = replace(message_to(service), address=both)
            assert [channel.send(message).state for _ in states] == states


def test_a_push_service_has_a_few_seconds(tmp_path: Path) -> None:
    channel = open_push(tmp_path)
    with PushService() as slow:
        slow.server.answer = lambda _request: Answer(201, body=b"x" * 10, seconds_per_byte=1)
        assert channel.send(message_to(slow)).state == "unknown"


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refusals_of_one_endpoint_do_not_close_the_channel(tmp_path: Path, status: int) -> None:
    channel = open_push(tmp_path)
    with PushService() as hostile, PushService() as other:
        hostile.status = status
        for number in range(FAILURES + 1):
            assert channel.send(message_to(hostile, number=number)).state == "permanent"
        assert channel.send(message_to(other)).state == "accepted"


def test_an_endpoint_that_goes_on_refusing_the_signature_has_ended(tmp_path: Path) -> None:
    channel = open_push(tmp_path)
    with PushService() as former, PushService() as other:
        former.status = 403
        outcomes = [channel.send(message_to(former, other, number=number)) for number in range(REFUSALS)]
    ended = json.loads(former.subscription)["endpoint"]
    assert [outcome.ended_endpoints for outcome in outcomes] == [()] * (REFUSALS - 1) + [(ended,)]


def test_no_endpoint_ends_while_every_push_service_refuses_the_signature(tmp_path: Path) -> None:
    channel = open_push(tmp_path)
    with PushService() as first, PushService() as other:
        first.status = other.status = 403
        for number in range(2 * REFUSALS):
            assert channel.send(message_to(first, other, number=number)).ended_endpoints == ()


def test_a_reply_that_is_too_large_ends_no_device(tmp_path: Path) -> None:
    channel = open_push(tmp_path)
    with PushService() as service:
        service.server.answer = lambda _request: Answer(201, body=b"x" * (MOST_BYTES + 1))
        outcome = channel.send(message_to(service))
    assert (outcome.state, outcome.is_address_bad, outcome.ended_endpoints) == ("unknown", False, ())
