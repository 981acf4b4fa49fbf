"""Pages that edit a record, and make a new one, as a form or as MARC."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

import lxml.html
import pytest
from playwright.sync_api import Browser, Page, expect

from services.catalog.marc.record import Record as Marc
from tests.builders import book
from tests.web.accessibility import check_accessibility, take_session
from tests.web.catalogue_library import CatalogueLibrary, catalogue_library
from tests.web.hostile import PAYLOADS
from tests.web.visitors import Visitor, visitor

_numbers = count(500)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogueLibrary]:
    with catalogue_library(tmp_path_factory.mktemp("library")) as library:
        yield library


@pytest.fixture(scope="module")
def cataloguer(library: CatalogueLibrary) -> Iterator[Visitor]:
    with visitor(library.address) as cataloguer:
        assert cataloguer.sign_in(library.add_staff("cataloguer", name="Rosnida")).status_code == 303
        yield cataloguer


@pytest.fixture
def record_id(library: CatalogueLibrary) -> str:
    """An imported record."""
    return library.import_(str(next(_numbers)))


def edit_path(record_id: str) -> str:
    return f"/catalogue/records/{record_id}/edit"


def input_of(cataloguer: Visitor, field: str, code: str = "a", place: int = 0) -> str:
    """The name of an input on the page, that of the first row of a field."""
    names = cataloguer.form("/edit" if "/edit" in str(cataloguer.response.url) else "/new")
    return [name for name in names if re.fullmatch(rf"{field}-n?\w+-{code}0", name)][place]


def errors(page: lxml.html.HtmlElement) -> dict[str, str]:
    """The sentence at each input with a fault."""
    return {each.get("id").removesuffix("-error"): each.text_content() for each in page.xpath("//*[@class='error']")}


def test_the_form_saves_what_was_changed_and_takes_the_record_over(
    library: CatalogueLibrary, cataloguer: Visitor, record_id: str
) -> None:
    before = library.marc(record_id)
    cataloguer.open(edit_path(record_id))
    assert "still belongs to imports" in cataloguer.text
    title = input_of(cataloguer, "title")
    cataloguer.send(edit_path(record_id), {title: "Kemarau", "act": "save"})
    assert "Saved as version 2." in cataloguer.text
    assert "still belongs to imports" not in cataloguer.text
    after = library.marc(record_id)
    assert after.text("245", "a") == "Kemarau"
    assert [field for field in after.fields if field[0] != "245"] == [f for f in before.fields if f[0] != "245"]
    cataloguer.send(edit_path(record_id), {"act": "save"})
    assert "Saved as version 2." in cataloguer.text, "a save without a change makes no version"


def test_what_was_typed_goes_from_the_form_to_marc_and_back_unsaved(
    library: CatalogueLibrary, cataloguer: Visitor, record_id: str
) -> None:
    path = edit_path(record_id)
    cataloguer.open(path)
    cataloguer.send(path, {input_of(cataloguer, "subject"): "Surau", "act": "marc"})
    text = cataloguer.form(path)["text"]
    assert "650 #4 $a Surau" in text
    cataloguer.send(path, {"text": text.replace("$a Surau", "$a Surau $2 lokal") + "\n950 ## $a $5 x", "act": "form"})
    assert "950" in cataloguer.text, "the form names fields that it does not show"
    assert cataloguer.form(path)[input_of(cataloguer, "subject")] == "Surau"
    assert library.marc(record_id).values("650") == []
    cataloguer.send(path, {"act": "save"})
    assert library.marc(record_id).values("650") == ["Surau", "lokal"]
    assert library.marc(record_id).first("950") == ["950", "  ", "a", "", "5", "x"]


def test_new_faults_are_refused_at_their_field_and_old_ones_are_listed(
    library: CatalogueLibrary, cataloguer: Visitor, record_id: str
) -> None:
    path = edit_path(record_id)
    library.save(record_id, lambda marc: marc)
    cataloguer.open(path)
    title = input_of(cataloguer, "title")
    cataloguer.send(path, {title: "", "act": "save"})
    assert cataloguer.response.status_code == 400
    assert errors(cataloguer.page) == {input_of(cataloguer, "title"): "Field 245 $a is required."}
    cataloguer.open(f"{path}?view=marc")
    text = cataloguer.form(path)["text"]
    cataloguer.send(path, {"text": text + "\n650 #4 $q Surau\n651 9# $a x", "act": "save"})
    assert cataloguer.response.status_code == 400
    assert "Line 8: Field 650 has no subfield $q." in cataloguer.text
    assert "$q Surau" in cataloguer.form(path)["text"], "nothing that was typed is lost"
    cataloguer.send(path, {"text": text + "\nbukan ruas\n650", "act": "save"})
    assert cataloguer.response.status_code == 400
    assert "Line 8: A line must begin with a tag of three digits and a blank. bukan ruas" in cataloguer.text
    assert cataloguer.form(path)["text"].endswith("bukan ruas\n650")


def test_old_faults_do_not_stop_a_save(library: CatalogueLibrary, cataloguer: Visitor) -> None:
    number = str(next(_numbers))
    record_id = library.import_marc(book(number, more=[["650", " 9", "a", "Surau"]]))
    path = edit_path(record_id)
    cataloguer.open(path)
    assert "1 old fault" in cataloguer.text
    cataloguer.send(path, {input_of(cataloguer, "title"): "Lain", "act": "save"})
    assert "Saved as version 2." in cataloguer.text
    assert "Indicator 2 of field 650 must not be 9." in cataloguer.text


def test_a_save_after_another_ones_shows_what_they_changed_and_keeps_both(
    library: CatalogueLibrary, cataloguer: Visitor, record_id: str
) -> None:
    path = edit_path(record_id)
    cataloguer.open(path)
    with visitor(library.address) as other:
        other.sign_in(library.add_staff("manager", name="Budi"))
        other.open(path)
        other.send(path, {input_of(other, "note"): "Catatan orang lain", "act": "save"})
    cataloguer.send(path, {input_of(cataloguer, "title"): "Judul saya", "act": "save"})
    assert cataloguer.response.status_code == 412
    assert "Budi saved this record while you edited it" in cataloguer.text
    assert "500 General note" in cataloguer.text
    assert "Catatan orang lain" in cataloguer.text
    assert cataloguer.form(path)[input_of(cataloguer, "title")] == "Judul saya"
    assert library.marc(record_id).text("245", "a") == "Robohnya surau kami"
    cataloguer.send(path, {"act": "save"})
    assert "Saved as version 3." in cataloguer.text
    after = library.marc(record_id)
    assert (after.text("245", "a"), after.values("500")) == ("Judul saya", ["Catatan orang lain"])


def test_a_row_is_added_and_a_cleared_one_goes(library: CatalogueLibrary, cataloguer: Visitor, record_id: str) -> None:
    path = edit_path(record_id)
    cataloguer.open(path)
    cataloguer.send(path, {input_of(cataloguer, "subject"): "Surau", "act": "add:subject"})
    assert cataloguer.form(path)[input_of(cataloguer, "subject")] == "Surau"
    second = input_of(cataloguer, "subject", place=1)
    assert cataloguer.page.xpath("//*[@autofocus]/@name") == [second]
    cataloguer.send(path, {second: "Adat", "act": "save"})
    assert library.marc(record_id).values("650") == ["Surau", "Adat"]
    cataloguer.send(path, {input_of(cataloguer, "subject"): "", "act": "save"})
    assert library.marc(record_id).values("650") == ["Adat"]


def test_a_heading_is_chosen_from_the_list_and_an_unused_form_leads_to_the_one_in_use(
    library: CatalogueLibrary, cataloguer: Visitor, record_id: str
) -> None:
    forms = [["001", "aut1"], ["100", "1 ", "a", "Hamka"], ["400", "1 ", "a", "Amrullah, Abdul Malik"]]
    library.import_marc(Marc("00000nz  a2200000n  4500", forms))
    library.import_marc(book(str(next(_numbers)), author="Hamka"))
    library.index()
    path = edit_path(record_id)
    cataloguer.open(path)
    author = input_of(cataloguer, "author")
    cataloguer.send(path, {author: "Amrullah", "act": f"look:{author}:author"})
    assert "used in place of “Amrullah, Abdul Malik”" in cataloguer.text
    (act,) = cataloguer.page.xpath("//*[@class='doubles']//button[text()='Hamka']/@value")[:1]
    cataloguer.send(path, {"act": act})
    assert cataloguer.form(path)[author] == "Hamka"
    options = cataloguer.open("/catalogue/headings?kind=author&q=amrullah").xpath("//option")
    assert (options[0].get("value"), options[0].text) == ("Hamka", "Amrullah, Abdul Malik → use: Hamka")


def test_a_new_record_is_made_by_the_form_of_its_material(library: CatalogueLibrary, cataloguer: Visitor) -> None:
    cataloguer.open("/catalogue/records/new?material=map")
    assert "required" not in cataloguer.text
    title, scale = input_of(cataloguer, "title"), input_of(cataloguer, "scale")
    values = {title: "Peta Solok", scale: "1:50.000", "language-f-0": "ind", "act": "save"}
    cataloguer.send("/catalogue/records/new", values)
    assert "Saved as version 1." in cataloguer.text
    (made,) = re.findall(r"/records/([0-9a-f-]{36})/edit", str(cataloguer.response.url))
    marc = library.marc(made)
    assert (marc.leader[6], marc.text("255"), marc.first("245")) == ("e", "1:50.000", ["245", "00", "a", "Peta Solok"])


def test_a_copy_is_a_new_record_of_the_copying_library(
    library: CatalogueLibrary, cataloguer: Visitor, record_id: str
) -> None:
    path = f"/catalogue/records/new?from={record_id}"
    library.index()
    page = cataloguer.open(f"/records/{record_id}")
    assert page.xpath(f"//a[@href='{path}']")
    assert page.xpath(f"//a[@href='{edit_path(record_id)}']")
    cataloguer.open(path)
    cataloguer.send("/catalogue/records/new", {"act": "save"})
    assert cataloguer.response.status_code == 409, "the catalogue has the same book"
    assert record_id in [link.get("href").rpartition("/")[2] for link in cataloguer.page.xpath("//*[@role='alert']//a")]
    cataloguer.send("/catalogue/records/new", {"act": "save:sure"})
    (made,) = re.findall(r"/records/([0-9a-f-]{36})/edit", str(cataloguer.response.url))
    assert made != record_id
    assert library.marc(made).text("245") == library.marc(record_id).text("245")
    assert library.marc(made).control("001") != library.marc(record_id).control("001")


def test_only_cataloguers_of_the_institution_meet_the_page(library: CatalogueLibrary, record_id: str) -> None:
    with visitor(library.address) as reader:
        assert not reader.open(f"/records/{record_id}").xpath(f"//a[@href='{edit_path(record_id)}']")
        reader.open(edit_path(record_id))
        assert "/sign-in" in str(reader.response.url)
        reader.sign_in(library.add_staff("desk"))
        reader.open(edit_path(record_id))
        assert reader.response.status_code == 403
        assert not reader.open(f"/records/{record_id}").xpath(f"//a[@href='{edit_path(record_id)}']")


def test_hostile_texts_in_every_field_stay_text(library: CatalogueLibrary, cataloguer: Visitor, record_id: str) -> None:
    path = edit_path(record_id)
    for payload in PAYLOADS:
        cataloguer.open(path)
        values = cataloguer.form(path)
        names = [name for name in values if re.fullmatch(r"[a-z_]+-n?\d+-[a-z0-9]0", name)]
        for act in ("form", "marc"):
            cataloguer.open(path)
            cataloguer.send(path, {**dict.fromkeys(names, payload), "act": act})
            assert cataloguer.response.status_code == 200, payload
            page = cataloguer.page
            assert [each.get("src") for each in page.xpath("//script")] == [
                each.get("src") for each in cataloguer.page.xpath("//head/script")
            ], payload
            assert not page.xpath("//main//*[@onload or @onerror or @onfocus or @ontoggle or @onmouseover]"), payload
            assert not page.xpath("//main//iframe|//main//img|//main//svg|//main//object|//main//base"), payload
        # Through MARC and back, every input has its text.
        cataloguer.send(path, {"act": "form"})
        typed = [value for name, value in cataloguer.form(path).items() if re.fullmatch(r"\w+-\d+-[a-z0-9]0", name)]
        assert typed.count(payload) == len(names), payload


@pytest.fixture
def window(browser: Browser, library: CatalogueLibrary, cataloguer: Visitor) -> Iterator[Page]:
    context = browser.new_context(base_url=library.address, locale="id-ID", viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.goto("/sign-in")
    take_session(page, cataloguer)
    yield page
    context.close()


def test_a_record_is_edited_with_the_keyboard(library: CatalogueLibrary, window: Page, record_id: str) -> None:
    library.index()
    window.goto(edit_path(record_id))
    title = window.get_by_role("group", name="Judul", exact=True).get_by_label("Judul", exact=True)
    title.focus()
    window.keyboard.press("Control+A")
    window.keyboard.type("Judul dari papan ketik")
    author = window.get_by_role("group", name="Pengarang utama").get_by_label("Nama")
    with window.expect_response(lambda response: "/catalogue/headings?kind=author&q=Navis" in response.url):
        author.fill("Navis")
    expect(window.locator("#headings-author option").first).to_have_attribute("value", "Navis, A. A.")
    author.fill("Navis, A. A.")
    author.press("Enter")
    expect(window.get_by_role("status").first).to_contain_text("Tersimpan sebagai versi 2.")
    assert library.marc(record_id).text("245", "a") == "Judul dari papan ketik"


@pytest.mark.parametrize(("view", "language"), [("form", "id"), ("marc", "en")])
def test_the_page_is_accessible_on_every_screen_also_with_faults(
    library: CatalogueLibrary, window: Page, record_id: str, view: str, language: str
) -> None:
    window.goto(f"{edit_path(record_id)}?view={view}&lang={language}")
    library.add_note(record_id, "Catatan orang lain")
    if view == "form":
        window.locator("[id^=title-][id$=a0]").fill("")
    else:
        text = window.locator("#text")
        text.fill(text.input_value() + "\n650 #4 $q x")
    window.locator(".go").click()
    expect(window.get_by_role("alert").first).to_be_visible()
    check_accessibility(window)


def test_the_limits_of_what_is_sent_are_kept(cataloguer: Visitor, record_id: str) -> None:
    path = edit_path(record_id)
    cataloguer.open(f"{path}?view=marc")
    long_text = "LDR 00000nam#a2200000#i#4500\n" + "\n".join(f"500 ## $a {number}" for number in range(2_100))
    cataloguer.send(path, {"text": long_text, "act": "form"})
    assert "too long for the form" in cataloguer.text
    cataloguer.send(path, {"act": "save"})
    assert cataloguer.response.status_code == 400
    assert "2100" in cataloguer.text or "2,100" in cataloguer.text
