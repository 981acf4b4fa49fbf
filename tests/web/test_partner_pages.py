"""Conversations and webhooks on pages of staff, without JavaScript: taken over, answered, disabled, replayed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from playwright.sync_api import Browser

from chassis import clock
from chassis.ids import new_id
from chassis.security.encryption import MasterKey, make_master_key, require_master_key
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from rangkiang.common.v1.text_pb2 import LocalText
from services.notifications.conversations import store
from services.notifications.conversations.inbound import Pending
from services.notifications.institutions import copy_institutions
from services.notifications.members import hash_address
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Webhook, WebhookEvent
from services.notifications.webhooks.delivery import MAKER_WITHOUT_SCOPES, SEALED_FOR
from services.notifications.webhooks.events import SCOPES
from tests.fakes.accounts import TEST, add_institution, add_staff, new_user
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import running, served_catalog, served_gateway
from tests.web.accessibility import check_accessibility, take_session
from tests.web.visitors import Visitor, visitor

MAKASSAR = UUID(int=0xB7)
HOSTILE = "<img src=x onerror=alert(1)> Apakah hari Sabtu buka?"
LIST, HOOKS = "/notices/conversations", "/notices/webhooks"


@pytest.fixture(scope="module")
def master() -> MasterKey:
    return MasterKey.new()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    own = {"outgoing_private_networks": "127.0.0.0/8"}
    with served_catalog(FakeCatalog()) as url, served_gateway(url, own_settings=own) as address:
        add_institution(MAKASSAR, "MKS")
        name = LocalText(id="Perpustakaan MKS", en="MKS Library")
        copy = InstitutionCopy(id=str(MAKASSAR), version=1, code="MKS", name=name, zone="Asia/Makassar")
        notifications = running["notifications"]
        with notifications.database.transaction(TEST) as session:
            copy_institutions(session, [copy])
        make_master_key(notifications.settings.of(NotificationsSettings).master_key)
        yield address


@pytest.fixture(scope="module")
def manager(site: str) -> Iterator[Visitor]:
    with visitor(site) as manager:
        assert manager.sign_in(add_staff(new_user("manager"), "manager", institution=MAKASSAR)).status_code == 303
        yield manager


@pytest.fixture(scope="module")
def desk(site: str) -> Iterator[Visitor]:
    with visitor(site) as desk:
        assert desk.sign_in(add_staff(new_user("desk"), "desk", institution=MAKASSAR)).status_code == 303
        yield desk


def keep(number: str, text: str = HOSTILE, *, ago: timedelta = timedelta()) -> str:
    """Store what somebody wrote; return the path of the conversation."""
    notifications = running["notifications"]
    master = require_master_key(notifications.settings.of(NotificationsSettings).master_key)
    pending = Pending(f"wamid.{new_id()}", "whatsapp", number, text, clock.now() - ago)
    with notifications.database.transaction(TEST) as session:
        row = store.add_message(
            session, master, pending, institution_id=MAKASSAR, member_id=None, language="id", is_answered=False,
            address_hash=hash_address(master, MAKASSAR, number),
        )  # fmt: skip
        return f"{LIST}/{row.id}"


def test_a_message_is_taken_over_and_answered_and_the_next_one_is_shown(manager: Visitor, desk: Visitor) -> None:
    path = keep("+6281266001101")
    page = desk.open(LIST)
    assert not page.xpath("//main//img")
    assert HOSTILE in desk.text
    desk.open(path)
    desk.send(f"{path}/take")
    assert "You are handling this conversation" in desk.text
    manager.open(path)
    assert "A colleague has been handling this conversation since" in manager.text
    assert "WITA" in manager.text
    desk.send(f"{path}/reply", {"text": "Ya, pukul 08.00 sampai 16.00."})
    assert "The reply is being sent, and the conversation is done." in desk.text
    desk.open(f"{LIST}?state=done")
    assert "+6281266001101" in desk.text
    desk.open(path)
    assert "Ya, pukul 08.00 sampai 16.00." in desk.text
    assert "waiting to be sent" in desk.text


def test_after_a_day_a_reply_is_refused_and_what_was_typed_stays(desk: Visitor) -> None:
    path = keep("+6281266001102", ago=timedelta(hours=23, minutes=59))
    desk.open(path)
    form = desk.form(f"{path}/reply")
    with clock.frozen(clock.now() + timedelta(minutes=5)):
        answer = desk.http.post(f"{path}/reply", data={**form, "text": "Terlambat"}, follow_redirects=True)
    assert answer.status_code == 409
    assert "Terlambat" in answer.text
    assert "more than 24 hours old" in answer.text
    desk.open(path)
    desk.send(f"{path}/close")
    with clock.frozen(clock.now() + timedelta(minutes=5)):
        answer = desk.http.post(f"{path}/reply", data={**form, "text": "Terlambat"}, follow_redirects=True)
    assert "Terlambat" in answer.text
    assert "then mark the conversation as done" not in answer.text


def test_a_message_without_need_for_an_answer_is_marked_as_done(desk: Visitor) -> None:
    path = keep("+6281266001103", "Terima kasih")
    desk.open(path)
    desk.send(f"{path}/close")
    assert "marked as done" in desk.text
    desk.open(path)
    assert not [form for form in desk.page.forms if form.action.endswith("/close")]


def test_an_unknown_conversation_is_not_found(desk: Visitor) -> None:
    desk.open(f"{LIST}/{new_id()}")
    assert desk.response.status_code == 404


def test_a_webhook_is_made_shown_once_disabled_enabled_and_deleted(manager: Visitor) -> None:
    manager.open(HOOKS)
    answer = manager.send(HOOKS, {"url": "https://10.1.2.3/x", "kinds": ["loan.opened"], "contact": "nobody"})
    assert answer.status_code == 409
    assert (
        "10.1.2.3 was not found, or is not a public Internet address"
        in manager.page.xpath("//*[@id='url-error']")[0].text_content()
    )
    assert manager.form(HOOKS)["url"] == "https://10.1.2.3/x"
    answer = manager.send(HOOKS, {"url": "http://127.0.0.1/x"})
    assert answer.status_code == 400
    values: dict[str, str | list[str]] = {"url": "http://127.0.0.1/fakta", "kinds": ["loan.opened"], "contact": ""}
    manager.send(HOOKS, values)
    secret = re.search(r"rkwh_[\w-]+", manager.text)
    assert secret
    manager.open(HOOKS)
    assert secret[0] not in manager.response.text
    path = manager.page.xpath("//main//a[@class='address']/@href")[0]
    manager.open(path)
    manager.send(f"{path}/disable")
    assert "The webhook is disabled." in manager.text
    assert "Disabled by its owner." in manager.text
    manager.send(f"{path}/replay")
    assert "The webhook is active again." in manager.text
    manager.send(f"{path}/pings")
    assert "A test event is being sent." in manager.text
    assert "Test event" in manager.text
    manager.send(f"{path}/secrets")
    other = re.search(r"rkwh_[\w-]+", manager.text)
    assert other
    assert other[0] != secret[0]
    assert "The former secret is valid until" in manager.text
    manager.open(path)
    manager.send(f"{path}/delete")
    assert "The webhook is deleted." in manager.text
    manager.open(path)
    assert manager.response.status_code == 404


@pytest.fixture(scope="module")
def delivered(site: str, manager: Visitor, master: MasterKey) -> str:
    """The path of a partner's webhook that fails, with 60 events of which 57 were taken."""
    now, webhook_id = clock.now(), new_id()
    with running["notifications"].database.transaction(TEST) as session:
        session.add(
            Webhook(
                id=webhook_id, institution_id=MAKASSAR, client_id="klien", url=f"https://kampus.example/{'a' * 80}",
                kinds=["loan.opened"], with_members=False, sealed_secret=master.seal(b"x", use=SEALED_FOR),
                sealed_contact=None, state="active", reason="HTTP_500", failures=3, failing_since=now, next_at=now,
                last_delivered_at=now, made_at=now, made_by_staff=None,
            )
        )  # fmt: skip
        session.flush()
        for number in range(60):
            session.add(
                WebhookEvent(
                    id=new_id(), institution_id=MAKASSAR, webhook_id=webhook_id, kind="loan.opened", facts={},
                    member_id=None, occurred_at=now, made_at=now, delivered_at=now if number < 57 else None,
                )
            )  # fmt: skip
    return f"{HOOKS}/{webhook_id}"


def test_deliveries_are_paged_and_sent_again_from_a_fact(manager: Visitor, delivered: str) -> None:
    manager.open(delivered)
    assert "The partner's system answered HTTP 500." in manager.text
    assert "Created by an API client." in manager.text
    assert len(manager.page.xpath("//main//ol/li")) == 50
    manager.open(manager.page.xpath("//a[contains(@rel, 'next')]/@href")[0])
    entries = manager.page.xpath("//main//ol/li")
    assert len(entries) == 10
    cursor = entries[0].xpath(".//input[@name='cursor']/@value")[0]
    manager.send(f"{delivered}/replay", {"cursor": cursor})
    assert "48 events are sent again." in manager.text
    assert "answered HTTP 500" not in manager.text


@pytest.mark.parametrize("made_by_staff", [True, False])
def test_a_webhook_that_ended_with_its_maker_says_so_and_a_manager_continues_that_of_staff(
    manager: Visitor, master: MasterKey, *, made_by_staff: bool
) -> None:
    now, webhook_id = clock.now(), new_id()
    with running["notifications"].database.transaction(TEST) as session:
        session.add(
            Webhook(
                id=webhook_id, institution_id=MAKASSAR, client_id=str(new_id()), url="https://kampus.example/ended",
                kinds=["loan.opened"], with_members=False, sealed_secret=master.seal(b"x", use=SEALED_FOR),
                sealed_contact=None, state="disabled", reason=MAKER_WITHOUT_SCOPES, failures=0, failing_since=None,
                next_at=now, last_delivered_at=None, made_at=now, made_by_staff=made_by_staff,
            )
        )  # fmt: skip
    path = f"{HOOKS}/{webhook_id}"
    manager.open(path)
    assert "Ended, because the account or client that made it is closed or has lost a right." in manager.text
    can_enable = any(form.action.endswith("/replay") for form in manager.page.forms)
    assert (can_enable, "you are recorded as its maker" in manager.text) == (made_by_staff, made_by_staff)
    if made_by_staff:
        manager.send(f"{path}/replay")
        assert "The webhook is active again." in manager.text


def test_every_fact_has_words(manager: Visitor) -> None:
    manager.open(HOOKS)
    assert "Events of loans and members contain the ids of members, without names and contact data." in manager.text
    labels = {option.get("value"): option for option in manager.page.xpath("//input[@name='kinds']")}
    assert set(labels) == set(SCOPES)
    assert all(kind not in labels[kind].getparent().text_content() for kind in labels)


def test_desk_staff_have_no_way_to_webhooks(desk: Visitor) -> None:
    page = desk.open(LIST)
    assert not page.xpath(f"//a[@href='{HOOKS}']")


def test_the_pages_are_accessible_on_every_screen(
    manager: Visitor, delivered: str, site: str, browser: Browser
) -> None:
    path = keep("+6281266001109")
    context = browser.new_context(base_url=site)
    page = context.new_page()
    page.goto("/sign-in")
    take_session(page, manager)
    for address in (LIST, path, HOOKS, delivered):
        page.goto(address)
        check_accessibility(page)
    context.close()
