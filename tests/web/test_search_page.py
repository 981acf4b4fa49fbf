"""Search pages beyond the hits: values of filters, grouping, explanations, notices, lists and help without hits."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, unquote

import httpx
import pytest

import gateway.web
from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.shelves import WORK
from tests.web.test_pages import Outline, links


def test_a_facet_has_a_page_with_links_to_the_next_values_and_to_the_search(http: httpx.Client) -> None:
    html = http.get("/search/facets/author?q=&language=ind").text
    assert "Kembali ke hasil" in html
    assert "/search?language=ind" in links(html)
    assert any(link.startswith("/search?language=ind&author=") for link in links(html))
    next_link = next(link for link in links(html) if "offset=50" in link)
    assert next_link.startswith("/search/facets/author?language=ind&order=count")


def test_a_facet_can_be_ordered_by_value(http: httpx.Client, catalog: FakeCatalog) -> None:
    http.get("/search/facets/author?order=value")
    assert catalog.request.sort == "value"


@pytest.mark.parametrize("path", ["/search/facets/price", "/browse/price", "/golongan/%3Cb%3E", "/works/nope"])
def test_a_missing_list_is_a_404(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 404


def test_editions_of_a_work_are_grouped_on_request_with_a_link_to_the_work(
    http: httpx.Client, catalog: FakeCatalog
) -> None:
    assert f"/works/{WORK}" not in links(http.get("/search?q=surau").text)
    html = http.get("/search?q=surau&by_work=true").text
    assert catalog.request.by_work
    assert f"/works/{WORK}" in links(html)
    assert "2 edisi" in html
    assert "/search?q=surau" in links(html)


def test_an_explained_search_shows_the_reasons_of_each_hit(http: httpx.Client) -> None:
    html = http.get("/search?q=surau&explain=true").text
    assert "“surau” ada di judul, persis" in html
    assert "1,2" in html
    assert html.index("angka menunjukkan nilai tiap alasan") < html.index('<ol class="hits">')
    assert html.index("Jelaskan urutan hasil") < html.index('<ol class="hits">')
    assert "/search?q=surau&explain=true" in links(http.get("/search?q=surau").text)


def test_hits_with_a_part_of_the_words_have_their_heading_and_name_the_missing_words(http: httpx.Client) -> None:
    html = http.get("/search?q=planet").text
    assert "1 judul memuat semua kata," in html
    heading = html.index("Hasil yang memuat sebagian kata")
    assert html.count('<ol class="hits">') == 2
    assert html.index('<ol class="hits">') < heading < html.index("Tidak memuat “planet”")
    assert "Termasuk golongan 520 Astronomi" in html
    assert "Results with some of the words" in http.get("/search?q=planet&lang=en").text
    assert "Hasil yang memuat sebagian kata" not in http.get("/search?q=surau").text


def test_without_a_title_with_all_the_words_the_count_shows_it_and_hits_name_the_missing_words(
    http: httpx.Client,
) -> None:
    html = http.get("/search?q=minangkabau+komet").text
    assert "tidak ada yang memuat semua kata; ini yang paling dekat" in html
    assert "none has all the words; these come closest" in http.get("/search?q=minangkabau+komet&lang=en").text
    assert html.count('<ol class="hits">') == 1
    assert "Tidak memuat “komet”" in html
    assert "Hasil yang memuat sebagian kata" not in html
    assert "paling dekat" not in http.get("/search?q=minangkabau").text


def test_without_hits_the_page_links_to_searches_with_hits(http: httpx.Client) -> None:
    html = http.get("/search?q=surau+xyzzy&language=ind").text
    assert "Tidak ada judul yang memuat “xyzzy”." in html
    expected = {
        "/search?q=surau&language=ind",
        "/search?q=surau+xyzzy",
        "/search?q=surau+xyzzy&institution=UMMY&language=ind",
        "/golongan/8",
    }
    assert expected <= set(links(html))


def test_classes_among_the_filters_are_a_tree_and_years_descend(http: httpx.Client) -> None:
    html = http.get("/search/filters?q=").text
    section = html.partition("Klasifikasi</summary>")[2].partition("</details>")[0]
    classes = [link.partition("=")[2].partition("&")[0] for link in links(section) if link.startswith("/search?class=")]
    assert len(classes) > 3
    assert classes == sorted(classes)
    assert 'class="level2"' in section
    years = re.findall(r"/search\?year=(\d{4})", html)
    assert years == sorted(years, reverse=True)
    assert len(years) > 3


def test_without_hits_there_are_no_filters(http: httpx.Client) -> None:
    html = http.get("/search?q=xyzzy").text
    assert "Filter" not in html
    assert Outline(html).all("aside") == []


def test_the_page_says_when_a_query_is_searched_as_words(http: httpx.Client) -> None:
    assert "Tanda baca dalam pencarian ini diabaikan" in http.get("/search?q=(surau").text


def test_a_degraded_search_has_a_notice(http: httpx.Client, catalog: FakeCatalog) -> None:
    catalog.degraded = True
    assert "Pencarian sedang terbatas pada judul, pengarang, dan nomor." in http.get("/search?q=surau").text


def test_a_search_has_an_address_and_a_feed(http: httpx.Client) -> None:
    html = http.get("/search?q=surau&language=ind&cursor=fake-0&utm_source=x").text
    assert "http" in html
    assert "/search.atom?q=surau&amp;language=ind" in html
    assert f"{str(http.base_url).rstrip('/')}/search?q=surau&amp;language=ind</p>" in html


@pytest.mark.parametrize("typed", ["1371031502900001", "081234567890", "siti@contoh.id"])
def test_a_nik_phone_or_mail_without_hits_is_in_no_link_of_its_page(http: httpx.Client, typed: str) -> None:
    html = http.get("/search", params={"q": f"surau {typed}", "language": "ind"}).text
    addresses = re.findall(r'(?:href|src|action|data-load|content)="([^"]*/search[^"]*)"', html)
    addresses += re.findall(r'href="([^"]*back=[^"]*)"', html)
    assert len(addresses) > 5
    # `back` is an address in an address.
    assert not [address for address in addresses if typed in unquote(unquote(address))]
    assert "/search?q=surau+%E2%80%A6&language=ind&lang=en" in links(html)


def test_a_barcode_with_hits_stays_in_the_links_of_its_page(
    http: httpx.Client, catalog: FakeCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "books", (replace(BOOKS[0], summary="081234567890"),))
    addresses = links(http.get("/search?q=081234567890").text)
    assert {"/search?q=081234567890&filters=open", "/search?q=081234567890&lang=en"} <= set(addresses)


def test_each_hit_has_its_coins(http: httpx.Client) -> None:
    spans = [span for span in Outline(http.get("/search?q=siti").text).all("span") if span.get("class") == "Z3988"]
    assert [parse_qs(str(span["title"]))["rft.btitle"] for span in spans] == [[BOOKS[1].title]]


def test_browsing_shows_the_position_with_see_and_see_also(http: httpx.Client) -> None:
    html = http.get("/browse/author?term=hamka").text
    assert "/search?author=Hamka" in links(html)
    assert {"/browse/author?term=Navis%2C+A.A.", "/browse/author?term=Hamka"} <= set(links(html))
    assert 'id="here"' in html
    assert any("cursor=" in link for link in links(html))


def test_titles_and_call_numbers_link_to_their_record(http: httpx.Client) -> None:
    for kind, term in (("title", "robohnya"), ("call_number", "398")):
        html = http.get(f"/browse/{kind}?term={term}").text
        assert f"/records/{BOOKS[0 if kind == 'title' else 2].id}" in links(html)
    assert '<span class="by" dir="auto">Kaba Cindua Mato, 1987</span>' in html


def test_the_browse_form_redirects_to_the_list(http: httpx.Client) -> None:
    response = http.get("/browse?kind=series&term=balai+pustaka")
    assert (response.status_code, response.headers["location"]) == (303, "/browse/series?term=balai+pustaka")


def test_a_class_links_to_its_subclasses_and_its_parent(http: httpx.Client) -> None:
    top = http.get("/golongan").text
    assert {"/golongan/8", "/search?class=6"} <= set(links(top))
    assert "2 judul tanpa golongan." in top
    subclasses = http.get("/golongan/8").text
    assert {"/golongan", "/search?class=8", "/search?class=89"} <= set(links(subclasses))
    assert "800 Sastra (umum)" in subclasses
    assert "800 Sastra (umum)" in http.get("/golongan/80").text


def test_a_work_shows_its_editions_with_the_reasons(http: httpx.Client) -> None:
    html = http.get(f"/works/{WORK}").text
    assert {f"/records/{BOOKS[0].id}", f"/records/{BOOKS[1].id}"} <= set(links(html))
    assert "Pengarang dan judul sama" in html


def test_a_merged_work_redirects_to_the_current_one(http: httpx.Client) -> None:
    response = http.get(f"/works/{WORK[:-1]}2")
    assert (response.status_code, response.headers["location"]) == (301, f"/works/{WORK}")


def test_the_reader_s_branch_is_remembered_and_sent_to_the_catalogue(http: httpx.Client, catalog: FakeCatalog) -> None:
    assert "Cabang Laing" in http.get("/my-library?back=/search").text
    response = http.get("/my-library?choose=KOTASOLOK/LAING&back=/search?q=surau")
    assert (response.status_code, response.headers["location"]) == (303, "/search?q=surau")
    http.get("/search?q=surau")
    assert catalog.request.branch == "KOTASOLOK/LAING"
    html = http.get(f"/records/{BOOKS[1].id}").text
    assert "perpustakaan saya" in html
    http.get("/my-library?choose=&back=/")
    http.get("/search?q=surau")
    assert catalog.request.branch == ""


@pytest.mark.parametrize("back", ["//evil.example", "/\\evil.example", "https://evil.example", "/a b", ""])
def test_the_redirect_after_a_choice_never_leaves_the_site(http: httpx.Client, back: str) -> None:
    response = http.get("/my-library", params={"choose": "KOTASOLOK/LAING", "back": back})
    assert response.headers["location"] == "/"


def test_a_choice_that_is_not_a_branch_is_refused(http: httpx.Client) -> None:
    response = http.get("/my-library", params={"choose": "x; Path=/admin"})
    assert response.status_code == 400
    assert "set-cookie" not in response.headers


def test_every_part_is_used_on_a_page() -> None:
    folder = Path(gateway.web.__file__).parent / "templates"
    parts = folder.joinpath("parts.html").read_text()
    templates = "".join(path.read_text() for path in folder.glob("*.html") if path.stem != "parts")
    for name in re.findall(r"\{% macro (\w+)\(", parts):
        assert f"parts.{name}(" in templates or len(re.findall(rf"\b{name}\(", parts)) > 1, name
