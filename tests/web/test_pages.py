"""The content of the pages, read as plain HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import unquote

import httpx
import pytest

from tests.fakes.books import BOOKS, SCRIPT
from tests.fakes.catalog import FakeCatalog

HOSTILE = BOOKS[7]
BOOK = BOOKS[1]
PAGES = ("/", "/search", "/search?q=surau", "/search?language=ind&language=min", "/search?q=xyzzy",
         f"/records/{BOOK.id}", "/records/nope")  # fmt: skip


class Outline(HTMLParser):
    """Tags, attributes and links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def links(html: str) -> list[str]:
    return [link["href"] or "" for link in Outline(html).all("a")]


def test_the_front_page_has_one_search_box_and_describes_the_collection(http: httpx.Client) -> None:
    html = http.get("/").text
    assert len(Outline(html).all("form")) == 1
    assert "13 judul" in html
    assert "3 perpustakaan" in html
    assert "Cabang Laing" in html
    assert {"/golongan/8", "/search?class=6", "/golongan"} <= set(links(html))
    assert "600 Teknologi" in html


def test_results_show_each_hit_with_its_author_year_and_availability(http: httpx.Client) -> None:
    html = http.get("/search?q=siti+nurbaya").text
    assert f"/records/{BOOK.id}?hit=1" in links(html)
    for text in (
        "Rusli, Marah",
        "1922",
        "Tersedia di 2 perpustakaan",
        "Perpustakaan Pusat",
        "899.221 RUS s",
        "1 judul",
    ):
        assert text in html


def test_of_many_authors_three_are_shown(http: httpx.Client) -> None:
    for path in ("/search?q=negeri+menara", f"/records/{BOOKS[12].id}"):
        html = http.get(path).text
        assert "Fuadi, Ahmad; Kedua, Penulis; Ketiga, Penulis dkk." in html


def test_matching_words_are_marked(http: httpx.Client) -> None:
    assert "<mark>Surau</mark>" in http.get("/search?q=surau").text


def test_each_active_filter_has_a_link_that_removes_it(http: httpx.Client) -> None:
    html = http.get("/search?q=&language=ind&branch=KOTASOLOK/LAING&sort=title").text
    assert "Filter aktif" in html
    assert "/search?branch=KOTASOLOK%2FLAING&sort=title" in links(html)
    assert "/search?language=ind&sort=title" in links(html)
    assert "Hapus filter Cabang Laing" in html


def test_a_filter_link_adds_a_value_and_keeps_the_others(http: httpx.Client) -> None:
    addresses = [unquote(link) for link in links(http.get("/search?q=kaba&language=ind").text)]
    assert any("language=ind&language=min" in address and "q=kaba" in address for address in addresses)


def test_the_next_page_continues_after_the_last_hit(http: httpx.Client) -> None:
    first = http.get("/search?sort=title").text
    next_link = next(link for link in links(first) if "cursor=" in link)
    second = http.get(next_link.replace("&amp;", "&")).text
    records = [link for link in links(first) + links(second) if link.startswith("/records/")]
    assert len(records) == len(set(records)) == len(BOOKS)
    assert f"1–10 dari {len(BOOKS)} judul" in first
    assert f"11–{len(BOOKS)} dari {len(BOOKS)} judul" in second
    assert "Halaman 2 dari 2" in second
    assert "Semua koleksi, halaman 2" in second.partition("</title>")[0]
    assert "/search?sort=title" in links(second[second.index('<nav class="pages"') :])


def test_without_hits_the_page_has_advice(http: httpx.Client) -> None:
    html = http.get("/search?q=xyzzy").text
    assert "Tidak ada hasil." in html
    assert "ejaan lain" in html


def test_a_misspelt_word_gets_a_link_to_its_spelling(http: httpx.Client) -> None:
    assert "/search?q=surau" in links(http.get("/search?q=suroe").text)


def test_a_record_page_shows_holdings_and_downloads(http: httpx.Client) -> None:
    html = http.get(f"/records/{BOOK.id}").text
    for text in ("Perpustakaan Kampus", "Baca di tempat", "4 dari 6 eksemplar", "Fiksi Indonesia", "140 hlm."):
        assert text in html
    for ending in ("mrc", "xml", "marcjson", "ris", "bib"):
        assert f"/records/{BOOK.id}.{ending}" in links(html)
    assert "/search?subject=Fiksi+Indonesia" in links(html)


def test_a_link_with_another_scheme_is_left_out(http: httpx.Client) -> None:
    html = http.get(f"/records/{BOOK.id}").text
    assert "https://contoh.example/buku" in links(html)
    assert "javascript:" not in html


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["id", "en"])
def test_each_page_is_in_the_requested_language(http: httpx.Client, path: str, language: str) -> None:
    response = http.get(path, headers={"Accept-Language": language})
    html = response.text
    assert Outline(html).all("html") == [{"lang": language}]
    assert ("Cari" in html, "Search" in html) == (language == "id", language == "en")
    assert {"Accept-Language", "Cookie"} <= {header.strip() for header in response.headers["vary"].split(",")}


def test_the_chosen_language_is_remembered(http: httpx.Client) -> None:
    response = http.get("/search?q=surau&lang=en", headers={"Accept-Language": "id"})
    assert "HttpOnly" in response.headers["set-cookie"]
    assert Outline(http.get("/", headers={"Accept-Language": "id"}).text).all("html") == [{"lang": "en"}]
    assert "/search?q=surau&lang=id" in links(response.text)


@pytest.mark.parametrize(
    "path",
    ["/", "/search", f"/records/{HOSTILE.id}", "/search/filters?q=", "/suggest?q=judul", "/search?subject=" + SCRIPT],
)
def test_a_script_in_a_record_is_text_everywhere(http: httpx.Client, path: str) -> None:
    html = http.get(path, follow_redirects=True).text
    assert "alert(" in html
    assert SCRIPT not in html
    assert "<b>tebal" not in html
    assert all(
        script.get("src") or script.get("type") == "application/ld+json" for script in Outline(html).all("script")
    )


@pytest.mark.parametrize("path", ["/search?q=", "/nope?q=", "/search?limit=x&q=", "/search?sort="])
@pytest.mark.parametrize("payload", [SCRIPT, '"><img src=x onerror=alert(1)>', "' autofocus onfocus=alert(1) x='"])
def test_input_is_shown_as_text(http: httpx.Client, path: str, payload: str) -> None:
    html = http.get(path + payload.replace("&", "%26")).text
    assert payload not in html
    assert "<img src=x" not in html
    assert all(not name.startswith("on") for _, attributes in Outline(html).tags for name in attributes)


@pytest.mark.parametrize("path", PAGES)
def test_nothing_on_a_page_needs_an_inline_script_style_or_another_host(http: httpx.Client, path: str) -> None:
    outline = Outline(http.get(path).text)
    assert outline.all("style") == []
    assert all("style" not in attributes for _, attributes in outline.tags)
    for tag, name in (("script", "src"), ("link", "href"), ("img", "src"), ("form", "action")):
        elements = [element for element in outline.all(tag) if element.get("rel") != "canonical"]
        assert all(str(element.get(name, "/")).startswith("/") for element in elements)
    scripts = [script for script in outline.all("script") if script.get("type") != "application/ld+json"]
    assert all(script.get("src") for script in scripts)


@pytest.mark.parametrize("path", PAGES)
def test_static_files_are_named_by_their_content_and_immutable(http: httpx.Client, path: str) -> None:
    html = http.get(path).text
    addresses = set(re.findall(r"/static/[^\"]+", html))
    assert len(addresses) == 3
    for address in addresses:
        response = http.get(address)
        assert response.status_code == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert http.get("/static/site.000000000000.css").status_code == 404


def test_when_the_catalogue_is_down_the_page_says_so_and_keeps_the_query(
    http: httpx.Client, catalog: FakeCatalog
) -> None:
    catalog.down = True
    response = http.get("/search?q=surau", headers={"Accept-Language": "en"})
    assert response.status_code == 503
    assert "Search is not available." in response.text
    assert 'value="surau"' in response.text
    assert "/search?q=surau" in links(response.text)
    assert http.get("/records/nope", headers={"Accept-Language": "en"}).text.count("Try again") == 0


def test_pages_ignore_tracking_parameters(http: httpx.Client) -> None:
    assert http.get("/search?q=surau&utm_source=surel&fbclid=x").status_code == 200
