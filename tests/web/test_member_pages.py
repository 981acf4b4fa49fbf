"""The desk's pages of members: found, registered, corrected; personal values in no address."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from chassis import clock
from gateway import sessions
from tests.fakes.accounts import PASSWORD, Staff, add_staff, new_user
from tests.web.accessibility import (
    check_accessibility,
    take_session,
)
from tests.web.conftest import PHONE, Visit
from tests.web.hostile import PAYLOADS
from tests.web.visitors import Visitor, visitor

# Elements and attributes that none of these pages has in its content.
FOREIGN = (
    "//main//*[self::script or self::img or self::iframe or self::style or self::link or self::object or self::base"
    " or self::meta or self::math or @onerror or @onload or @onfocus or @onmouseover or @ontoggle]"
)


@pytest.fixture(scope="module")
def clerk(address: str) -> Staff:
    return add_staff(new_user("clerk"), "desk", name="Budi Santoso")


@pytest.fixture(scope="module")
def desk(address: str, clerk: Staff) -> Iterator[Visitor]:
    """The browser of a signed-in member of the desk's staff."""
    with visitor(address) as desk:
        assert desk.sign_in(clerk).status_code == 303
        yield desk


def register(desk: Visitor, **fields: str | list[str]) -> str:
    """Register a member with the page. Returns the path of the member's page."""
    desk.open("/members/new")
    desk.send("/members/new", {"category": "umum", **fields})
    assert desk.response.url.path != "/members/new", desk.text
    return desk.response.url.path


def search(desk: Visitor, text: str) -> str:
    """Type into the search box and press Enter. Returns where that leads."""
    desk.open("/members")
    return desk.send("/members", {"q": text}).url.path


def test_the_only_hit_is_opened_by_number_name_phone_or_school(desk: Visitor) -> None:
    path = register(
        desk, name="Hj. Yusmaniar Chaniago, S.Pd.", phone="0812 6611 2200", school="SMAN 4 Solok", group="XI IPS 3"
    )
    number = desk.page.xpath("//p[@class='by']/span")[0].text_content()
    for text in (number, "chaniago yusmaniar", "0812-6611-2200", "+6281266112200", "sman 4 solok xi ips 3"):
        assert search(desk, text) == path, text
    assert "Hj." in desk.text
    assert "+6281266112200" in desk.text


def test_several_hits_are_a_list_and_none_says_so(desk: Visitor) -> None:
    for first in ("Ali", "Buyung"):
        register(desk, name=f"{first} Tuanku Nan Tuo", birth_date="1980-01-02" if first == "Ali" else "1990-03-04")
    assert search(desk, "tuanku nan tuo") == "/members"
    assert {"Ali Tuanku Nan Tuo", "Buyung Tuanku Nan Tuo"} <= {
        link.text_content() for link in desk.page.xpath("//li/h3/a")
    }
    search(desk, "nobody has this name")
    assert "No member matches" in desk.text


def test_a_phone_number_is_in_no_address(desk: Visitor) -> None:
    desk.open("/members")
    [form] = [form for form in desk.page.forms if form.get("role") == "search" and form.action.endswith("/members")]
    assert form.method == "POST"
    desk.send("/members", {"q": "0812 6611 2200"})
    assert "6611" not in "".join(str(response.url) for response in (*desk.response.history, desk.response))


def test_a_likely_duplicate_is_compared_before_it_is_saved(desk: Visitor) -> None:
    person = {"name": "Rosmiati Koto", "birth_date": "1977-05-06", "phone": "0813 7000 1100"}
    path = register(desk, **person)
    desk.open("/members/new")
    desk.send("/members/new", {"category": "umum", **person, "occupation": "Petani"})
    assert desk.response.status_code == 409
    assert "score" not in desk.text.lower()
    assert "ame birth date" in desk.text
    [link] = desk.page.xpath("//fieldset[contains(@class, 'doubles')]//a/@href")
    assert link == path
    form = desk.form("/members/new")
    assert (form["name"], form["birth_date"], form["phone"]) == (*person.values(),)
    assert form["occupation"] == "Petani"
    desk.send("/members/new", {"confirmed_duplicates": path.rpartition("/")[2]})
    assert desk.response.url.path not in ("/members/new", path)


def test_a_guardian_is_found_among_the_members_and_an_edit_keeps_them(desk: Visitor) -> None:
    guardian = register(desk, name="Wardiah Guardian").rpartition("/")[2]
    desk.open("/members/new")
    desk.send("/members/new", {"category": "anak", "name": "Anak Wardiah", "guardian_q": "wardiah guardian"})
    assert desk.response.status_code == 200
    assert desk.page.xpath("//input[@type='radio'][@name='guardian_member_id']/@value") == [guardian, ""]
    values = {"birth_date": "2019-02-03", "guardian_member_id": guardian, "guardian_relation": "mother"}
    desk.send("/members/new", values)
    path = desk.response.url.path
    assert path != "/members/new", desk.text
    assert desk.page.xpath(f"//a[@href='/members/{guardian}']")[0].text_content() == "Wardiah Guardian"
    desk.open(f"{path}/edit")
    desk.send(f"{path}/edit", {"occupation": "Siswa"})
    assert desk.page.xpath(f"//a[@href='/members/{guardian}']")


def test_a_refusal_is_beside_its_field_and_no_typed_value_is_lost(desk: Visitor) -> None:
    desk.open("/members/new")
    typed = {
        "name": "Anak Kecil", "category": "anak", "nik": "1,37E+15", "phone": "abc", "address": "Jl. Pandan 4",
        "school": "SD 1",
    }  # fmt: skip
    desk.send("/members/new", {**typed, "evidence": ["kia", "kk"]})
    assert desk.response.status_code == 400
    page = desk.page
    assert "16 digits" in page.xpath("//*[@id='nik-error']")[0].text_content()
    assert "“Phone”" in page.xpath("//*[@id='phone-error']")[0].text_content()
    form = desk.form("/members/new")
    assert {name: form[name] for name in typed} == typed
    assert len(page.xpath("//input[@name='evidence'][@checked]")) == 2
    desk.send("/members/new", {"nik": "", "phone": "", "birth_date": "2019-02-03"})
    assert "guardian" in desk.page.xpath("//*[@id='guardian_name-error']")[0].text_content()
    desk.send("/members/new", {"guardian_name": "Rahmawati", "guardian_relation": "mother"})
    assert "Rahmawati (mother)" in desk.text


def test_a_change_that_somebody_else_has_made_is_seen_before_it_is_overwritten(desk: Visitor) -> None:
    path = register(desk, name="Darwis Piliang")
    desk.open(f"{path}/edit")
    stale = desk.form(f"{path}/edit")
    desk.send(f"{path}/edit", {"occupation": "Guru"})
    assert "Guru" in desk.text
    desk.open(f"{path}/edit")
    desk.send(f"{path}/edit", {**stale, "occupation": "Dosen"})
    assert desk.response.status_code == 412
    assert "occupation" in desk.text
    assert desk.form(f"{path}/edit")["occupation"] == "Dosen"
    desk.send(f"{path}/edit")
    assert "Dosen" in desk.text


def test_a_form_whose_session_has_ended_is_sent_again_after_the_sign_in(address: str, clerk: Staff) -> None:
    with visitor(address) as reader:
        with clock.frozen(clock.now() - timedelta(minutes=31)):
            reader.sign_in(clerk)
            reader.open("/members/new")
        typed = {"name": "Kept Person", "category": "umum", "address": "Jl. Pandan 4", "evidence": ["ktp", "kk"]}
        reader.send("/members/new", typed, follow=False)
        assert reader.response.status_code == 401
        assert "Your entries are kept" in reader.text
        assert "Jl. Pandan 4" not in reader.response.text
        reader.send("/sign-in", {"user": clerk.user, "password": "wrong words"})
        reader.send("/sign-in", {"user": clerk.user, "password": PASSWORD})
        assert "signed in again" in reader.text
        reader.send("/members/new", {"evidence": ["ktp", "kk"]})
        for text in ("Kept Person", "Jl. Pandan 4", "Identity card (KTP)", "Family card (KK)"):
            assert text in reader.text


def test_a_form_of_another_site_is_not_kept_for_the_sign_in(address: str, clerk: Staff) -> None:
    forged = {"name": "Forged", "category": "umum", "csrf": "0" * 64}
    with visitor(address) as reader:
        reader.sign_in(clerk)
        with clock.frozen(clock.now() + timedelta(minutes=31)):
            response = reader.http.post("/members/new", data=forged)
        assert response.status_code == 303
        assert "Forged" not in response.text


def test_a_token_that_the_services_refuse_leads_to_the_sign_in(
    address: str, clerk: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "RENEW_BEFORE", timedelta(hours=-1))
    with visitor(address) as reader:
        reader.sign_in(clerk)
        assert reader.http.get("/members").status_code == 200
        with clock.frozen(clock.now() + timedelta(minutes=6)):
            response = reader.http.get("/members")
            assert (response.status_code, response.headers["location"]) == (303, "/sign-in?back=%2Fmembers")


def test_hostile_texts_are_shown_as_text_in_every_field(desk: Visitor) -> None:
    desk.open("/members/new")
    names = [name for name in desk.form("/members/new") if name not in ("csrf", "key", "category", "evidence")]
    texts = [name for name in names if not desk.page.xpath(f"//select[@name='{name}']")]
    assert len(texts) > 12
    for payload in PAYLOADS:
        desk.open("/members/new")
        desk.send("/members/new", {"category": "umum", "birth_date": payload, **dict.fromkeys(texts, payload)})
        assert desk.response.status_code == 400, payload
        assert not desk.page.xpath(FOREIGN), payload
        form = desk.form("/members/new")
        assert {form[name] for name in texts} == {payload}


def test_hostile_texts_are_shown_as_text_on_the_page_of_a_member_and_in_lists(desk: Visitor) -> None:
    shown = 0
    for number, payload in enumerate(PAYLOADS):
        desk.open("/members/new")
        fields = dict.fromkeys(("birth_place", "school", "group", "occupation", "address", "note"), payload)
        values = {"category": "umum", "name": f"Payload{number} {payload}", **fields}
        desk.send("/members/new", values)
        if desk.response.url.path == "/members/new":
            assert desk.response.status_code in (400, 409)
            continue
        shown += 1
        assert not desk.page.xpath(FOREIGN), payload
        assert payload in desk.page.xpath("//main")[0].text_content()
    assert shown > 30
    search(desk, "payload")
    assert len(desk.page.xpath("//li/h3/a")) == 20
    assert not desk.page.xpath(FOREIGN)


def test_the_pages_are_accessible_on_every_screen(visit: Visit, desk: Visitor) -> None:
    path = register(desk, name="Axe Person", phone="0812 9999 1234", note="Calls before coming.", evidence=["ktp"])
    page = visit("/sign-in", size=PHONE)
    take_session(page, desk)
    for address in ("/members", "/members/new", path, f"{path}/edit"):
        page.goto(address)
        check_accessibility(page)


def test_search_needs_only_the_keyboard(visit: Visit, desk: Visitor) -> None:
    path = register(desk, name="Zulkifli Papantik")
    page = visit("/sign-in")
    take_session(page, desk)
    page.goto("/members")
    page.wait_for_selector("input:focus")
    page.keyboard.type("papantik")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{path}")
