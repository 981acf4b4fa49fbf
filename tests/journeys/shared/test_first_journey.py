"""From a file of MARC to a reader: import, search, record page, items, MARC export; the same in both editions."""

from __future__ import annotations

import io
import subprocess
import threading
from pathlib import Path
from typing import Any

import pymarc
import pytest
from playwright.sync_api import Browser

from services.catalog.marc.readers import decode, frames
from tests.builders import book
from tests.conditions import eventually
from tests.journeys.library import QUERIES, SORTS, Library

MARC_FORMATS = ("application/marc", "application/marcxml+xml", "application/marc-in-json")
PAUSE_SECONDS = 0.05
MIN_RESULTS = 5


def test_the_cluster_ranks_the_same_queries_in_the_same_order(
    embedded_library: Library, cluster_library: Library
) -> None:
    assert set(embedded_library.results) == {(query, sort) for query in QUERIES for sort in SORTS}
    for key, result in embedded_library.results.items():
        assert cluster_library.results[key] == result, key
    assert sum(map(bool, embedded_library.results.values())) >= len(SORTS) * (len(QUERIES) - 2)


def test_a_book_imported_while_the_library_runs_is_found_by_each_worker(library: Library) -> None:
    title = "Zirkonia di tepi danau"
    summary = library.put([book("1", title, items=[("PST", "Zirkonia1")])], source="ZIRKONIA")
    assert (summary["read"], summary["created"], summary["put_aside"]) == (1, 1, 0)
    # The requests go to the workers in turn.
    for _ in range(4):
        eventually(lambda: library.titles(title)[:1] == [title])


def test_a_hit_has_its_record_page_and_items(library: Library) -> None:
    library.put(
        [book("1", "Turmalin hijau", author="Rusli, Marah", year="1922", items=[("PST", "TM1"), ("TJH", "TM2")])],
        source="HALAMAN",
    )
    record_id = library.only_id("turmalin")
    record = library.api(f"/records/{record_id}")
    assert (record["record"]["title"], record["record"]["authors"], record["record"]["year"]) == (
        "Turmalin hijau",
        ["Rusli, Marah"],
        1922,
    )
    items = library.api(f"/records/{record_id}/items")["hits"]
    assert [(item["branch"], item["barcode"], item["availability"]) for item in items] == [
        ("PKS/PST", "TM1", "can_be_borrowed"),
        ("PKS/TJH", "TM2", "can_be_borrowed"),
    ]
    page = library.page(f"/records/{record_id}")
    assert "Turmalin hijau" in page
    assert "Ruang Baca Tanjung Harapan" in page


def test_marc_is_exported_unchanged_in_three_formats(library: Library, folder: Path) -> None:
    record = book("1", "Spinel merah dari Ngarai Sianok : sebuah kisah", subjects=["Batu mulia", "Bukittinggi"])
    record.fields.append(["880", "10", "6", "245-01/(3/r", "a", "سبينيل أحمر"])
    library.put([record], source="MARC")
    record_id = library.only_id("spinel")
    for media in MARC_FORMATS:
        response = library.get(f"/api/v1/records/{record_id}", headers={"Accept": media})
        assert response.headers["content-type"].startswith(media)
        assert list(_read_by_us(response.content)) == [record.fingerprint()], media
        assert _read_by_pymarc(media, response.content) == record.text("245", "a"), media
        repeated = library.get(
            f"/api/v1/records/{record_id}", headers={"Accept": media, "If-None-Match": response.headers["etag"]}
        )
        assert repeated.status_code == 304
        if media != "application/marc-in-json":
            output = _read_by_yaz("marc" if media == "application/marc" else "marcxml", response.content, folder)
            assert "Spinel merah dari Ngarai Sianok" in output
            assert "سبينيل أحمر" in output


def _read_by_us(content: bytes) -> list[bytes]:
    return [decode(frame).record.fingerprint() for frame in frames(io.BytesIO(content))]


def _read_by_pymarc(media: str, content: bytes) -> str:
    records: list[Any]
    if media == "application/marc":
        records = list(pymarc.MARCReader(content))
    elif media == "application/marcxml+xml":
        records = pymarc.parse_xml_to_array(io.BytesIO(content))
    else:
        records = list(pymarc.JSONReader(content.decode()))
    assert len(records) == 1
    title: str = records[0]["245"]["a"]
    return title


def _read_by_yaz(form: str, content: bytes, folder: Path) -> str:
    path = folder / f"record.{form}"
    path.write_bytes(content)
    result = subprocess.run(
        ["yaz-marcdump", "-i", form, "-o", "line", "-f", "utf-8", "-t", "utf-8", str(path)], capture_output=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.decode()


def test_facets_have_counts_and_their_values_are_alternatives(library: Library) -> None:
    def counts(page: Any, facet: str) -> dict[str, int]:
        return {value["value"]: value["count"] for value in page["facets"][facet]}

    all_books = library.search(facets="language,branch,material")
    languages = counts(all_books, "language")
    assert languages["ind"] > languages["eng"] > 0
    english = library.search(facets="language,branch", language="eng")
    english_or_indonesian = library.search(facets="language,branch", language=["eng", "ind"])
    assert english["total"] == languages["eng"]
    assert english_or_indonesian["total"] == languages["eng"] + languages["ind"]
    assert counts(english, "language") == languages
    assert {value["value"] for value in english_or_indonesian["facets"]["language"] if value["selected"]} == {
        "eng",
        "ind",
    }
    branch, count = next(iter(counts(english, "branch").items()))
    assert library.search(language="eng", branch=branch)["total"] == count
    assert all_books["facets"]["branch"][0]["label"]["id"] == "Perpustakaan Pusat"


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("query", ["", "year:1950-2010"])
def test_pages_repeat_no_record_and_miss_none(library: Library, query: str, sort: str) -> None:
    total = library.search(query)["total"]
    small_pages, large_pages = library.all_ids(query, sort=sort, limit=37), library.all_ids(query, sort=sort, limit=100)
    assert len(small_pages) == len(set(small_pages)) == total
    assert small_pages == large_pages


def test_sorting_is_by_year_and_by_title(library: Library) -> None:
    years = [hit["record"]["year"] for hit in library.search("indonesia", sort="year", limit=100)["hits"]]
    assert years == sorted(years, reverse=True)
    earliest = [hit["record"]["year"] for hit in library.search("indonesia", sort="year_asc", limit=100)["hits"]]
    assert earliest == sorted(earliest)


def test_a_misspelt_word_gets_a_suggested_spelling(library: Library) -> None:
    page = library.search("minangkabu")
    assert page["did_you_mean"] == "minangkabau"
    assert "minangkabau" in library.page("/search?q=minangkabu")


def test_a_prefix_gets_suggestions(library: Library) -> None:
    page = library.api("/suggest", q="sitti nur")
    assert any(hit["text"].lower().startswith("sitti nurbaya") for hit in page["hits"])


def test_a_script_in_a_title_is_text_everywhere(library: Library) -> None:
    title = "<script>alert('obsidian')</script> & \"obsidian\" <b>hitam</b>"
    library.put([book("1", title, subjects=["<script>alert(2)</script>"], items=[("PST", "OB1")])], source="SKRIP")
    record_id = library.only_id("obsidian")
    for path in ("/search?q=obsidian", f"/records/{record_id}", "/search?q=<script>alert(3)</script>", "/"):
        page = library.page(path)
        assert "<script>alert" not in page, path
        assert "<b>hitam" not in page, path
    assert "&lt;script&gt;alert(" in library.page(f"/records/{record_id}")
    assert library.titles("obsidian") == [title]
    assert library.api("/suggest", q="<script>al")["hits"][0]["text"] in (title, "<script>alert(2)</script>")
    xml = library.get(f"/api/v1/records/{record_id}", headers={"Accept": "application/marcxml+xml"})
    assert b"<script>" not in xml.content
    assert _read_by_pymarc("application/marcxml+xml", xml.content) == title


def test_an_isbn_in_any_form_finds_its_book(library: Library) -> None:
    library.put([book("1", "Peridot dan keluarganya", isbn="0-306-40615-2 (jil.)")], source="ISBN")
    library.only_id("peridot")
    for isbn in ("9780306406157", "978-0-306-40615-7", "0306406152", "0-306-40615-2", "isbn:0306406152"):
        assert library.titles(isbn) == ["Peridot dan keluarganya"], isbn


def test_the_pages_are_in_indonesian_and_english(library: Library) -> None:
    record = library.search("sitti nurbaya")["hits"][0]["id"]
    for path in ("/", "/search?q=sitti+nurbaya", f"/records/{record}"):
        indonesian, english = library.page(path), library.page(path, language="en")
        assert '<html lang="id"' in indonesian
        assert '<html lang="en"' in english
    assert "Dapat dipinjam" in library.page(f"/records/{record}")
    assert "Availability" in library.page(f"/records/{record}", language="en")
    refusal = library.get("/api/v1/records/none", headers={"Accept-Language": "en"}).json()
    assert (refusal["status"], refusal["reason"]) == (404, "RECORD_NOT_FOUND")


def test_a_changed_record_is_found_by_its_new_words_and_not_by_its_old_ones(library: Library) -> None:
    library.put([book("1", "Kalsedon kuartalan"), book("2", "Kalsedon tetap")], source="UBAH")
    record_id = library.only_id("kuartalan")
    summary = library.put([book("1", "Kalsedon triwulanan"), book("2", "Kalsedon tetap")], source="UBAH")
    assert (summary["created"], summary["updated"], summary["unchanged"]) == (0, 1, 1)
    assert library.only_id("triwulanan") == record_id
    eventually(lambda: library.titles("title:kuartalan") == [])
    assert library.api(f"/records/{record_id}")["version"] == 2
    assert "Kalsedon triwulanan" in library.page(f"/records/{record_id}")


def test_searches_do_not_change_while_the_index_is_rebuilt(library: Library) -> None:
    # Engines count documents that were replaced until they merge their segments, so updates move scores a little.
    library.command("index", "rebuild")
    expected = _result(library)
    results: list[object] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.wait(PAUSE_SECONDS):
            results.append(_result(library))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        written = library.command("index", "rebuild")["written"]
    finally:
        eventually(lambda: len(results) >= MIN_RESULTS)
        stop.set()
        for reader in readers:
            reader.join()
    assert written == library.search()["total"]
    assert [result for result in results if result != expected] == []


def _result(library: Library) -> object:
    """The result of a search, or the text of its error."""
    response = library.get("/api/v1/search", q="sejarah", facets="language", limit=50)
    if response.status_code != 200:
        return response.text
    page = response.json()
    return page["total"], [hit["id"] for hit in page["hits"]], page["facets"]


def test_doctor_finds_every_part_healthy(library: Library) -> None:
    report = library.command("doctor", code=None)
    # Another test may have added staff already, none of them an administrator.
    unwell = {finding["part"] for finding in report["findings"] if not finding["ok"]}
    assert unwell <= {"members administrators"}, report
    assert report["well"] == (not unwell)


def test_a_reader_searches_and_opens_a_record_in_a_browser(library: Library, browser: Browser) -> None:
    page = browser.new_page(base_url=library.address, locale="id-ID")
    page.goto("/")
    page.fill("#q", "sitti nurbaya")
    page.press("#q", "Enter")
    page.wait_for_url("**/search?q=sitti+nurbaya")
    page.locator(".hit a").first.click()
    page.wait_for_url("**/records/**")
    assert "Sitti Nurbaya" in page.locator("h1").inner_text()
    assert page.locator(".branches > li").count() >= 1
