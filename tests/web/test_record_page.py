"""The record page: what is known, in every script; where it is; what stands beside it; what can be taken away."""

from __future__ import annotations

import json
import re

import httpx
import pytest

from gateway.web.citing import citations
from gateway.web.record_rows import is_right_to_left, online_links, rows
from gateway.web.texts import wording
from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.web.places import BOOK, HOSTILE, JAWI, RECORD
from tests.web.test_pages import Outline, links


def test_a_title_in_another_script_runs_its_own_way(http: httpx.Client) -> None:
    html = http.get(f"/records/{JAWI.id}").text
    assert '<p class="parallel" lang="ms-Arab" dir="rtl">کابا چيندوا ماتو</p>' in html


def test_roles_relations_and_rows_of_their_own_are_shown_and_lead_on(http: httpx.Client) -> None:
    html = http.get(f"/records/{JAWI.id}").text
    for said in ("penulis:", "Terjemahan dari:", "Skala", "1:50.000", "Bagian dua", "Memuat indeks."):
        assert said in html
    assert "/search?q=title%3Atambo" in links(html)
    assert "/golongan/39" in links(html)


def test_each_piece_says_its_volume_its_place_and_whether_it_can_be_had(http: httpx.Client) -> None:
    html = http.get(RECORD).text
    for said in ("Jilid 2", "c.1", "Lantai 2", "KS0000021", "Sirkulasi"):
        assert said in html


def test_neighbours_on_the_shelf_are_left_and_right_of_it(http: httpx.Client) -> None:
    html = http.get(RECORD).text
    standing = html[html.index('<ol class="standing">') :]
    standing = standing[: standing.index("</ol>")]
    assert standing.index("Robohnya Surau Kami") < standing.index("di sini") < standing.index("The Tigers")
    walk = http.get(f"{RECORD}/shelf").text
    assert any(link.endswith("/shelf?branch=KOTASOLOK%2FPUSAT") for link in links(walk))


def test_similar_titles_say_why(http: httpx.Client) -> None:
    assert "Subjek yang sama: Fiksi Indonesia" in http.get(RECORD).text


def test_what_cannot_be_had_now_is_left_out_and_the_record_is_shown(http: httpx.Client, catalog: FakeCatalog) -> None:
    catalog.failing = {"ListNeighboursRequest", "ListSimilarRequest", "GetFormRequest"}
    html = http.get(RECORD).text
    assert BOOK.title in html
    assert 'class="standing"' not in html
    assert '<script type="application/ld+json">' not in html


def test_a_permanent_link_a_card_and_the_linked_data_are_in_the_page(http: httpx.Client) -> None:
    html = http.get(f"{RECORD}?hit=3&lang=id", headers={"Referer": str(http.base_url)}).text
    outline = Outline(html)
    permalink = f"{str(http.base_url).rstrip('/')}{RECORD}"
    assert [link["href"] for link in outline.all("link") if link.get("rel") == "canonical"] == [permalink]
    card = {str(meta["property"]): meta["content"] for meta in outline.all("meta") if "property" in meta}
    assert (card["og:title"], card["og:url"], card["og:type"]) == (BOOK.title, permalink, "book")
    assert "hit=3" not in html
    data = re.search(r'<script type="application/ld\+json">(.*?)</script>', html)
    assert data is not None
    assert BOOK.title in json.dumps(json.loads(data.group(1)))


def test_linked_data_never_ends_its_script(http: httpx.Client) -> None:
    html = http.get(f"/records/{HOSTILE.id}").text
    data = re.search(r'<script type="application/ld\+json">(.*?)</script>', html)
    assert data is not None
    assert "<" not in data.group(1)
    assert "alert(" in json.dumps(json.loads(data.group(1)))


def test_the_marc_view_shows_every_field_with_its_indicators(http: httpx.Client) -> None:
    html = http.get(f"{RECORD}/marc").text
    for said in ("LDR", "245", "Indikator", "$a", BOOK.title):
        assert said in html
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
    ("text", "left"), [("Surau", False), ("إحياء", True), ("123 كتاب", True), ("", False), ("שלום a", True)]
)
def test_a_script_is_known_by_its_first_strong_letter(text: str, left: bool) -> None:
    assert is_right_to_left(text) is left


def test_a_link_with_another_scheme_is_no_link_and_no_line() -> None:
    display = {"links": [{"url": "JavaScript:alert(1)", "label": "x"}, {"url": "https://a.example", "label": "y"}]}
    assert [line["text"] for line in online_links(display, wording("id"))] == ["y"]


def test_a_long_address_is_read_without_its_middle_and_leads_to_the_whole() -> None:
    url = f"https://perpustakaan.example/{'x' * 80}/halaman-12/"
    (line,) = online_links({"links": [{"url": url}]}, wording("id"))
    assert (len(line["text"]), line["href"]) == (64, url)
    assert line["text"].startswith("perpustakaan.example/x")
    assert line["text"].endswith("…xxxx/halaman-12")


def test_what_is_read_online_is_said_where_the_title_is(http: httpx.Client) -> None:
    where = http.get(RECORD).text.partition('id="where"')[2].partition("</section>")[0]
    assert "https://contoh.example/buku" in links(where)


def test_nothing_is_said_twice() -> None:
    display = {
        "audience": "general",
        "notes": [{"label": {"id": "Untuk pembaca"}, "text": "Umum."}, {"text": "Memuat indeks."}],
        "parallel": [{"field": "title", "text": "کابا"}, {"field": "author", "text": "نوراني"}],
    }
    for language, audience in (("id", "Umum"), ("en", "General")):
        said = [[line["text"] for line in lines] for _, lines in rows(display, wording(language))]
        assert said == [["نوراني"], [audience], ["Memuat indeks."]]


def test_marks_that_nobody_sees_are_left_out() -> None:
    assert [lines[0]["text"] for _, lines in rows({"edition": "\x98Die\x9c dritte"}, wording("id"))] == ["Die dritte"]


def test_of_many_lines_ten_are_shown_and_the_others_are_one_touch_away(http: httpx.Client) -> None:
    shown, _, folded = http.get(f"/records/{BOOKS[12].id}").text.partition("4 lagi")
    assert ("Bab 10<" in shown, "Bab 11<" in shown) == (True, False)
    assert ("Bab 11<" in folded, "Bab 14<" in folded) == (True, True)


def test_books_without_items_have_no_shelf(http: httpx.Client) -> None:
    html = http.get(f"/records/{BOOKS[10].id}").text
    assert "Belum ada eksemplar." in html
    assert 'class="standing"' not in html
