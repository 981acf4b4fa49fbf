"""A partner hears of records that an import has added and deleted, and reads on in the feed of changes."""

from __future__ import annotations

import json
import uuid
from contextlib import closing
from typing import Any

from tests.builders import book
from tests.conditions import eventually
from tests.fakes.http_receiver import HttpReceiver
from tests.journeys.library import Library
from tests.journeys.shared.test_many_desks import client

RECORDS = 120
SECONDS = 60


def test_an_import_and_a_deletion_are_a_few_events_from_which_the_feed_goes_on(library: Library) -> None:
    receiver = HttpReceiver()
    source = f"WEBHOOK{uuid.uuid4().hex[:8].upper()}"
    titles = [f"Peristiwa {number}" for number in range(RECORDS)]
    try:
        with closing(client(library, "partner")) as partner:
            body = {"url": receiver.url, "kinds": ["records.changed", "records.deleted"]}
            created = partner.post("/webhooks", json=body, headers={"Idempotency-Key": source})
            assert created.status_code == 201, created.text

            library.put([book(str(number), title) for number, title in enumerate(titles)], source=source)
            eventually(lambda: len(records(receiver, "records.changed", titles)) >= RECORDS, seconds=SECONDS)
            changed = records(receiver, "records.changed", titles)
            assert [record["title"] for record in changed] == titles
            assert len(receiver.requests) < RECORDS / 10

            first = next(event for event in events(receiver) if event["facts"]["records"][0]["title"] == titles[0])
            feed = library.api("/changes", cursor=first["facts"]["cursor"], limit=1000)["hits"]
            assert [(change["id"], change["version"]) for change in feed[:RECORDS]] == [
                (record["id"], record["version"]) for record in changed
            ]

            library.command("sources", "drop", source)
            ids = {record["id"] for record in changed}
            eventually(lambda: deleted_ids(receiver) >= ids, seconds=SECONDS)
            assert library.get(f"/api/v1/records/{changed[0]['id']}").status_code == 410
            assert (
                partner.delete(f"/webhooks/{created.json()['id']}", headers={"Idempotency-Key": "end"}).status_code
                == 204
            )
    finally:
        receiver.close()


def events(receiver: HttpReceiver) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in receiver.requests]


def records(receiver: HttpReceiver, kind: str, titles: list[str]) -> list[dict[str, Any]]:
    """The records of the events of a kind with these titles, in order; other tests import records too."""
    return [
        record
        for event in events(receiver)
        if event["kind"] == kind
        for record in event["facts"]["records"]
        if record["title"] in titles
    ]


def deleted_ids(receiver: HttpReceiver) -> set[str]:
    return {
        record["id"]
        for event in events(receiver)
        if event["kind"] == "records.deleted"
        for record in event["facts"]["records"]
    }
