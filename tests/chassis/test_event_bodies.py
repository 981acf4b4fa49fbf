"""Bodies of events are read alike with and without protobuf's JSON parser."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf.json_format import Parse

from chassis.bus import Event, handling
from chassis.bus.handling import read_body
from chassis.errors import Invalid
from chassis.ids import new_id
from chassis.service import Consumer
from rangkiang.circulation.v1.events_pb2 import LoanOpened

LOAN_OPENED = Consumer("loan-opened", LoanOpened, "nowhere:handle")
WHOLE = (
    '{"loan":{"loan_id":"a","state_version":"7","state":"on_loan",'
    '"due_at":"2026-12-03T09:00:00.5Z","due_on":"2026-12-03"}}'
)


def event(body: str) -> Event:
    return Event(new_id(), LoanOpened.DESCRIPTOR.full_name, body, "a", 1, "", "", datetime.now(UTC))


@pytest.mark.parametrize(
    "body",
    [
        WHOLE,
        "{}",
        '{"loan":{}}',
        '{"loan":null}',
        '{"loan":{"title":null}}',
        '{"loan":{"stateVersion":7}}',
        '{"loan":{"state_version":7}}',
        '{"loan":{"state_version":7.0}}',
        '{"loan":{"due_at":"2026-12-03T16:00:00+07:00"}}',
        '{"loan":{"of_a_later_release":true,"title":"Laskar Pelangi"}}',
        '{"of_a_later_release":[1]}',
    ],
)
def test_a_body_is_read_as_the_parser_of_protobuf_reads_it(body: str) -> None:
    assert read_body(LOAN_OPENED, event(body)) == Parse(body, LoanOpened(), ignore_unknown_fields=True)


@pytest.mark.parametrize(
    "body",
    [
        "",
        '{"loan":1}',
        '{"loan":{"title":1}}',
        '{"loan":{"state_version":true}}',
        '{"loan":{"state_version":"9223372036854775808"}}',
        '{"loan":{"due_at":"2026-12-03T09:00:00"}}',
    ],
)
def test_a_body_that_the_parser_refuses_is_unreadable(body: str) -> None:
    with pytest.raises(Invalid) as refusal:
        read_body(LOAN_OPENED, event(body))
    assert refusal.value.reason == "EVENT_UNREADABLE"


def test_facts_of_loans_need_no_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handling, "Parse", None)
    assert read_body(LOAN_OPENED, event(WHOLE)).loan.due_at.nanos == 500_000_000  # type: ignore[attr-defined]
