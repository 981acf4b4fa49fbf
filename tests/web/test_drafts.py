"""Drafts of the form of a record survive a closed browser and an expired session; new records begin from templates."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from playwright.sync_api import Browser, expect

from tests.fakes.accounts import PASSWORD
from tests.web.accessibility import check_accessibility, take_session
from tests.web.catalogue_library import CatalogueLibrary, catalogue_library
from tests.web.test_record_edits import edit_path, input_of
from tests.web.visitors import Visitor, visitor

_numbers = count(800)
NEW = "/catalogue/records/new"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogueLibrary]:
    with catalogue_library(tmp_path_factory.mktemp("library")) as library:
        yield library


@pytest.fixture
def cataloguer(library: CatalogueLibrary) -> Iterator[Visitor]:
    with visitor(library.address) as cataloguer:
        assert cataloguer.sign_in(library.add_staff("cataloguer", name="Rosnida")).status_code == 303
        yield cataloguer


@pytest.fixture
def record_id(library: CatalogueLibrary) -> str:
    return library.import_(str(next(_numbers)))


def test_a_draft_is_offered_when_the_page_opens_again_continued_and_deleted_by_the_save(
    library: CatalogueLibrary, cataloguer: Visitor, record_id: str
) -> None:
    path = edit_path(record_id)
    cataloguer.open(path)
    title = input_of(cataloguer, "title")
    cataloguer.send(path, {title: "Setengah jadi", "act": "draft"})
    assert "The draft is saved." in cataloguer.text
    assert library.marc(record_id).values("245", "a") == ["Robohnya surau kami"]
    cataloguer.open(path)
    assert "There is a draft of" in cataloguer.text
    assert cataloguer.form(path)[title] == "Robohnya surau kami"
    assert cataloguer.page.xpath("//form[@data-draft]") == [], "the offered draft is not overwritten by typing"
    cataloguer.send(path, {title: "Ketikan lain", "act": "form"})
    assert cataloguer.page.xpath("//form[@data-draft]") == []
    cataloguer.open(f"{path}?draft=1")
    assert cataloguer.form(path)[title] == "Setengah jadi"
    cataloguer.send(path, {"act": "save"})
    assert library.marc(record_id).values("245", "a") == ["Setengah jadi"]
    cataloguer.open(path)
    assert "There is a draft" not in cataloguer.text
    assert cataloguer.page.xpath("//form[@data-draft]")


def test_a_draft_of_a_record_that_changed_meanwhile_is_shown_beside_the_change(
    library: CatalogueLibrary, cataloguer: Visitor, record_id: str
) -> None:
    path = edit_path(record_id)
    cataloguer.open(path)
    cataloguer.send(path, {input_of(cataloguer, "title"): "Judul saya", "act": "draft"})
    library.add_note(record_id, "Catatan orang lain")
    cataloguer.open(f"{path}?draft=1")
    assert cataloguer.response.status_code == 412
    assert "Catatan orang lain" in cataloguer.text
    cataloguer.send(path, {"act": "save"})
    marc = library.marc(record_id)
    assert (marc.values("245", "a"), marc.values("500", "a")) == (["Judul saya"], ["Catatan orang lain"])


def test_drafts_are_listed_discarded_and_seen_by_nobody_else(
    library: CatalogueLibrary, cataloguer: Visitor, record_id: str
) -> None:
    cataloguer.open(NEW)
    cataloguer.send(NEW, {input_of(cataloguer, "title"): "Buku hibah", "act": "draft"})
    cataloguer.open("/catalogue")
    assert "One draft of yours is not saved" in cataloguer.text
    cataloguer.open("/catalogue/drafts")
    assert cataloguer.page.xpath("//h3/a/text()")[0] == "Buku hibah"
    cataloguer.open(cataloguer.page.xpath("//h3/a/@href")[0])
    assert cataloguer.form(NEW)[input_of(cataloguer, "title")] == "Buku hibah"
    with visitor(library.address) as colleague:
        colleague.sign_in(library.add_staff("cataloguer"))
        assert "There is a draft" not in colleague.open(NEW).text_content()
    cataloguer.open(NEW)
    cataloguer.send(NEW, {input_of(cataloguer, "title"): "Buku hibah kedua", "act": "discard"})
    assert cataloguer.form(NEW)[input_of(cataloguer, "title")] == "Buku hibah kedua", "what was typed stays"
    assert cataloguer.page.xpath("//form[@data-draft]")
    assert "There is a draft" not in cataloguer.open(NEW).text_content()
    cataloguer.send(NEW, {"act": "draft"})
    cataloguer.open("/catalogue/drafts")
    cataloguer.send("/catalogue/drafts/new/removal")
    assert "There are no drafts." in cataloguer.text


def test_a_draft_that_is_too_large_is_refused_and_the_text_stays(cataloguer: Visitor, record_id: str) -> None:
    path = edit_path(record_id)
    cataloguer.open(path)
    title, long = input_of(cataloguer, "title"), "x" * 70_000
    assert cataloguer.send(path, {title: long, "act": "draft"}).status_code == 400
    assert "at most 65536 are kept" in cataloguer.text
    assert cataloguer.form(path)[title] == long
    assert cataloguer.send(path, {"act": "draft", "part": "1"}).status_code == 400


def test_a_new_record_begins_from_a_template(library: CatalogueLibrary, cataloguer: Visitor, record_id: str) -> None:
    path = edit_path(record_id)
    cataloguer.open(path)
    subject, title = input_of(cataloguer, "subject"), input_of(cataloguer, "title")
    cataloguer.send(path, {subject: "Fiksi Indonesia", title: "", "act": "template", "template_name": "Novel"})
    assert "The template is saved." in cataloguer.text
    assert cataloguer.form(path)[input_of(cataloguer, "subject")] == "Fiksi Indonesia", "what was typed stays"
    assert cataloguer.send(path, {"act": "template", "template_name": "Novel"}).status_code == 409
    assert cataloguer.page.xpath("//details[@open]//*[@id='template_name-error']/text()") == [
        "Another template has the name “Novel”."
    ]
    assert cataloguer.form(path)["template_name"] == "Novel"
    assert cataloguer.send(path, {"act": "enter"}).status_code == 409, "Enter saves the template, not the record"
    assert library.marc(record_id).values("650") == []
    cataloguer.open(NEW)
    (template,) = cataloguer.page.xpath("//a[text()='Novel']/@href")
    cataloguer.open(template)
    cataloguer.send(NEW, {input_of(cataloguer, "title"): "Kemarau panjang", "act": "save:sure"})
    saved = str(cataloguer.response.url).split("/")[-2]
    marc = library.marc(saved)
    assert (marc.values("650", "a"), marc.values("245", "a")) == (["Fiksi Indonesia"], ["Kemarau panjang"])
    assert marc.control_key() != library.marc(record_id).control_key()
    cataloguer.open("/catalogue/drafts")
    action = cataloguer.page.xpath("//form[contains(@action, '/templates/')]/@action")[0]
    cataloguer.send(action)
    assert "There are no templates yet." in cataloguer.text


def test_typing_is_kept_while_the_browser_is_open_and_offered_after_it_was_closed(
    library: CatalogueLibrary, cataloguer: Visitor, record_id: str, browser: Browser
) -> None:
    page = browser.new_page(base_url=library.address, locale="en-GB")
    page.goto("/")
    staff = library.add_staff("cataloguer", name="Rosnida")
    cataloguer.sign_in(staff)
    take_session(page, cataloguer)
    page.goto(edit_path(record_id))
    page.get_by_label("Title", exact=True).first.fill("Diketik lalu ditutup")
    expect(page.locator("#draft-state")).to_contain_text("Draft saved at")
    cataloguer.open("/")
    cataloguer.send("/sign-out")
    page.get_by_label("Title", exact=True).first.fill("Masuk lagi")
    expect(page.locator("#draft-state")).to_contain_text("The draft is not saved.")
    page.get_by_role("button", name="Save draft").click()
    page.locator("[name=user]").fill(staff.user)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main .go").click()
    page.locator("main .go").click()
    expect(page.get_by_role("status").first).to_have_text("The draft is saved. The record has not changed.")
    page.goto("about:blank")
    page.goto(f"{library.address}{edit_path(record_id)}")
    page.get_by_role("link", name="Continue the draft").click()
    expect(page.get_by_label("Title", exact=True).first).to_have_value("Masuk lagi")
    check_accessibility(page)
    page.goto("/catalogue/drafts")
    check_accessibility(page)
    page.close()
