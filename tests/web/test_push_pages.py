"""What a member's device keeps: notices, sent by the real sender and shown by the worker, and the card."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect

from chassis.addresses import networks
from chassis.security.encryption import make_master_key, require_master_key
from gateway.web.account.notice_preferences import device_name
from services.notifications.channels.opening import open_channels
from services.notifications.channels.webpush import make_keys, public_key
from services.notifications.notices import make_notice
from services.notifications.preferences import Answer, list_answers
from services.notifications.push_devices import Subscription, add_device
from services.notifications.sending.sender import Sender
from services.notifications.settings import NotificationsSettings
from services.notifications.templates.store import render
from tests.fakes.accounts import PASSWORD, PKS, TEST, Staff, add_staff, new_user
from tests.fakes.catalog import FakeCatalog
from tests.fakes.notices import FakeOwners, loan_copy
from tests.fakes.push_service import PushService
from tests.fakes.running import running, served_catalog, served_gateway
from tests.web.accessibility import check_accessibility, take_session
from tests.web.browsers import CHROMIUM, launch
from tests.web.conftest import PHONE
from tests.web.test_member_acts import number_of
from tests.web.test_member_pages import register
from tests.web.visitors import Visitor, visitor

PAGE = "/account/notices"
# What Chromium asks of Google's push service, a fake answers at the browser's border: all else is the browser's own.
PUSH_MANAGER = """(subscription) => {
  let current = null;
  window.asked = [];
  PushManager.prototype.getSubscription = async () => current;
  PushManager.prototype.subscribe = async (options) => {
    window.asked.push(options);
    if (Notification.permission !== "granted") throw new DOMException("denied", "NotAllowedError");
    const value = JSON.parse(subscription);
    current = { endpoint: value.endpoint, toJSON: () => value, unsubscribe: async () => { current = null; } };
    localStorage.setItem("subscribed", "yes");
    return current;
  };
  if (localStorage.getItem("subscribed")) {
    const value = JSON.parse(subscription);
    current = { endpoint: value.endpoint, toJSON: () => value,
      unsubscribe: async () => { current = null; localStorage.removeItem("subscribed"); } };
  }
}"""

SHOWN = """async () => {
  for (let turn = 0; turn < 1200; turn++) {
    const [first] = await (await navigator.serviceWorker.ready).getNotifications();
    if (first) return [first.title, first.body];
    await new Promise((done) => setTimeout(done, 50));
  }
  return ["", ""];
}"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("push") / "vapid"
    make_keys(folder)
    return folder


def channels(keys: Path) -> str:
    return f"webpush:?keys={keys}&contact=pustaka@kota.example print:"


@pytest.fixture(scope="module")
def site(keys: Path) -> Iterator[str]:
    """A gateway whose notifications send web push, also to this machine."""
    mail = "smtp://127.0.0.1:9?from=pustaka@kota.example"
    own = {"channels": f"{mail} {channels(keys)}", "push_private_networks": "127.0.0.0/8"}
    with served_catalog(FakeCatalog()) as url, served_gateway(url, own_settings=own) as address:
        make_master_key(running["notifications"].settings.of(NotificationsSettings).master_key)
        yield address


@contextmanager
def joined(site: str, name: str, phone: str) -> Iterator[tuple[Visitor, UUID]]:
    """The browser of a new member who is signed in, without JavaScript, and the member's id."""
    with visitor(site) as desk, visitor(site) as reader:
        assert desk.sign_in(add_staff(new_user("manager"), "manager")).status_code == 303
        path = register(desk, name=name, phone=phone)
        number = number_of(desk, path)
        desk.open(path)
        desk.send(f"{path}/slips")
        code = desk.page.xpath("//dl//code/text()")[1]
        reader.open("/sign-in/slip")
        reader.send("/sign-in/slip", {"number": number, "password": PASSWORD, "repeated": PASSWORD, "code": code})
        reader.sign_in(Staff("", number, ""))
        yield reader, UUID(path.rpartition("/")[2])


@pytest.fixture(scope="module")
def member(site: str) -> Iterator[tuple[Visitor, UUID]]:
    with joined(site, "Siti Rahmawati", "0813 5555 4444") as member:
        yield member


@pytest.fixture
def service() -> Iterator[PushService]:
    with PushService() as service:
        yield service


@pytest.fixture(scope="module")
def chromium(browser: Browser) -> Iterator[Browser]:
    """Chromium itself: its headless shell shows no notifications."""
    chromium = launch(browser.browser_type, CHROMIUM)
    yield chromium
    chromium.close()


def test_a_member_has_one_switch_for_each_kind_and_for_each_channel_of_the_library(
    member: tuple[Visitor, UUID],
) -> None:
    reader, member_id = member
    every = "//main//input[@type='checkbox']"
    boxes = [(box.get("name"), box.get("value")) for box in reader.open(PAGE).xpath(every)]
    assert [value for name, value in boxes if name == "channel"] == ["email", "push"]
    kinds = [value for name, value in boxes if name == "kind"]
    assert len(boxes) == len(kinds) + 2 <= 14
    reader.send(PAGE, {"kind": [kind for kind in kinds if kind != "overdue"], "channel": ["push"]})
    assert "The choices are saved" in reader.text
    assert reader.page.xpath(f"{every}[not(@checked)]/@value") == ["overdue", "email"]
    assert stored(member_id) == [Answer("all", "email", False), Answer("overdue", "all", False)]
    reader.send(PAGE, {"kind": kinds, "channel": ["email", "push"]})
    assert stored(member_id) == []


def stored(member_id: UUID) -> list[Answer]:
    with running["notifications"].database.reading(TEST) as session:
        return list_answers(session, member_id)


@pytest.fixture
def device(
    chromium: Browser, site: str, service: PushService, member: tuple[Visitor, UUID]
) -> Iterator[BrowserContext]:
    """A phone that is signed in as the member."""
    width, height = PHONE
    context = chromium.new_context(base_url=site, locale="en-US", viewport={"width": width, "height": height})
    context.add_init_script(f"({PUSH_MANAGER})({json.dumps(service.subscription)})")
    yield context
    context.close()


def opened(device: BrowserContext, member: tuple[Visitor, UUID]) -> Page:
    page = device.new_page()
    page.goto("/sign-in")
    take_session(page, member[0])
    page.goto(PAGE)
    return page


def deliver(device: BrowserContext, page: Page, message: object) -> None:
    """Give the page's service worker a push message, as the browser does."""
    worker = device.new_cdp_session(page)
    versions: list[dict[str, str]] = []
    worker.on("ServiceWorker.workerVersionUpdated", lambda event: versions.extend(event["versions"]))
    worker.send("ServiceWorker.enable")
    # A message that comes before the worker is active is lost.
    for _ in range(600):
        if active := [version["registrationId"] for version in versions if version["status"] == "activated"]:
            break
        page.wait_for_timeout(100)
    address = {"origin": page.url.partition("/account")[0], "registrationId": active[-1]}
    worker.send("ServiceWorker.deliverPushMessage", {**address, "data": json.dumps(message)})


def send_receipt(keys: Path, member_id: UUID) -> None:
    """Let the real sender send a receipt to whoever of the member takes it."""
    notifications = running["notifications"]
    owners = FakeOwners()
    fake_id = owners.add(name="Siti Rahmawati")
    contact = owners.people.pop(fake_id)
    contact.id = str(member_id)
    owners.people[member_id] = contact
    with notifications.database.transaction(TEST) as session:
        loan = loan_copy(member_id, PKS)
        facts = {"loan_id": loan.loan_id}
        make_notice(
            session, "loan_receipt", key=loan.loan_id, institution_id=str(PKS), member_id=str(member_id), loan=loan,
            day=loan.due_on, facts=facts,
        )  # fmt: skip
    own = notifications.settings.of(NotificationsSettings)
    sender = Sender(
        notifications.database,
        owners,
        open_channels(channels(keys), push_networks=networks("127.0.0.0/8")),
        read_master=lambda: require_master_key(own.master_key),
        render=render,
    )
    while not sender.run_round():
        pass


def test_a_member_adds_this_device_gets_a_notice_on_it_and_removes_it(
    device: BrowserContext, member: tuple[Visitor, UUID], service: PushService, keys: Path
) -> None:
    device.grant_permissions(["notifications"])
    with running["notifications"].database.transaction(TEST) as session:
        own = running["notifications"].settings.of(NotificationsSettings)
        keys_of_device = json.loads(service.subscription)["keys"]
        laptop = Subscription("https://push.example/laptop", keys_of_device["p256dh"], keys_of_device["auth"])
        add_device(
            session, require_master_key(own.master_key), laptop, member_id=member[1], institution_id=PKS,
            name="Firefox, Windows",
        )  # fmt: skip
    page = opened(device, member)
    assert page.evaluate("window.asked") == []
    page.get_by_role("button", name="Show them on this device").click()
    expect(page.get_by_text("This device is added.")).to_be_visible()
    expect(page.get_by_text("this device", exact=True).locator("visible=true")).to_have_count(1)
    expect(page.get_by_role("button", name="Show them on this device")).to_be_hidden()
    check_accessibility(page)

    send_receipt(keys, member[1])
    (shown,) = service.shown.values()
    assert "Merantau ke Deli" in shown["body"]

    # The browser's own service worker shows what the library has sent.
    deliver(device, page, shown)
    title, body = page.evaluate(SHOWN)
    assert (title, body) == (shown["title"], shown["body"])

    page.get_by_role("button", name="Remove – Chrome, Linux").click()
    expect(page.get_by_text("The device is removed.")).to_be_visible()
    service.shown.clear()
    send_receipt(keys, member[1])
    assert service.shown == {}


def test_a_browser_that_was_refused_the_permission_says_how_to_give_it(
    device: BrowserContext, member: tuple[Visitor, UUID]
) -> None:
    page = opened(device, member)
    page.evaluate("Notification.requestPermission = async () => 'denied'")
    page.get_by_role("button", name="Show them on this device").click()
    expect(page.get_by_text("The browser does not allow notices from this site.")).to_be_visible()
    assert page.evaluate("window.asked") == []


def test_a_question_that_is_closed_without_an_answer_is_no_refusal(
    device: BrowserContext, member: tuple[Visitor, UUID]
) -> None:
    page = opened(device, member)
    page.evaluate("Notification.requestPermission = async () => { window.answered = true; return 'default'; }")
    button = page.get_by_role("button", name="Show them on this device")
    button.click()
    page.wait_for_function("window.answered")
    expect(button).to_be_enabled()
    expect(page.get_by_text("The browser does not allow notices from this site.")).to_be_hidden()
    expect(page.get_by_text("The device could not be added.")).to_be_hidden()
    assert page.evaluate("window.asked") == []


def test_a_message_without_content_still_shows_a_notice(device: BrowserContext, member: tuple[Visitor, UUID]) -> None:
    device.grant_permissions(["notifications"])
    page = opened(device, member)
    deliver(device, page, None)
    assert page.evaluate(SHOWN) == ["Perpustakaan", ""]


def test_without_javascript_a_sentence_says_what_is_missing(member: tuple[Visitor, UUID]) -> None:
    reader, _ = member
    page = reader.open(PAGE)
    assert "To add this device, turn on JavaScript in the browser." in reader.text
    assert page.xpath("//form[contains(@action, 'notices/devices')]/@hidden")


def test_a_subscription_to_the_own_network_is_refused_beside_the_form(member: tuple[Visitor, UUID]) -> None:
    reader, _ = member
    reader.open(PAGE)
    with PushService() as push_service:
        keys = json.loads(push_service.subscription)["keys"]
    answer = reader.send(f"{PAGE}/devices", {"endpoint": "https://10.0.0.1/push", **keys})
    assert answer.status_code == 409
    assert "Notices cannot be sent to 10.0.0.1" in reader.text


def test_the_page_gives_browsers_the_key_of_the_library(member: tuple[Visitor, UUID], keys: Path) -> None:
    reader, _ = member
    assert reader.open(PAGE).xpath("//form/@data-add") == [public_key(keys)]


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Mozilla/5.0 (Linux; Android 14; K) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36", "Chrome, Android"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox, Linux"),
        ("curl/8", ""),
    ],
)  # fmt: skip
def test_a_device_is_named_as_its_member_knows_it(user_agent: str, name: str) -> None:
    assert device_name(user_agent) == name


CARDS = "async () => (await caches.keys()).filter((name) => name.startsWith('card-')).length"
KEPT_CARD = """async () => {
  const [name] = (await caches.keys()).filter((name) => name.startsWith("card-"));
  const cache = await caches.open(name);
  const paths = (await cache.keys()).map((request) => new URL(request.url).pathname);
  return [paths, await (await cache.match("/account/card")).text()];
}"""


def keep_card(page: Page) -> None:
    page.goto("/account/card")
    page.get_by_role("button", name="Keep the card on this device").click()
    expect(page.get_by_role("button", name="Erase the card from this device")).to_be_visible()


def test_a_kept_card_opens_without_a_connection_and_is_erased_at_sign_out(device: BrowserContext, site: str) -> None:
    with joined(site, "Rosmanidar Kartu", "0813 7777 1234") as (reader, member_id):
        page = opened(device, (reader, member_id))
        assert page.evaluate(CARDS) == 0, "a card is kept by choice alone"
        keep_card(page)
        check_accessibility(page)
        number = page.locator(".member-card .call").inner_text()
        paths, copy = page.evaluate(KEPT_CARD)
        assert sorted(path for path in paths if not path.startswith("/static/")) == ["/account/card"]
        for secret in ("csrf", "sign-out", "7777", str(member_id), "<form", "<input"):
            assert secret not in copy, secret
        device.set_offline(True)
        page.goto("/account/card")
        assert page.get_by_role("heading", name="Membership card").is_visible()
        assert page.evaluate("getComputedStyle(document.querySelector('.member-card')).display") == "flex"
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
        codes = {code.format.name: code.text for code in zxingcpp.read_barcodes(picture)}
        assert codes["Code128"] == number
        assert codes["QRCode"].startswith("RK1")
        page.goto("/search?q=surau")
        assert page.get_by_role("link", name="Membership card").is_visible()
        device.set_offline(False)
        # The page loads again by itself when the connection is back.
        page.wait_for_selector(".hit", timeout=20_000)
        page.goto("/account")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/")
        page.wait_for_function(f"({CARDS})().then((count) => count === 0)")
        device.set_offline(True)
        page.goto("/account/card")
        assert page.get_by_role("heading", name="No connection").is_visible()


def test_a_kept_card_is_erased_when_another_member_signs_in(
    device: BrowserContext, site: str, member: tuple[Visitor, UUID]
) -> None:
    page = opened(device, member)
    keep_card(page)
    page.goto("/account")
    page.wait_for_load_state("networkidle")
    assert page.evaluate(CARDS) == 1, "it stays for the same member"
    with joined(site, "Syafruddin Lain", "0813 7777 5678") as other:
        device.clear_cookies()
        opened(device, other)
        page.reload()
        page.wait_for_function(f"({CARDS})().then((count) => count === 0)")
