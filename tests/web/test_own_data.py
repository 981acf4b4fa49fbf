"""A member's own data on pages without JavaScript: consents, a copy to download, requests that the desk answers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chassis.context import Context
from services.members.keys import Keys
from services.members.people import store
from services.members.people.store import NewMember
from services.members.settings import MembersSettings
from tests.fakes.accounts import PASSWORD, PKS, Staff, add_staff, new_user
from tests.fakes.running import running
from tests.web.accessibility import (
    check_accessibility,
    take_session,
)
from tests.web.conftest import PHONE, Visit
from tests.web.hostile import PAYLOADS
from tests.web.test_member_acts import number_of
from tests.web.test_member_pages import FOREIGN, register
from tests.web.visitors import Visitor, visitor


@pytest.fixture(scope="module")
def desk(address: str) -> Iterator[Visitor]:
    """The browser of a signed-in manager."""
    with visitor(address) as desk:
        assert desk.sign_in(add_staff(new_user("manager"), "manager", name="Budi Santoso")).status_code == 303
        yield desk


def add_child(guardian: str) -> None:
    """Register a child of a member, as a program does: the desk's page has no field for a guardian who is a member."""
    members = running["members"]
    master = Keys(members.database, members.settings.of(MembersSettings)).master
    fields = {"name": "Budi Anak", "category": "anak", "birth_date": "2019-02-03", "guardian_id": guardian}
    context = Context(institution=str(PKS), actor="test")
    with members.database.transaction(context) as session:
        store.register(session, NewMember(fields=fields), context=context, master=master)


@pytest.fixture(scope="module")
def mother(address: str, desk: Visitor) -> Iterator[tuple[Visitor, str]]:
    """The browser of a signed-in member with a child, and the path of the member's page at the desk."""
    path = register(desk, name="Rahmi Wali", phone="0813 5555 2222", note="Only for the desk")
    number = number_of(desk, path)
    add_child(path.rpartition("/")[2])
    desk.open(path)
    desk.send(f"{path}/slips")
    code = desk.page.xpath("//dl//code/text()")[1]
    with visitor(address) as reader:
        reader.open("/sign-in/slip")
        reader.send("/sign-in/slip", {"number": number, "password": PASSWORD, "repeated": PASSWORD, "code": code})
        reader.sign_in(Staff("", number, ""))
        yield reader, path


def consent_forms(reader: Visitor) -> list[dict[str, str]]:
    """The forms of consents on the page, with the button that they have."""
    reader.open("/account/data")
    forms = [form for form in reader.page.forms if form.action.endswith("/account/consents")]
    return [{**dict(form.form_values()), "given": form.xpath(".//button/@value")[0]} for form in forms]


def test_a_member_on_a_staff_page_sees_whom_to_ask(mother: tuple[Visitor, str]) -> None:
    reader, _ = mother
    page = reader.open("/members")
    assert reader.response.status_code == 403
    assert "You are signed in as a member." in reader.text
    assert page.xpath("//main//a/@href") == ["/account", "/"]


def test_a_consent_is_given_and_withdrawn_for_oneself_and_for_a_child(mother: tuple[Visitor, str]) -> None:
    reader, _ = mother
    assert reader.open("/account").xpath("//a[@href='/account/data']")
    forms = consent_forms(reader)
    assert [(form["purpose"], form["given"], "member_id" in form) for form in forms] == [
        ("loan_history", "1", False), ("news", "1", False), ("loan_history", "1", True), ("news", "1", True),
    ]  # fmt: skip
    for position in (0, 3):
        response = reader.http.post("/account/consents", data=consent_forms(reader)[position])
        assert response.headers["Location"] == "/account/data?changed=consents"
    assert [form["given"] for form in consent_forms(reader)] == ["0", "1", "1", "0"]
    assert "Consents for Budi Anak" in reader.text
    reader.http.post("/account/consents", data=consent_forms(reader)[0])
    assert [form["given"] for form in consent_forms(reader)] == ["1", "1", "1", "0"]
    assert "Withdrawn, " in reader.text


def test_a_form_of_another_site_gives_no_consent(mother: tuple[Visitor, str]) -> None:
    reader, _ = mother
    form = consent_forms(reader)[1]
    assert reader.http.post("/account/consents", data={**form, "csrf": "0" * 64}).status_code == 403
    assert (
        reader.http.post("/account/consents", data=form, headers={"Origin": "https://evil.example"}).status_code == 403
    )
    assert [consent_form["given"] for consent_form in consent_forms(reader)][1] == form["given"]


def test_a_request_is_made_answered_and_read(desk: Visitor, mother: tuple[Visitor, str]) -> None:
    reader, path = mother
    reader.open("/account/data")
    reader.send("/account/data-requests", {"kind": "correction", "text": "Nomor saya 0813 5555 3333."})
    assert "2 d 23 h left" in reader.text
    desk.open("/data-requests")
    assert "Rahmi Wali" in desk.text
    desk.open(f"{path}/data-requests")
    assert "Nomor saya 0813 5555 3333." in desk.text
    [action] = [form.action for form in desk.page.forms if form.action.endswith("/answer")]
    action = path + action.partition(path)[2]
    desk.send(action, {"outcome": "refused", "answer": ""})
    assert desk.response.status_code == 409
    assert "why a request was refused" in desk.text
    desk.send(action, {"outcome": "done", "answer": "Sudah dibetulkan."})
    assert "Sudah dibetulkan." in desk.text
    reader.open("/account/data")
    assert "Answer: Sudah dibetulkan." in reader.text
    desk.open("/data-requests")
    assert "Rahmi Wali" not in desk.text


def test_a_copy_is_downloaded_by_the_member_and_by_the_desk(desk: Visitor, mother: tuple[Visitor, str]) -> None:
    reader, path = mother
    own, copy = reader.http.get("/account/data.json"), desk.http.get(f"{path}/data.json")
    for response in (own, copy):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Content-Disposition"] == 'attachment; filename="data.json"'
        document = json.loads(response.content)
        assert document["member"]["contact"]["phone"] == "+6281355552222"
        assert document["loans"] == []
    assert (own.json()["member"]["note"], copy.json()["member"]["note"]) == ("", "Only for the desk")
    other = register(desk, name="Somebody Else")
    assert reader.http.get(f"{other}/data.json").status_code == 403
    assert desk.http.get("/account/data.json").status_code == 403


def test_hostile_texts_of_requests_are_shown_as_text(desk: Visitor) -> None:
    path = register(desk, name="Payload Request")
    for payload in PAYLOADS[:8]:
        desk.open(f"{path}/data-requests")
        desk.send(f"{path}/data-requests", {"kind": "access", "how": "form", "text": payload})
        assert not desk.page.xpath(FOREIGN)
    desk.open("/data-requests")
    assert not desk.page.xpath(FOREIGN)


def test_the_pages_are_accessible_on_every_screen(visit: Visit, desk: Visitor, mother: tuple[Visitor, str]) -> None:
    reader, path = mother
    desk.open(f"{path}/data-requests")
    desk.send(f"{path}/data-requests", {"kind": "erasure", "how": "desk", "text": "Saya pindah ke Padang."})
    pages = [(reader, ("/account", "/account/data")), (desk, ("/data-requests", f"{path}/data-requests"))]
    for browser, addresses in pages:
        page = visit("/sign-in", size=PHONE)
        take_session(page, browser)
        for address in addresses:
            page.goto(address)
            check_accessibility(page)
