"""The record page: description in every script, holdings, neighbours on the shelf, sharing and downloads."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from gateway.web.site.citing import citations
from gateway.web.site.record_rows import is_right_to_left, online_links, rows
from gateway.web.texts import wording
from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.web.places import BOOK, HOSTILE, JAWI, RECORD
from tests.web.test_pages import Outline, links


def test_a_title_in_another_script_has_its_language_and_direction(http: httpx.Client) -> None:
    html = http.get(f"/records/{JAWI.id}").text
    assert '<p class="parallel" lang="ms-Arab" dir="rtl">کابا چيندوا ماتو</p>' in html


def test_roles_relations_and_other_fields_are_shown_with_links(http: httpx.Client) -> None:
    html = http.get(f"/records/{JAWI.id}").text
    for text in ("penulis:", "Terjemahan dari:", "Skala", "1:50.000", "Bagian dua", "Memuat indeks."):
        assert text in html
    assert "/search?q=title%3Atambo" in links(html)
    assert "/golongan/39" in links(html)


def test_each_item_has_its_volume_place_barcode_and_collection(http: httpx.Client) -> None:
    html = http.get(RECORD).text
    for text in ("Jilid 2", "c.1", "Lantai 2", "KS0000021", "Sirkulasi"):
        assert text in html


def test_neighbours_on_the_shelf_are_before_and_after_the_record(http: httpx.Client) -> None:
    html = http.get(RECORD).text
    neighbours = html[html.index('<ol class="standing">') :]
    neighbours = neighbours[: neighbours.index("</ol>")]
    assert neighbours.index("Robohnya Surau Kami") < neighbours.index("di sini") < neighbours.index("The Tigers")
    shelf = http.get(f"{RECORD}/shelf").text
    assert any(link.endswith("/shelf?branch=KOTASOLOK%2FPUSAT") for link in links(shelf))


def test_similar_records_have_a_reason(http: httpx.Client) -> None:
    assert "Subjek yang sama: Fiksi Indonesia" in http.get(RECORD).text


def test_a_record_is_shown_without_the_parts_that_are_unavailable(http: httpx.Client, catalog: FakeCatalog) -> None:
    catalog.failing = {"ListNeighboursRequest", "ListSimilarRequest", "GetFormRequest"}
    html = http.get(RECORD).text
    assert BOOK.title in html
    assert 'class="standing"' not in html
    assert '<script type="application/ld+json">' not in html


def test_a_page_has_a_permanent_link_a_preview_card_and_linked_data(http: httpx.Client) -> None:
    html = http.get(f"{RECORD}?hit=3&lang=id", headers={"Referer": str(http.base_url)}).text
    outline = Outline(html)
    permalink = f"{str(http.base_url).rstrip('/')}{RECORD}"
    assert [link["href"] for link in outline.all("link") if link.get("rel") == "canonical"] == [permalink]
    properties = {str(meta["property"]): meta["content"] for meta in outline.all("meta") if "property" in meta}
    assert (properties["og:title"], properties["og:url"], properties["og:type"]) == (BOOK.title, permalink, "book")
    assert "hit=3" not in html
    data = re.search(r'<script type="application/ld\+json">(.*?)</script>', html)
    assert data is not None
    assert BOOK.title in json.dumps(json.loads(data.group(1)))


def test_linked_data_cannot_close_its_script_element(http: httpx.Client) -> None:
    html = http.get(f"/records/{HOSTILE.id}").text
    data = re.search(r'<script type="application/ld\+json">(.*?)</script>', html)
    assert data is not None
    assert "<" not in data.group(1)
    assert "alert(" in json.dumps(json.loads(data.group(1)))


def test_the_marc_view_shows_every_field_with_its_indicators(http: httpx.Client) -> None:
    html = http.get(f"{RECORD}/marc").text
    for text in ("LDR", "245", "Indikator", "$a", BOOK.title):
        assert text in html
    assert RECORD in links(html)


def test_citations_follow_their_styles() -> None:
    display = {
        "title": "Robohnya Surau Kami",
        "authors": ["Navis, A.A.", "Hamka", "Rusli, Marah"],
        "place": "Jakarta",
        "publisher": "Gramedia",
        "year": 1986,
    }
    assert citations(display, "id") == [
        ("apa", "Navis, A. A., Hamka, & Rusli, M. (1986). Robohnya Surau Kami. Gramedia."),
        ("mla", "Navis, A.A., dkk. Robohnya Surau Kami. Gramedia, 1986."),
        ("chicago", "Navis, A.A., Hamka, dan Marah Rusli. Robohnya Surau Kami. Jakarta: Gramedia, 1986."),
    ]
    assert citations({"title": "Tambo"}, "en")[0][1] == "(n.d.). Tambo."


@pytest.mark.parametrize(
    ("text", "right_to_left"), [("Surau", False), ("إحياء", True), ("123 كتاب", True), ("", False), ("שלום a", True)]
)
def test_the_direction_follows_the_first_strong_letter(text: str, right_to_left: bool) -> None:
    assert is_right_to_left(text) is right_to_left


def test_a_link_with_another_scheme_is_left_out_of_the_rows() -> None:
    display = {"links": [{"url": "JavaScript:alert(1)", "label": "x"}, {"url": "https://a.example", "label": "y"}]}
    assert [line["text"] for line in online_links(display, wording("id"))] == ["y"]


def test_a_link_without_a_text_names_its_host_and_the_address_itself_is_below(http: httpx.Client) -> None:
    url = f"https://www.perpustakaan.example/{'x' * 80}/halaman-12/"
    (line,) = online_links({"links": [{"url": url}]}, wording("id"))
    assert (line["text"], line["href"]) == ("Buka di perpustakaan.example", url)
    (long_host,) = online_links({"links": [{"url": f"https://{'sub.' * 30}example/a"}]}, wording("en"))
    assert len(long_host["text"]) == len("Open at ") + 48
    others = http.get(RECORD).text.partition('<details class="takeaway">')[2]
    assert "https://contoh.example/buku" in others
    assert "javascript:" not in others


def test_reasons_addresses_marc_and_downloads_are_folded_at_the_end(http: httpx.Client) -> None:
    html = http.get(RECORD).text
    visible, _, folded = html.partition('<details class="takeaway">')
    for text in ("Subjek yang sama: Fiksi Indonesia", f"{RECORD}/marc", "Dublin Core"):
        assert text not in visible
        assert text in folded


def test_a_record_of_reference_items_says_so_at_the_top(http: httpx.Client) -> None:
    for language, texts in (
        ("id", ("Baca di tempat", "tidak dipinjamkan")),
        ("en", ("Read here only", "not for loan")),
    ):
        head = http.get(f"/records/{JAWI.id}?lang={language}").text.partition("<header>")[2].partition("</header>")[0]
        assert all(text in head for text in texts)
    head = http.get(f"{RECORD}?lang=id").text.partition("<header>")[2].partition("</header>")[0]
    assert "Dapat dipinjam" in head
    assert "tidak dipinjamkan" not in head


def test_other_books_of_the_author_are_listed_once(http: httpx.Client, catalog: FakeCatalog) -> None:
    html = http.get(f"/records/{BOOKS[3].id}").text
    section = html.partition('id="more-by"')[2].partition("</section>")[0]
    assert f"/records/{BOOKS[8].id}" in links(section)
    assert f"/records/{BOOKS[3].id}" not in links(section)
    assert "/search?author=Hamka" in links(section)
    similar = html.partition('id="similar"')[2].partition("</section>")[0]
    assert f"/records/{BOOKS[8].id}" not in links(similar)
    catalog.failing = {"SearchRequest"}
    assert BOOKS[3].title in http.get(f"/records/{BOOKS[3].id}").text


def test_share_and_cite_work_without_javascript(http: httpx.Client) -> None:
    acts = http.get(RECORD).text.partition('<div class="acts">')[2].partition("</header>")[0]
    permalink = f"{str(http.base_url).rstrip('/')}{RECORD}"
    assert f">{permalink}</p>" in acts
    assert any(link.startswith("https://wa.me/?text=Siti") for link in links(acts))
    assert f"{RECORD}.ris" in links(acts)


def test_online_access_is_shown_with_the_holdings(http: httpx.Client) -> None:
    section = http.get(RECORD).text.partition('id="where"')[2].partition("</section>")[0]
    assert "https://contoh.example/buku" in links(section)


def test_no_row_repeats_another() -> None:
    display = {
        "audience": "general",
        "notes": [{"label": {"id": "Untuk pembaca"}, "text": "Umum."}, {"text": "Memuat indeks."}],
        "parallel": [{"field": "title", "text": "کابا"}, {"field": "author", "text": "نوراني"}],
    }
    for language, audience in (("id", "Umum"), ("en", "General")):
        texts = [[line["text"] for line in lines] for _, lines in rows(display, wording(language))]
        assert texts == [["نوراني"], [audience], ["Memuat indeks."]]


def test_invisible_characters_are_left_out() -> None:
    assert [lines[0]["text"] for _, lines in rows({"edition": "\x98Die\x9c dritte"}, wording("id"))] == ["Die dritte"]


def test_of_many_lines_ten_are_shown_and_the_others_are_folded(http: httpx.Client) -> None:
    visible, _, folded = http.get(f"/records/{BOOKS[12].id}").text.partition("4 lagi")
    assert ("Bab 10<" in visible, "Bab 11<" in visible) == (True, False)
    assert ("Bab 11<" in folded, "Bab 14<" in folded) == (True, True)


def test_books_without_items_have_no_shelf(http: httpx.Client) -> None:
    html = http.get(f"/records/{BOOKS[10].id}").text
    assert "Belum ada eksemplar." in html
    assert 'class="standing"' not in html
