"""Staff pages of the institution and its branches: fields, preview, refusals beside them, conflicts, pictures."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import lxml.html
import pytest

from gateway.web.desk.library_fields import fill, values_of
from rangkiang.catalog.v1 import catalog_pb2 as wire
from rangkiang.common.v1.text_pb2 import LocalText
from tests.fakes.accounts import add_institution, add_staff, new_user
from tests.fakes.catalog import FakeCatalog
from tests.fakes.institutions import LOGO, OWN
from tests.fakes.items import INSTITUTION_ID
from tests.web.accessibility import check_accessibility, take_session
from tests.web.conftest import DESK, Visit
from tests.web.visitors import Visitor, visitor

INSTITUTION, BRANCH = "/desk/libraries/institution", "/desk/libraries/branches/LAING"


@pytest.fixture(scope="module")
def manager(address: str) -> Iterator[Visitor]:
    add_institution(UUID(INSTITUTION_ID), OWN)
    with visitor(address) as manager:
        staff = add_staff(new_user("manager"), "manager", institution=UUID(INSTITUTION_ID))
        assert manager.sign_in(staff).status_code == 303
        yield manager


def errors(page) -> dict[str, str]:
    return {element.get("id"): element.text_content() for element in page.xpath("//span[@class='error']")}


def test_a_form_sends_the_values_that_it_shows():
    branch = wire.Branch(
        name=LocalText(id="Cabang", en="Branch"),
        contact=wire.Contact(address="Jl. A\nNo. 1", links=[wire.SocialLink(kind="website", url="https://a.example")]),
        position=wire.Position(latitude=-0.7893, longitude=100.6543),
        services=[LocalText(id="Wi-Fi", en="Wi-Fi"), LocalText(id="Ruang baca", en="Reading room")],
    )
    fields = ["name", "address", "links", "position", "services"]
    again = wire.Branch()
    fill(again, values_of(branch, fields), fields)
    assert again == branch


@pytest.mark.parametrize(
    "text",
    [
        "-0.7893, 100.6543",
        "-0.7893; 100.6543",
        "https://www.openstreetmap.org/?mlat=-0.7893&mlon=100.6543#map=17/-0.7893/100.6543",
        "https://maps.example/place/@-0.7893,100.6543,17z",
    ],
)
def test_a_position_is_read_from_numbers_and_from_links_of_maps(text):
    branch = wire.Branch()
    fill(branch, {"position": text}, ["position"])
    assert (branch.position.latitude, branch.position.longitude) == (-0.7893, 100.6543)


def test_the_staff_menu_leads_to_the_forms(manager: Visitor) -> None:
    page = manager.open("/desk/libraries")
    assert "/desk/libraries" in page.xpath("//header//nav//a/@href")
    assert {INSTITUTION, BRANCH} <= set(page.xpath("//main//a/@href"))


def test_an_account_has_the_name_of_its_institution(manager: Visitor) -> None:
    text = manager.open("/account").text_content()
    assert "Solok City Library" in text
    assert "KOTASOLOK" not in text


def test_a_branch_is_previewed_and_saved_and_readers_see_it_at_once(manager: Visitor) -> None:
    manager.open(BRANCH)
    typed = {
        "address": "Jl. Laing No. 3",
        "position": "-0.80, 100.66",
        "services": "Wi-Fi | Wi-Fi\nRuang baca | Reading room",
        "links.instagram": "https://www.instagram.com/laing",
    }
    manager.send(BRANCH, {**typed, "act": "preview"})
    assert "Not saved yet" in manager.text
    assert "Jl. Laing No. 3" in manager.page.xpath("//section[contains(@class, 'preview')]")[0].text_content()
    assert "Jl. Laing No. 3" not in manager.http.get("/branches/KOTASOLOK/LAING").text
    # The page of the preview has what was typed; it is saved as it stands.
    manager.send(BRANCH)
    assert "Saved." in manager.text
    public = manager.http.get("/branches/KOTASOLOK/LAING").text
    assert "Jl. Laing No. 3" in public
    assert "Reading room" in public


def test_the_colour_of_cards_is_chosen_and_stays_unset_until_then(manager: Visitor, catalog: FakeCatalog) -> None:
    manager.open(INSTITUTION)
    assert manager.form(INSTITUTION)["card_colour"] == "#1c2e42"
    manager.send(INSTITUTION, {"card_colour": "#0b5d4e"}, follow=False)
    assert list(catalog.request.fields) == ["card_colour"]
    assert catalog.institutions["KOTASOLOK"].card_colour == "#0b5d4e"


def test_only_fields_that_were_changed_are_sent(manager: Visitor, catalog: FakeCatalog) -> None:
    manager.open(INSTITUTION)
    manager.send(INSTITUTION, {"motto.id": "Membaca untuk semua", "motto.en": "Reading for all"}, follow=False)
    assert list(catalog.request.fields) == ["motto"]


def test_a_refusal_is_beside_its_field_and_the_typed_values_stay(manager: Visitor) -> None:
    manager.open(BRANCH)
    answer = manager.send(BRANCH, {"phone": "abc", "kelurahan": "Laing"})
    assert answer.status_code == 400
    found = errors(manager.page)
    assert list(found) == ["phone-error"]
    assert found["phone-error"].startswith("Phone: “abc”"), "the field has the name of its label"
    assert manager.form(BRANCH)["kelurahan"] == "Laing"
    manager.send(BRANCH, {"phone": "", "position": "somewhere"})
    assert list(errors(manager.page)) == ["position-error"]


def test_when_somebody_else_saved_first_both_sides_are_shown_and_nothing_is_lost(
    manager: Visitor, catalog: FakeCatalog
) -> None:
    manager.open(BRANCH)
    typed = {**manager.form(BRANCH), "email": "saya@example.org"}
    other = catalog.branches[OWN, "LAING"]
    other.contact.phone, other.version = "+627550000009", other.version + 1
    answer = manager.http.post(BRANCH, data=typed)
    manager.response = answer
    assert answer.status_code == 412
    assert "Somebody else saved first" in manager.text
    assert "+627550000009" in manager.text
    assert "saya@example.org" in manager.text
    manager.send(BRANCH)
    assert (other.contact.phone, other.contact.email) == ("+627550000009", "saya@example.org")


def test_pictures_are_uploaded_and_removed(manager: Visitor, catalog: FakeCatalog) -> None:
    manager.open(INSTITUTION)
    fields = {**manager.form(f"{INSTITUTION}/pictures"), "kind": "logo"}
    fields.pop("picture", None)
    answer = manager.http.post(
        f"{INSTITUTION}/pictures", data=fields, files={"picture": ("logo.svg", LOGO, "image/svg+xml")}
    )
    assert answer.status_code == 303
    assert (catalog.request.kind, catalog.request.content) == ("logo", LOGO)
    manager.response = manager.http.get(INSTITUTION)
    fields = {**manager.form(f"{INSTITUTION}/pictures"), "kind": "logo"}
    fields.pop("picture", None)
    manager.response = manager.http.post(f"{INSTITUTION}/pictures", data=fields, files={"picture": ("", b"", "")})
    assert manager.response.status_code == 400
    assert errors(manager.page) == {"logo-error": "No file is chosen."}
    hostile = LOGO.replace(b"<path", b"<script/><path", 1)
    files = {"picture": ("logo.svg", hostile, "image/svg+xml")}
    manager.response = manager.http.post(f"{INSTITUTION}/pictures", data=fields, files=files)
    assert manager.response.status_code == 400
    assert errors(manager.page)["logo-error"].startswith("This SVG has <script>, which is not accepted.")


def test_the_photo_of_a_branch_has_the_words_of_staff_in_each_language_else_the_branch_s_name(
    manager: Visitor, catalog: FakeCatalog
) -> None:
    def words(language: str) -> str:
        page = lxml.html.fromstring(manager.http.get(f"/branches/KOTASOLOK/LAING?lang={language}").text)
        return str(page.xpath("//img[@class='photo']/@alt")[0])

    catalog.branches[OWN, "LAING"].photo = "0" * 64
    manager.open(BRANCH)
    manager.send(BRANCH, {"photo_alt.id": "", "photo_alt.en": "", "email": "foto@example.org"})
    assert (words("id"), words("en")) == ("Foto Cabang Laing", "Photo of Laing Branch")
    manager.open(BRANCH)
    manager.send(BRANCH, {"photo_alt.id": "Rak anak di dekat jendela", "photo_alt.en": "Children's shelves"})
    assert (words("id"), words("en")) == ("Rak anak di dekat jendela", "Children's shelves")


def test_the_desk_may_not_change_the_library(address: str) -> None:
    add_institution(UUID(INSTITUTION_ID), OWN)
    with visitor(address) as desk:
        desk.sign_in(add_staff(new_user("desk"), "desk", institution=UUID(INSTITUTION_ID)))
        assert desk.http.get(INSTITUTION).status_code == 403
        assert "/desk/libraries" not in desk.open("/").xpath("//header//nav//a/@href")


@pytest.mark.parametrize("path", ["/desk/libraries", INSTITUTION, BRANCH])
def test_the_pages_are_accessible(visit: Visit, manager: Visitor, path: str) -> None:
    page = visit("/", size=DESK, fresh=True)
    take_session(page, manager)
    page.goto(path)
    check_accessibility(page)
