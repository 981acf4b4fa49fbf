"""Acts on a member's page, and the member's own account."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta

import pypdfium2
import pytest
import zxingcpp
from axe_playwright_python.sync_playwright import Axe
from PIL import Image

from chassis import clock
from gateway import sessions
from tests.fakes.accounts import PASSWORD, Staff, add_staff, new_user
from tests.web.accessibility import (
    VIOLATIONS,
    check_accessibility,
    low_contrasts,
    take_session,
)
from tests.web.conftest import PHONE, Visit
from tests.web.test_member_pages import register, search
from tests.web.visitors import Visitor, visitor


@pytest.fixture(scope="module")
def desk(address: str) -> Iterator[Visitor]:
    """The browser of a signed-in manager."""
    with visitor(address) as desk:
        assert desk.sign_in(add_staff(new_user("manager"), "manager", name="Budi Santoso")).status_code == 303
        yield desk


def number_of(desk: Visitor, path: str) -> str:
    return str(desk.open(path).xpath("//p[@class='by']/span")[0].text_content())


def test_a_membership_is_renewed_and_a_date_that_has_passed_is_refused_at_its_field(desk: Visitor) -> None:
    path = register(desk, name="Nurbaiti Renewal")
    desk.open(path)
    desk.send(f"{path}/renewals", {"expires_on": "2020-01-01"})
    assert desk.response.status_code == 409
    assert "has passed" in desk.page.xpath("//*[@id='expires_on-error']")[0].text_content()
    assert desk.form("/renewals")["expires_on"] == "2020-01-01"
    end = (clock.now() + timedelta(days=400)).date()
    desk.send(f"{path}/renewals", {"expires_on": end.isoformat()})
    assert f"until {end.day} " in desk.text


def test_a_second_renewal_on_one_day_asks_first(desk: Visitor) -> None:
    path = register(desk, name="Nurhayati Twice")
    desk.open(path)
    desk.send(f"{path}/renewals")
    desk.open(path)
    desk.send(f"{path}/renewals")
    assert desk.response.status_code == 400
    assert "was renewed today" in desk.page.xpath("//*[@id='again-error']")[0].text_content()
    assert desk.send(f"{path}/renewals", {"again": "1"}).url.path == path


def test_the_nik_is_masked_until_a_button_asks_for_it(desk: Visitor) -> None:
    nik = "1372015203880031"
    path = register(desk, name="Nik Masked", nik=nik)
    desk.open(path)
    assert nik not in desk.response.text
    assert "137201••••••••31" in desk.text
    desk.send(f"{path}/nik")
    assert nik in desk.text
    desk.open(f"{path}/edit")
    assert nik not in desk.response.text
    desk.send(f"{path}/edit", {"occupation": "Guru"})
    assert "137201••••••••31" in desk.text
    desk.open("/members/new")
    desk.send("/members/new", {"category": "umum", "name": "Other Person", "nik": nik})
    assert desk.response.status_code == 409
    assert path.rpartition("/")[2] not in desk.text
    assert desk.page.xpath(f"//a[@href='{path}']")[0].text_content().startswith("Nik Masked")
    desk.open(f"{path}/edit")
    desk.send(f"{path}/edit", {"drop_nik": "1"})
    assert "137201" not in desk.text


def test_a_block_is_seen_first_and_ended(desk: Visitor) -> None:
    path = register(desk, name="Syamsul Blocked")
    desk.open(path)
    desk.send(f"{path}/blocks", {"reason": "unpaid", "note": "Two books"})
    assert "Blocked: Unpaid fees – Two books" in desk.text
    search(desk, "syamsul blocked")
    [action] = [form.action for form in desk.page.forms if form.action.endswith("/end")]
    desk.send(action.partition(path)[1] + action.partition(path)[2])
    assert "Blocked: Unpaid" not in desk.text


def test_a_lost_card_gets_a_new_number_and_the_old_one_still_finds_the_member(desk: Visitor) -> None:
    path = register(desk, name="Lindawati Lost")
    old = number_of(desk, path)
    desk.send(f"{path}/cards", {"act": "lost"})
    new = number_of(desk, path)
    assert new != old
    assert search(desk, new) == path
    assert search(desk, old) == path
    assert "scanned card: lost" in desk.text


def test_a_number_from_elsewhere_is_added_as_it_was_scanned_and_removed(desk: Visitor) -> None:
    path = register(desk, name="Alias Person")
    desk.open(path)
    desk.send(f"{path}/cards", {"act": "alias", "alias_kind": "nim", "alias_code": "0012345678"})
    assert "0012345678" in desk.text
    assert search(desk, "0012345678") == path
    desk.open(path)
    desk.send(f"{path}/cards", {"act": "alias", "alias_kind": "nim", "alias_code": ""})
    assert desk.response.status_code == 400
    assert desk.page.xpath("//*[@id='alias_code-error']")
    desk.open(path)
    [action] = [form.action for form in desk.page.forms if form.action.endswith("/end")]
    desk.send(action.partition(path)[1] + action.partition(path)[2])
    assert "0012345678" not in desk.text


def test_a_member_is_erased_when_nothing_is_open_and_the_box_is_ticked(desk: Visitor) -> None:
    path = register(desk, name="Zahara Erased")
    desk.open(f"{path}/erasure")
    assert "What stays" in desk.text
    desk.send(f"{path}/erasure")
    assert desk.response.status_code == 400
    assert desk.page.xpath("//*[@id='sure-error']")
    desk.open(path)
    desk.send(f"{path}/blocks", {"reason": "lost_item"})
    desk.open(f"{path}/erasure")
    desk.send(f"{path}/erasure", {"sure": "1"})
    assert desk.response.status_code == 409
    assert "Settle the block first" in desk.text
    desk.open(path)
    [action] = [form.action for form in desk.page.forms if form.action.endswith("/end")]
    desk.send(action.partition(path)[1] + action.partition(path)[2])
    desk.open(f"{path}/erasure")
    assert desk.send(f"{path}/erasure", {"sure": "1"}).url.path == "/members"
    assert search(desk, "zahara erased") == "/members"
    assert "No member matches" in desk.text


def test_the_card_is_a_pdf_that_no_cache_keeps(desk: Visitor) -> None:
    path = register(desk, name="Printed Person")
    for layout in ("card", "sheet"):
        response = desk.http.get(f"{path}/card.pdf?layout={layout}")
        assert response.headers["content-type"] == "application/pdf"
        assert response.content.startswith(b"%PDF-")
        assert response.headers["cache-control"] == "no-store"


def test_cards_of_found_members_are_ticked_and_printed_ten_to_a_sheet(desk: Visitor) -> None:
    for name in ("Sheetperson Zainab", "Sheetperson Amir", "Sheetperson Mira"):
        register(desk, name=name)
    search(desk, "sheetperson")
    page = desk.send("/members/cards", {"q": "sheetperson"})
    assert page.status_code == 200
    ticked = desk.page.xpath("//input[@name='member' and @checked]/@value")
    names = [" ".join(each.text_content().split()) for each in desk.page.xpath("//label[@class='tick']/span")]
    assert [name.split()[1] for name in names] == ["Amir", "Mira", "Zainab"]
    pdf = desk.send("/members/cards/print", {"member": [ticked[2], ticked[0]]})
    assert (pdf.headers["content-type"], pdf.headers["cache-control"]) == ("application/pdf", "no-store")
    fronts = pypdfium2.PdfDocument(pdf.content)[0].get_textpage().get_text_bounded()
    assert fronts.index("Sheetperson Amir") < fronts.index("Sheetperson Zainab")
    assert "Mira" not in fronts


def test_no_tick_is_refused_and_the_found_members_stay(desk: Visitor) -> None:
    register(desk, name="Untickedperson Rosna")
    register(desk, name="Untickedperson Yulia")
    search(desk, "untickedperson")
    desk.send("/members/cards", {"q": "untickedperson"})
    assert desk.send("/members/cards/print", {"member": []}).status_code == 400
    assert "Untickedperson Yulia" in desk.text
    assert desk.page.xpath("//div[@role='alert']/p")


def test_a_code_that_cannot_be_sent_is_refused_with_the_reason(desk: Visitor, visit: Visit) -> None:
    phone_only = {"name": "Bujang Salim", "phone": "0813 1111 3333"}
    no_address = {"name": "Upik Banun"}
    for fields, why in ((no_address, "has no phone number or e-mail address"), (phone_only, "no channel")):
        path = register(desk, **fields)
        assert desk.send(f"{path}/slips", {"send": "1"}).status_code == 409
        assert why in desk.text
        assert "The code is sent within minutes" not in desk.text


def test_a_member_sets_a_password_with_the_desks_code_and_sees_the_card(
    desk: Visitor, address: str, visit: Visit
) -> None:
    mail = "rahmi@example.org"
    path = register(desk, name="Rahmi Yunita", phone="0813 1111 2222", email=mail, note="Only for the desk")
    number = number_of(desk, path)
    desk.send(f"{path}/slips", {"send": "1"})
    assert "The code is sent within minutes" in desk.text
    desk.open(path)
    desk.send(f"{path}/slips")
    code = desk.page.xpath("//dl//code/text()")[1]
    assert code not in desk.open(path).text_content()
    with visitor(address) as reader:
        reader.open("/sign-in/slip")
        words = {"number": number, "password": PASSWORD, "repeated": PASSWORD}
        assert reader.send("/sign-in/slip", {**words, "code": "000000"}).status_code == 401
        assert reader.form("/sign-in/slip")["number"] == number
        assert reader.send("/sign-in/slip", {**words, "code": code, "repeated": "other words"}).status_code == 400
        assert reader.send("/sign-in/slip", {**words, "code": code}).status_code == 200
        reader.sign_in(Staff("", number, ""))
        reader.open("/account")
        assert "Rahmi Yunita" in reader.text
        assert "+6281311112222" in reader.text
        assert "Only for the desk" not in reader.response.text
        assert not reader.page.xpath("//header//a[@href='/members']")
        reader.open(path)
        assert reader.response.status_code == 403
        secret = reader.http.cookies[sessions.HTTP_COOKIE]
    page = visit("/sign-in", size=PHONE)
    page.context.add_cookies([{"name": sessions.HTTP_COOKIE, "value": secret, "url": page.url}])
    page.goto("/account")
    picture = Image.open(io.BytesIO(page.locator(".member-card .qr").screenshot()))
    [decoded] = zxingcpp.read_barcodes(picture)
    assert search(desk, decoded.text) == path
    assert "scanned card" not in desk.text
    # The code of the card is signed: whoever knows the number cannot make it.
    assert decoded.text != number
    page.evaluate(Axe().axe_script)
    assert page.evaluate(VIOLATIONS, ["wcag2a", "wcag2aa", "best-practice"]) + low_contrasts(page) == []


def test_the_page_of_a_member_with_everything_is_accessible_on_every_screen(visit: Visit, desk: Visitor) -> None:
    path = register(desk, name="Everything Person")
    desk.open(path)
    desk.send(f"{path}/blocks", {"reason": "conduct"})
    desk.send(f"{path}/cards", {"act": "alias", "alias_kind": "rfid", "alias_code": "E2000017221101441890"})
    page = visit("/sign-in", size=PHONE)
    take_session(page, desk)
    for address in (path, f"{path}?card=lost", "/sign-in/slip"):
        page.goto(address)
        check_accessibility(page)
