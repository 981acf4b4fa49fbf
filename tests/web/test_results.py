"""Results: distance to the first hit, suggestions, headings, and the line of availability."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import expect

from gateway.libraries import Directory
from gateway.web.covers.cover_svg import initials
from gateway.web.covers.images import list_pictures, shrink
from gateway.web.hits import Nearness, lead_holding
from gateway.web.library import librarian, nearness_of
from rangkiang.catalog.v1 import catalog_pb2 as wire
from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.web.conftest import DESK, PHONE, Visit, wait_for_filters
from tests.web.test_browser import Taps, focused
from tests.web.test_pages import Outline, links


@pytest.mark.parametrize(
    ("locale", "children", "topics"), [("id-ID", "Buku anak", "Topik"), ("en-GB", "Children’s books", "Topics")]
)
def test_a_childrens_book_on_a_subject_is_three_taps_from_home(
    visit: Visit, locale: str, children: str, topics: str
) -> None:
    page = visit("/", size=PHONE, locale=locale, has_touch=True, is_mobile=True)
    taps = Taps(page)
    taps.tap(page.get_by_role("link", name=children))
    expect(page.locator("h1")).to_have_text(children)
    taps.tap(page.get_by_role("navigation", name=topics).get_by_role("link", name="Cerita rakyat Minangkabau"))
    expect(page.locator("h1")).to_contain_text("Cerita rakyat Minangkabau")
    taps.tap(page.locator(".hit h2 a").first)
    expect(page.locator("h1")).to_have_text("Kaba Cindua Mato")
    assert (taps.count, page.evaluate("scrollY")) == (3, 0)


def test_new_books_are_one_tap_from_home(visit: Visit) -> None:
    page = visit("/", size=PHONE, has_touch=True, is_mobile=True)
    Taps(page).tap(page.get_by_role("link", name="Buku baru"))
    page.wait_for_url("**/search?sort=year")
    assert page.locator("h1").inner_text() == "Terbitan terbaru"
    assert page.locator(".hit h2").first.inner_text() == "Ranah Tiga Warna"


@pytest.mark.parametrize("locale", ["id-ID", "en-GB"])
@pytest.mark.parametrize(
    "path",
    [
        "/search?q=minangkabau",
        "/search?author=Hamka",
        "/search?audience=child",
        "/search?sort=year",
        "/search?q=surau&branch=KOTASOLOK/PUSAT&language=ind",
        "/search?q=surau+komet",
    ],
)
def test_the_first_hit_begins_in_the_upper_half_of_a_phone(visit: Visit, path: str, locale: str) -> None:
    page = visit(path, size=PHONE, locale=locale)
    box = page.locator(".hit").first.bounding_box()
    assert box is not None
    assert box["y"] < 290  # ten less than the half has room for another font


def test_two_tabs_lead_to_the_first_hit(visit: Visit) -> None:
    page = visit("/search?q=minangkabau", size=DESK)
    page.keyboard.press("Tab")
    assert focused(page)["text"] == "Langsung ke hasil"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert focused(page)["text"] == page.locator(".hit a").first.inner_text()


def test_back_returns_to_the_same_place_among_the_hits(visit: Visit) -> None:
    page = visit("/search", size=PHONE)
    page.locator(".hit h2 a").nth(6).scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    assert before > 0
    page.locator(".hit h2 a").nth(6).click()
    page.wait_for_url("**/records/**")
    page.go_back()
    wait_for_filters(page)
    page.wait_for_function("before => Math.abs(scrollY - before) < 2", arg=before)


def test_a_suggested_title_opens_its_record_with_the_keyboard(visit: Visit) -> None:
    page = visit("/")
    box = page.get_by_role("combobox")
    assert box.get_attribute("aria-expanded") == "false"
    box.press_sequentially("robo", delay=20)
    options = page.get_by_role("option")
    options.first.wait_for()
    assert box.get_attribute("aria-expanded") == "true"
    assert options.first.inner_text().split("\n") == ["Robohnya Surau Kami", "Judul"]
    assert page.locator("#suggested").inner_text() == "1 saran"
    page.keyboard.press("ArrowDown")
    assert box.get_attribute("aria-activedescendant") == options.first.get_attribute("id")
    assert options.first.get_attribute("aria-selected") == "true"
    assert focused(page)["id"] == "q"
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/records/{BOOKS[0].id}")


@pytest.mark.parametrize(("key", "caret"), [("Home", 0), ("End", 4), ("ArrowLeft", 3)])
def test_keys_of_the_text_lead_from_a_suggestion_back_to_it(visit: Visit, key: str, caret: int) -> None:
    page = visit("/")
    box = page.get_by_role("combobox")
    box.press_sequentially("robo", delay=20)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    assert box.get_attribute("aria-activedescendant")
    page.keyboard.press(key)
    assert box.get_attribute("aria-activedescendant") is None
    assert page.evaluate("document.activeElement.selectionStart") == caret
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=robo")


def test_escape_closes_suggestions_and_enter_searches_what_is_typed(visit: Visit) -> None:
    page = visit("/")
    box = page.get_by_role("combobox")
    box.press_sequentially("hamka", delay=20)
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")  # from the only option back to the box
    assert box.get_attribute("aria-activedescendant") is None
    page.keyboard.press("Escape")
    assert not page.get_by_role("listbox").is_visible()
    assert page.input_value("#q") == "hamka"
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=hamka")


def test_a_suggested_author_leads_to_the_page_of_the_author(visit: Visit) -> None:
    page = visit("/")
    page.get_by_role("combobox").press_sequentially("hamka", delay=20)
    page.get_by_role("option", name="Hamka").click()
    page.wait_for_url("**/search?author=Hamka")
    assert page.locator("h1").inner_text() == "Buku oleh Hamka"


def test_without_javascript_the_box_is_a_plain_one(visit: Visit) -> None:
    page = visit("/", java_script_enabled=False)
    assert page.locator("#q").get_attribute("role") is None
    assert not page.locator("#suggestions").is_visible()


def test_an_author_s_page_says_so_with_the_other_forms_of_the_name(http: httpx.Client) -> None:
    html = http.get("/search?author=Hamka").text
    assert "<title>Buku oleh Hamka" in html
    assert '<h1 id="heading">Buku oleh Hamka</h1>' in html
    assert '<li dir="auto">Buya Hamka</li>' in html
    assert "Books by Hamka" in http.get("/search?author=Hamka&lang=en").text
    assert "Buya Hamka" not in http.get("/search?author=Hamka&q=kapal").text


def test_an_author_s_page_without_the_list_of_headings_shows_the_books(
    http: httpx.Client, catalog: FakeCatalog
) -> None:
    catalog.failing.add("BrowseRequest")
    html = http.get("/search?author=Hamka").text
    assert "Buku oleh Hamka" in html
    assert f"/records/{BOOKS[3].id}" in links(html)


def test_a_heading_without_books_leads_to_its_place_in_the_list(http: httpx.Client) -> None:
    response = http.get("/search?series=Pustaka+lama")
    assert (response.status_code, response.headers["location"]) == (303, "/browse/series?term=Pustaka+lama")
    assert http.get("/search?series=Pustaka+lama&q=kaba").status_code == 200


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/search", "Semua koleksi"),
        ("/search?q=surau&language=min", "Hasil untuk “surau”"),
        ("/search?subject=Minangkabau", "Buku tentang Minangkabau"),
        ("/search?class=39", "Buku golongan 390"),
        ("/search?branch=KOTASOLOK/LAING", "Buku di Cabang Laing"),
        ("/search?branch=KOTASOLOK/LAING&author=Hamka", "Buku oleh Hamka"),
        ("/search?author=Hamka&author=Owen,+Sri", "Buku oleh Hamka atau Owen, Sri"),
        ("/search?language=min", "Buku berbahasa Minangkabau"),
        ("/search?audience=child&language=min", "Buku anak berbahasa Minangkabau"),
        ("/search?availability=can_be_borrowed", "Buku yang dapat dipinjam sekarang"),
    ],
)
def test_the_heading_says_what_is_listed(http: httpx.Client, path: str, heading: str) -> None:
    assert f'<h1 id="heading">{heading}</h1>' in http.get(path).text


def test_a_hit_has_one_line_of_availability_that_unfolds(visit: Visit) -> None:
    page = visit("/search?q=siti", size=PHONE)
    line = page.locator(".hit summary")
    assert line.inner_text().replace("\n", " ") == "Tersedia di 2 perpustakaan Perpustakaan Pusat 899.221 RUS s"
    assert not page.get_by_text("Baca di tempat").is_visible()
    line.click()
    assert page.get_by_text("Baca di tempat").is_visible()
    assert page.locator(".hit .places li").count() == 3


PUSAT = {"institution": "A", "branch": "PUSAT", "answer": "can_be_borrowed"}
LAING = {"institution": "A", "branch": "LAING", "answer": "out_until"}
KAMPUS = {"institution": "B", "branch": "KAMPUS", "answer": "can_be_borrowed"}


@pytest.mark.parametrize(
    ("entries", "nearness", "branch", "count"),
    [
        ((KAMPUS, LAING, PUSAT), Nearness(), "KAMPUS", 2),
        ((KAMPUS, LAING, PUSAT), Nearness(main_branch="A/PUSAT"), "PUSAT", 2),
        ((KAMPUS, LAING, PUSAT), Nearness(main_branch="A/LAING"), "PUSAT", 2),
        ((LAING, PUSAT, KAMPUS), Nearness(reader_branch="A/LAING", main_branch="B/KAMPUS"), "PUSAT", 2),
        ((KAMPUS, PUSAT, LAING), Nearness(reader_branch="B/KAMPUS", main_branch="A/PUSAT"), "KAMPUS", 2),
        ((LAING, KAMPUS, PUSAT), Nearness(is_filtered=True), "LAING", 1),
    ],
)
def test_the_line_names_a_branch_by_the_rule(
    entries: tuple[dict[str, str], ...], nearness: Nearness, branch: str, count: int
) -> None:
    lead = lead_holding(entries, nearness)
    assert lead is not None
    assert (lead["branch"], lead["branches"]) == (branch, count)


def place(code: str, **fields: Any) -> wire.Branch:
    return wire.Branch(institution="A", code=code, **fields)


def request_with(*branches: wire.Branch, cookie: str = "") -> Any:
    """Return a request to a gateway that knows these branches of an institution whose site it is."""
    owner = wire.Institution(code="A")
    directory = Directory({"A": owner}, {("A", branch.code): branch for branch in branches})
    held = SimpleNamespace(known_directory=lambda: directory, owner=lambda: owner)
    return SimpleNamespace(
        app=SimpleNamespace(state=SimpleNamespace(libraries=held)), cookies={"branch": cookie} if cookie else {}
    )


def test_the_nearest_branch_is_known_only_from_the_readers_own_branch() -> None:
    solok = wire.Position(latitude=-0.791, longitude=100.654)
    padang = wire.Position(latitude=-0.949, longitude=100.354)
    branches = place("PUSAT", position=solok), place("PADANG", position=padang), place("KELILING")
    assert nearness_of(request_with(*branches)).kilometres == {}
    assert nearness_of(request_with(*branches)).main_branch == "A/PUSAT"
    nearness = nearness_of(request_with(*branches, cookie="A/PUSAT"))
    assert {code: round(distance) for code, distance in nearness.kilometres.items()} == {"A/PADANG": 38}
    assert nearness_of(request_with(*branches, cookie="A/KELILING")).kilometres == {}
    entries = [
        {"institution": "A", "branch": f"A/{code}", "answer": "can_be_borrowed"} for code in ("KELILING", "PADANG")
    ]
    lead = lead_holding(entries, nearness)
    assert lead is not None
    assert (lead["branch"], lead["is_nearest"]) == ("A/PADANG", True)


def test_a_librarian_is_asked_at_the_first_branch_with_a_number() -> None:
    request = request_with(
        place("PUSAT"),
        place("LAING", contact=wire.Contact(whatsapp="+6281234567890")),
        place("KELILING", contact=wire.Contact(whatsapp="+6281200001111", phone="+627551")),
    )
    line = librarian(request, ["B/LAIN", "", "A/KELILING"], "Halo, “surau”?")
    assert line is not None
    assert line.address == "https://wa.me/6281200001111?text=Halo%2C%20%E2%80%9Csurau%E2%80%9D%3F"
    other = librarian(request, ["A/PUSAT"], "Halo")
    assert other is not None
    assert other.text == "0812-3456-7890"
    assert librarian(request_with(place("PUSAT")), ["A/PUSAT"], "Halo") is None


def test_a_small_cover_has_the_initials_of_the_title() -> None:
    titles = ("Robohnya Surau Kami", "“Si Doel” anak Betawi", "86", "\u202e\ud800", "ßeta")
    assert [initials(title) for title in titles] == ["RS", "SD", "", "", "SS"]


def test_the_librarys_own_covers_are_listed_and_made_small(tmp_path: Path) -> None:
    picture = tmp_path / "9789793062792.png"
    Image.effect_noise((400, 600), 60).save(picture)
    assert list_pictures(tmp_path) == {"9789793062792"}
    assert list_pictures(tmp_path / "missing") == frozenset()
    body, media_type = shrink(picture.read_bytes(), "image/png")
    assert media_type == "image/webp"
    assert len(body) < 15_000
    assert shrink(b"\x89PNG\r\n\x1a\nnothing", "image/png") == (b"\x89PNG\r\n\x1a\nnothing", "image/png")


def test_without_hits_no_operators_are_explained(http: httpx.Client) -> None:
    html = http.get("/search?q=surau+xyzzy").text
    assert "Coba cari" in html
    assert "-kata" not in html
    assert "judul:" not in html


def test_lists_have_letters_and_years(http: httpx.Client) -> None:
    html = http.get("/browse/title?term=K").text
    letters = [link for link in links(html) if re.fullmatch(r"/browse/title\?term=[A-Z]", link)]
    assert len(letters) == 26
    current = [link for link in Outline(html).all("a") if link.get("aria-current") == "true"]
    assert [link["href"] for link in current] == ["/browse/title?term=K"]
    assert '<span class="by" dir="auto">Navis, A.A., 1957</span>' in html
    assert "/browse/call_number?term=900" in links(http.get("/browse/call_number").text)
