"""Doctor's findings about channels, partners' webhooks and waiting people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import insert

from chassis import clock
from chassis.ids import new_id
from services.notifications import checks
from services.notifications.channels.limits import FAILURES
from services.notifications.tables import Attempt, Message, Webhook
from tests.migrated import MigratedDatabases
from tests.services.notifications.partners import PKS, TEST, Partners, opened


@pytest.fixture
def partners(migrated: MigratedDatabases, tmp_path: Path) -> Iterator[Partners]:
    with opened(migrated, "sqlite", tmp_path, CHANNELS="console:?name=surat print:") as partners:
        yield partners


def add_attempts(partners: Partners, *states: str, hours: float = 1) -> None:
    moment = clock.now() - timedelta(hours=hours)
    message_id: UUID = new_id()
    with partners.database.transaction(TEST) as session:
        session.execute(
            insert(Message).values(
                id=message_id, institution_id=PKS, member_id=None, kind="due_soon", is_digest=False, day=None,
                language="id", state="open", reason="", channel="surat", tries=0, next_at=moment, since=moment,
                sealed=None, made_at=moment,
            )
        )  # fmt: skip
        for number, state in enumerate(states):
            session.execute(
                insert(Attempt).values(
                    id=new_id(), institution_id=PKS, message_id=message_id, channel="surat", provider_id="",
                    address_hash=b"x" * 32, state=state, reason="MAIL_SERVER_AWAY", started_at=moment,
                    ended_at=moment + timedelta(minutes=number),
                )
            )  # fmt: skip


def test_a_channel_that_fails_again_and_again_is_named(partners: Partners) -> None:
    assert [finding.ok for finding in checks.channels(partners.resources)] == [True]
    add_attempts(partners, *["temporary"] * FAILURES)
    [finding] = checks.channels(partners.resources)
    assert not finding.ok
    assert "surat" in finding.message.en
    assert "MAIL_SERVER_AWAY" in finding.message.en
    add_attempts(partners, "accepted", hours=0.5)
    assert [finding.ok for finding in checks.channels(partners.resources)] == [True]


def test_failures_of_yesterday_say_nothing(partners: Partners) -> None:
    add_attempts(partners, *["temporary"] * FAILURES, hours=30)
    assert [finding.ok for finding in checks.channels(partners.resources)] == [True]


def test_a_wrong_url_is_named_without_its_secret(partners: Partners) -> None:
    url = "smtp://u:rahasia@mail.example?from=a@b.example&tsl=none"
    settings = partners.resources.settings.model_copy(update={"channels": url})
    [finding] = checks.channels(replace(partners.resources, settings=settings))
    assert not finding.ok
    assert "tsl" in finding.message.en
    assert "rahasia" not in str(finding.as_json())


def test_a_number_of_an_institution_that_does_not_exist_is_named(partners: Partners) -> None:
    urls = "whatsapp://123456789?token=x&institution=PKS whatsapp://123456780?token=x&institution=PSK"
    settings = partners.resources.settings.model_copy(update={"channels": urls})
    [finding] = checks.channels(replace(partners.resources, settings=settings))
    assert (finding.ok, "PSK" in finding.message.id) == (False, True)


def test_a_disabled_webhook_is_named(partners: Partners) -> None:
    assert checks.partners(partners.resources) == []
    with partners.database.transaction(TEST) as session:
        session.execute(
            insert(Webhook).values(
                id=(webhook_id := new_id()), institution_id=PKS, client_id="c", url="https://x.example", kinds=[],
                with_members=False, sealed_secret=b"", sealed_contact=None, state="disabled", reason="HTTP_500",
                failures=9, failing_since=clock.now(), next_at=clock.now(), last_delivered_at=None, made_at=clock.now(),
            )
        )  # fmt: skip
    [finding] = checks.partners(partners.resources)
    assert str(webhook_id) in finding.message.id
