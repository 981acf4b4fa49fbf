"""Partners hear of changed and deleted records of their institution: many in one event, and with the feed's cursor."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chassis.cursors import read_cursor
from chassis.errors import Forbidden
from tests.fakes.http_receiver import HttpReceiver
from tests.services.notifications.partners import UNAND, Partners, change_records, deliver, lend, subscribe

SCOPES = ("webhooks.manage", "facts.records")


def received(receiver: HttpReceiver) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in receiver.requests]


def test_changed_and_deleted_records_are_events_of_their_own_kinds(both: Partners, receiver: HttpReceiver) -> None:
    subscribe(both, receiver.url, "records.changed", "records.deleted", scopes=SCOPES)
    changed, other, deleted = change_records(both, 2, deleted=1, first=41)
    assert deliver(both) == 2
    first, second = received(receiver)
    assert (first["kind"], first["payload_version"]) == ("records.changed", 1)
    assert first["facts"]["institution"] == "PKS"
    assert first["facts"]["records"] == [
        {"id": changed, "version": 2, "change_number": 41, "title": "Judul 0"},
        {"id": other, "version": 2, "change_number": 42, "title": "Judul 1"},
    ]
    assert second["kind"] == "records.deleted"
    assert second["facts"]["records"] == [{"id": deleted, "version": 2, "change_number": 43, "title": None}]
    assert "member_id" not in first


def test_an_import_of_many_records_is_a_few_requests(both: Partners, receiver: HttpReceiver) -> None:
    subscribe(both, receiver.url, "records.changed", scopes=SCOPES)
    ids = change_records(both, 450, deleted=50)
    assert deliver(both) == 5
    records = [record["id"] for event in received(receiver) for record in event["facts"]["records"]]
    assert records == ids[:450]
    assert [len(event["facts"]["records"]) for event in received(receiver)] == [100, 100, 100, 100, 50]


def test_the_cursor_is_before_the_first_change_of_the_event(both: Partners, receiver: HttpReceiver) -> None:
    subscribe(both, receiver.url, "records.changed", scopes=SCOPES)
    change_records(both, 3, first=1)
    change_records(both, 3, first=70)
    deliver(both)
    assert [read_cursor(event["facts"]["cursor"], "changes", str, int) for event in received(receiver)] == [
        ["e", 0],
        ["e", 69],
    ]


def test_a_webhook_gets_only_its_kinds_and_its_institution(both: Partners, receiver: HttpReceiver) -> None:
    subscribe(both, f"{receiver.url}/deleted", "records.deleted", scopes=SCOPES)
    subscribe(both, f"{receiver.url}/loans", "loan.opened", scopes=("webhooks.manage", "facts.loans"))
    subscribe(both, f"{receiver.url}/other", "records.changed", scopes=SCOPES, institution=UNAND)
    change_records(both, 2, deleted=1)
    lend(both)
    deliver(both)
    assert sorted(request.path for request in receiver.requests) == ["/deleted", "/loans"]


def test_the_kinds_of_records_need_their_scope(partners: Partners, receiver: HttpReceiver) -> None:
    with pytest.raises(Forbidden) as error:
        subscribe(partners, receiver.url, "records.deleted", scopes=("webhooks.manage", "facts.loans"))
    assert error.value.facts["scopes"] == ["facts.records"]
