"""Pages of staff and clients: other sites cannot send their forms, typed text stays text, they are accessible."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import lxml.html
import pytest
from axe_playwright_python.sync_playwright import Axe

from gateway import web
from gateway.negotiation import LANGUAGES
from gateway.web.rendering import DESK_LINKS
from gateway.web.texts import wording
from services.members.roles import roles
from tests.fakes.accounts import PASSWORD, Staff, add_staff, new_user
from tests.web.accessibility import (
    AXE_RULES,
    VIOLATIONS,
    check_accessibility,
    low_contrasts,
    small_targets,
    take_session,
)
from tests.web.conftest import DESK, PHONE, Visit
from tests.web.hostile import PAYLOADS
from tests.web.visitors import Visitor, visitor


@pytest.fixture(scope="module")
def administrator(address: str) -> Staff:
    return add_staff(new_user("admin"), "administrator", name="Siti Rahma")


@pytest.fixture(scope="module")
def admin(address: str, administrator: Staff) -> Iterator[Visitor]:
    """The browser of a signed-in administrator."""
    with visitor(address) as admin:
        assert admin.sign_in(administrator).status_code == 303
        yield admin


def people(admin: Visitor) -> list[str]:
    return [str(name) for name in admin.open("/staff").xpath("//main//li/h2/a/text()")]


@pytest.mark.parametrize(
    ("values", "headers"),
    [
        ({"csrf": ""}, {}),
        ({"csrf": "0" * 64}, {}),
        ({"csrf": "é"}, {}),
        ({}, {"Origin": "https://evil.example"}),
        ({}, {"Origin": "null"}),
        ({}, {"Origin": "http://127.0.0.1.evil.example"}),
        ({}, {"Sec-Fetch-Site": "cross-site"}),
        ({}, {"Sec-Fetch-Site": "same-site", "Origin": "http://sub.127.0.0.1"}),
    ],
)
def test_a_form_that_this_site_did_not_make_or_that_another_site_sends_is_refused(
    admin: Visitor, values: dict[str, str], headers: dict[str, str]
) -> None:
    before = people(admin)
    user = new_user("csrf")
    admin.send("/staff", {"user": user, "name": user, "roles": ["desk"], **values}, **headers)
    assert admin.response.status_code == 403
    assert admin.response.headers["cache-control"] == "no-store"
    assert people(admin) == before


def test_every_form_of_every_page_needs_its_token(admin: Visitor) -> None:
    identifier = "0192f3a4-5b6c-7d8e-9f05-23456789abcd"
    names = {"{notice_kind}": "due_soon", "{channel}": "email", "{tongue}": "id"}
    # The form of a link in a notice is accepted for the link itself, with or without a session.
    paths = [
        re.sub(r"{[^}]*}", lambda name: names.get(name[0], identifier), route.path)
        for module in web.MODULES
        for route in module.router.routes
        if "POST" in route.methods and route.path != "/l/{link}"
    ]
    assert len(paths) > 20
    statuses = {path: admin.http.post(path, data={"csrf": "0" * 64, "key": "k"}).status_code for path in paths}
    assert {path: status for path, status in statuses.items() if status != 403} == {}


def test_the_token_of_one_session_is_not_that_of_another(admin: Visitor, address: str) -> None:
    desk = add_staff(new_user("desk"), "desk")
    with visitor(address) as other:
        other.sign_in(desk)
        other.open("/account")
        token = other.form("/account/password")["csrf"]
    admin.open("/staff")
    assert admin.send("/staff", {"csrf": token, "user": "x", "name": "x"}).status_code == 403


def test_a_form_sent_twice_acts_once(admin: Visitor) -> None:
    admin.open("/staff")
    user = new_user("twice")
    data = {**admin.form("/staff"), "user": user, "name": user, "roles": ["desk"]}
    first = admin.http.post("/staff", data=data)
    again = admin.http.post("/staff", data=data)
    assert (first.status_code, again.status_code) == (200, 409)
    assert people(admin).count(user) == 1


def test_a_refusal_is_beside_its_field_and_no_typed_value_is_lost(admin: Visitor) -> None:
    admin.open("/staff")
    admin.send("/staff", {"user": "Bad Name!", "name": "Rina Sari", "roles": ["desk", "manager"]})
    assert admin.response.status_code == 400
    [entry] = admin.page.xpath("//div[@class='entry wrong']")
    assert "cannot be used" in entry.xpath(".//*[@id='user-error']")[0].text_content()
    field = entry.xpath(".//input")[0]
    assert field.get("aria-invalid") == "true"
    assert "user-error" in field.get("aria-describedby")
    assert admin.page.xpath("//*[@role='alert']")
    [form] = [form for form in admin.page.forms if form.action.endswith("/staff")]
    assert form.fields["user"] == "Bad Name!"
    assert form.fields["name"] == "Rina Sari"
    assert set(form.inputs["roles"].value) == {"desk", "manager"}


def test_roles_change_and_an_account_is_closed_by_its_own_button(admin: Visitor) -> None:
    person = add_staff(new_user("role"), "desk", name=new_user("Person"))
    path = f"/staff/{person.id}"
    admin.open(path)
    assert admin.send(path, {"roles": []}).status_code == 400
    assert "at least one role" in admin.text
    admin.open(path)
    assert admin.send(path, {"roles": ["cataloguer"]}, follow=False).status_code == 303
    assert "Cataloguer" in admin.open("/staff").text_content()
    admin.open(path)
    assert admin.send(path, {"roles": ["cataloguer"], "close": "1"}, follow=False).status_code == 303
    admin.open(path)
    assert admin.response.status_code == 404


def test_roles_that_somebody_else_has_changed_are_seen_before_they_are_replaced(admin: Visitor) -> None:
    person = add_staff(new_user("both"), "desk", name=new_user("Both"))
    path = f"/staff/{person.id}"
    admin.open(path)
    old = admin.form(path)
    admin.send(path, {"roles": ["cataloguer"]}, follow=False)
    admin.open(path)
    assert admin.send(path, {"roles": ["manager"], "version": old["version"]}).status_code == 412
    assert admin.page.xpath("//*[@role='alert']")
    assert admin.send(path, {"roles": ["manager"]}, follow=False).status_code == 303


def test_a_new_link_is_shown_once_and_opens_the_page_for_a_password(admin: Visitor) -> None:
    person = add_staff(new_user("link"), "desk", name=new_user("Link"))
    path = f"/staff/{person.id}"
    admin.open(path)
    assert admin.send(f"{path}/links").status_code == 200
    [link] = admin.page.xpath("//code[@class='copied']/text()")
    assert link not in admin.open(path).text_content()
    admin.open(link)
    assert admin.page.xpath("//input[@name='password']")


def test_a_client_has_its_secret_once_and_is_revoked(admin: Visitor, address: str) -> None:
    name = new_user("client")
    admin.open("/clients")
    admin.send("/clients", {"name": name, "role": "desk"})
    client_id, secret = admin.page.xpath("//code[@class='copied']/text()")
    credentials = {"client_id": client_id, "client_secret": secret}
    assert admin.http.post("/api/v1/tokens", json=credentials).status_code == 200
    assert secret not in admin.open("/clients").text_content()
    assert admin.send(f"/clients/{client_id}/revoke", follow=False).status_code == 303
    assert admin.http.post("/api/v1/tokens", json=credentials).status_code == 401


def test_the_plan_of_a_client_is_changed_on_its_page(admin: Visitor) -> None:
    name = new_user("client")
    admin.open("/clients")
    admin.send("/clients", {"name": name, "role": "partner"})
    [client_id, _] = admin.page.xpath("//code[@class='copied']/text()")
    path = f"/clients/{client_id}"
    admin.open("/clients")
    assert admin.page.xpath(f"//h2/a[@href='{path}']/text()") == [name]
    admin.open(path)
    assert "Usually 200,000" in admin.text
    assert "requested nothing" in admin.text
    assert admin.send(path, {"requests_a_day": "20.000", "records_a_day": "many"}).status_code == 400
    assert admin.form(path)["requests_a_day"] == "20.000"
    assert admin.send(path, {"requests_a_day": "20.000", "records_a_day": ""}).status_code == 200
    values = admin.form(path)
    assert (values["requests_a_day"], values["records_a_day"], values["version"]) == ("20000", "", "2")
    assert admin.send(path, {"requests_a_day": "7", "version": "1"}).status_code == 412
    statement = admin.http.get(f"{path}/usage.csv?month=2026-12")
    assert statement.text == "\ufeffclient,client_id,day,protocol,requests,records,refusals\r\n"
    for month, status in (("2026-11", 200), ("0001-01", 200), ("9999-12", 200), ("2026-13", 400), ("x", 400)):
        assert admin.http.get(f"{path}?month={month}").status_code == status


def test_pages_of_administrators_are_refused_to_others(address: str) -> None:
    desk = add_staff(new_user("desk"), "desk")
    with visitor(address) as reader:
        reader.sign_in(desk)
        page = reader.open("/account")
        assert not page.xpath("//header//a[@href='/staff']")
        for path in ("/staff", "/clients", f"/staff/{desk.id}"):
            reader.open(path)
            assert reader.response.status_code == 403


def test_a_refusal_names_the_act_and_whom_to_ask_and_the_permission_only_as_a_detail(address: str) -> None:
    with visitor(address) as reader:
        reader.sign_in(add_staff(new_user("desk"), "desk"))
        page = reader.open("/staff")
        texts = [line.text_content() for line in page.xpath("//main//p[not(@class)]")]
        assert texts[:2] == [
            "Your account may not manage staff accounts.",
            "If you need this for your work, ask the library’s administrator.",
        ]
        assert [line.get("class") for line in page.xpath("//main//p[contains(., 'staff.manage')]")] == ["hint"]
        problem = reader.http.get("/staff", headers={"Accept": "application/json"}).json()
        assert problem["facts"] == {"scope": "staff.manage"}


def test_every_permission_has_words_for_its_act() -> None:
    scopes = {scope for role in roles().values() for scope in role.scopes}
    for lang in LANGUAGES:
        assert {scope for scope in scopes if f"code.scope.{scope}" not in wording(lang).texts} == set()


def test_a_page_below_a_section_marks_the_section(admin: Visitor, administrator: Staff) -> None:
    def current(path: str) -> list[tuple[str, str]]:
        links = admin.open(path).xpath("//header//a[@aria-current]")
        return [(link.get("href"), link.get("aria-current")) for link in links]

    assert current("/staff") == [("/staff", "page")]
    assert current(f"/staff/{administrator.id}") == [("/staff", "true")]
    assert current("/desk/policies") == [("/desk/policies", "page")]
    assert current("/desk/overdue") == [("/desk", "true")]
    assert current("/data-requests") == [("/members", "true")]
    assert current("/account") == [("/account", "page")]
    assert current("/branches") == []


def test_a_phone_shows_the_desk_and_members_and_a_menu_with_the_rest(visit: Visit, admin: Visitor) -> None:
    page = visit("/sign-in", size=PHONE, java_script_enabled=False)
    take_session(page, admin)
    page.goto("/desk/calendars")
    links = page.locator(".signed-in a")
    assert [link.get_attribute("href") for link in links.all() if link.is_visible()] == ["/desk", "/members"]
    page.locator(".signed-in summary").click()
    assert all(link.is_visible() for link in links.all())
    assert {path for _, path, _ in DESK_LINKS} == {link.get_attribute("href") for link in links.all()} - {"/account"}
    page.locator(".signed-in a[href='/clients']").click()
    page.wait_for_url("**/clients")
    page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    assert all(link.is_visible() for link in links.all())
    assert page.locator(".signed-in button").is_visible()
    assert not page.locator(".signed-in summary").is_visible()


def elements(page: lxml.html.HtmlElement) -> list[tuple[str, tuple[str, ...]]]:
    """The elements of a page with the names of their attributes: what text must not change."""
    return [(str(element.tag), tuple(sorted(element.attrib))) for element in page.iter()]


def test_hostile_texts_are_shown_as_text(admin: Visitor) -> None:
    assert len(PAYLOADS) == 40
    admin.open("/staff")
    admin.send("/staff", {"user": "!", "name": "plain"})
    plain = elements(admin.page)
    for payload in PAYLOADS:
        admin.send("/staff", {"user": payload, "name": payload})
        page = admin.page
        assert elements(page) == plain, payload
        assert page.xpath("//input[@name='name']")[0].value == payload
        assert page.xpath("//input[@name='user']")[0].value == payload


def test_hostile_names_are_shown_as_text_in_lists_and_in_the_header(address: str, admin: Visitor) -> None:
    plain = add_staff(new_user("plain"), "desk", name="plain")
    with visitor(address) as reader:
        reader.sign_in(plain)
        shape = elements(reader.open("/account"))
        for payload in PAYLOADS[:5]:
            hostile = add_staff(new_user("hostile"), "desk", name=payload)
            reader.sign_in(hostile)
            page = reader.open("/account")
            assert elements(page) == shape, payload
            assert page.xpath("//header//a[@class='who']")[0].text_content().endswith(payload)
    for payload in PAYLOADS[5:]:
        add_staff(new_user("hostile"), "desk", name=payload)
    page = admin.open("/staff")
    assert set(PAYLOADS) <= {" ".join(link.text_content().split(" ")) for link in page.xpath("//li/h2/a")}
    assert not page.xpath("//main//script | //main//img | //main//iframe | //main//*[@onerror or @onload or @onfocus]")


def test_the_pages_are_accessible_on_every_screen(visit: Visit, admin: Visitor, administrator: Staff) -> None:
    page = visit("/sign-in", size=PHONE)
    take_session(page, admin)
    admin.open("/staff")
    admin.send("/staff", {"user": new_user("axe"), "name": "Axe", "roles": ["administrator"]})
    [link] = admin.page.xpath("//code[@class='copied']/text()")
    for path in ("/account", "/staff", f"/staff/{administrator.id}", "/clients", link):
        page.goto(path)
        check_accessibility(page)


def test_the_step_of_the_code_is_accessible(visit: Visit, administrator: Staff) -> None:
    page = visit("/sign-in", size=PHONE)
    page.fill("#user", administrator.user)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.locator("#totp").wait_for()
    assert page.evaluate("document.activeElement.id") == "totp"
    page.evaluate(Axe().axe_script)
    assert page.evaluate(VIOLATIONS, AXE_RULES) + low_contrasts(page) == []
    assert small_targets(page) == []


def test_a_sign_in_needs_only_the_keyboard(visit: Visit, address: str) -> None:
    desk = add_staff(new_user("keys"), "desk", name=f"Keys {os.urandom(2).hex()}")
    page = visit("/account", size=DESK, locale="en-GB")
    page.wait_for_selector("input:focus")
    page.keyboard.type(desk.user)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/account")
    assert page.locator("h1").inner_text() == "My account"
