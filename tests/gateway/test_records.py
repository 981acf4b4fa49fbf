from __future__ import annotations

import httpx
import pytest

from gateway.formats import FORMATS
from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.shelves import WORK

BOOK = BOOKS[1]
PATH = f"/api/v1/records/{BOOK.id}"


def test_a_record_for_display_has_its_version_and_holdings(http: httpx.Client) -> None:
    record = http.get(PATH).json()
    assert (record["id"], record["version"], record["record"]) == (BOOK.id, 3, BOOK.display())
    assert record["holdings"] == BOOK.holdings()
    assert record["updated_at"].endswith("Z")


@pytest.mark.parametrize(
    ("accept", "media", "begins"),
    [
        ("application/marc", "application/marc", b"00273nam"),
        ("application/marcxml+xml", "application/marcxml+xml", b"<record"),
        ("application/marc-in-json", "application/marc-in-json", b'{"leader"'),
        ("application/dc+xml", "application/dc+xml", b"<?xml"),
        ("application/mods+xml", "application/mods+xml", b"<?xml"),
        ("application/ld+json", "application/ld+json", b'{"@context"'),
        ("application/x-research-info-systems", "application/x-research-info-systems", b"TY  - BOOK"),
        ("application/x-bibtex", "application/x-bibtex", b"@book{"),
        ("text/csv", "text/csv; charset=utf-8; header=present", b"\xef\xbb\xbfid,"),
        ("application/json", "application/json", b'{"id"'),
        ("*/*", "application/json", b'{"id"'),
        ("application/*", "application/json", b'{"id"'),
        ("text/html, application/marc;q=0.5", "application/marc", b"00273nam"),
        ("application/json;q=0.1, application/marcxml+xml;q=0.9", "application/marcxml+xml", b"<record"),
        ("application/marc, */*", "application/marc", b"00273nam"),
        ("application/json;q=0, */*", "application/marc", b"00273nam"),
    ],
)
def test_accept_chooses_the_form_of_a_record(http: httpx.Client, accept: str, media: str, begins: bytes) -> None:
    response = http.get(PATH, headers={"Accept": accept})
    assert response.headers["content-type"] == media
    assert response.content.startswith(begins)
    assert "Accept" in response.headers["vary"]


@pytest.mark.parametrize("ending", sorted(FORMATS))
def test_an_ending_chooses_the_form_of_a_record(http: httpx.Client, ending: str) -> None:
    by_ending = http.get(f"{PATH}.{ending}", headers={"Accept": "image/png"})
    assert by_ending.headers["content-type"].startswith(FORMATS[ending].media_type)
    if ending != "brief":
        by_accept = http.get(PATH, headers={"Accept": FORMATS[ending].media_type})
        assert (by_ending.content, by_ending.headers["etag"]) == (by_accept.content, by_accept.headers["etag"])


def test_the_short_form_is_what_a_list_of_hits_shows(http: httpx.Client) -> None:
    short = http.get(f"{PATH}.brief").json()
    assert set(short) == {"id", "record", "holdings"}
    assert short["record"]["title"] == BOOK.title


def test_forms_link_to_the_page_at_the_requested_address(http: httpx.Client) -> None:
    page = f"{http.base_url}/records/{BOOK.id}".replace("//records", "/records")
    assert http.get(f"{PATH}.jsonld").json()["@id"] == page
    assert f"UR  - {page}\r\n" in http.get(f"{PATH}.ris").text


def test_the_catalogue_gets_the_reader_s_branch(http: httpx.Client, catalog: FakeCatalog) -> None:
    for path in (PATH, f"{PATH}/items", f"{PATH}/neighbours", "/api/v1/search", f"/api/v1/works/{WORK}"):
        assert http.get(path, params={"near": "KOTASOLOK/LAING"}).status_code == 200
        assert catalog.request.branch == "KOTASOLOK/LAING", path


@pytest.mark.parametrize("accept", ["text/html", "image/png, application/pdf", "application/json;q=0"])
def test_an_unknown_form_is_refused_with_the_forms_on_offer(http: httpx.Client, accept: str) -> None:
    response = http.get(PATH, headers={"Accept": accept})
    assert response.status_code == 406
    assert response.json()["reason"] == "MEDIA_TYPE_NOT_OFFERED"
    assert "application/marcxml+xml" in response.json()["facts"]["offered"]


@pytest.mark.parametrize("record_id", ["x", "0192f3a4-5b6c-7d8e-9f01-ffffffffffff", "%00", "..%2f..%2fetc", "a" * 3000])
@pytest.mark.parametrize("tail", ["", "/items"])
def test_a_missing_record_is_a_404_with_a_reason(http: httpx.Client, record_id: str, tail: str) -> None:
    response = http.get(f"/api/v1/records/{record_id}{tail}")
    assert response.status_code == 404
    assert response.json()["reason"] in ("RECORD_NOT_FOUND", "ROUTE_NOT_FOUND")


def test_items_are_listed_with_availability_and_branch(http: httpx.Client) -> None:
    page = http.get(f"{PATH}/items").json()
    assert page["total"] == 3
    assert [item["availability"] for item in page["hits"]] == ["can_be_borrowed", "can_be_borrowed", "read_here_only"]
    assert page["hits"][0]["branch_name"] == {"id": "Perpustakaan Pusat", "en": "Central Library"}


@pytest.mark.parametrize("path", [PATH, f"{PATH}/items", "/api/v1/search?q=surau", "/api/v1/branches", "/", "/search"])
def test_an_unchanged_resource_is_not_sent_again(http: httpx.Client, path: str) -> None:
    response = http.get(path)
    tag = response.headers["etag"]
    assert tag.startswith('"')
    for tags in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        repeated = http.get(path, headers={"If-None-Match": tags})
        assert (repeated.status_code, repeated.content, repeated.headers["etag"]) == (304, b"", tag)
    assert http.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_another_form_or_coding_has_another_tag(http: httpx.Client) -> None:
    headers = [
        {"Accept": "application/json"},
        {"Accept": "application/marc"},
        {"Accept": "application/marcxml+xml"},
    ]
    tags = {http.get(PATH, headers=header).headers["etag"] for header in headers}
    pages = {
        http.get("/search", headers={"Accept-Encoding": coding}).headers["etag"] for coding in ("gzip", "identity")
    }
    assert (len(tags), len(pages)) == (3, 2)


def test_large_responses_are_compressed_on_request(http: httpx.Client) -> None:
    compressed = http.get("/api/v1/search", headers={"Accept-Encoding": "gzip"})
    plain = http.get("/api/v1/search", headers={"Accept-Encoding": "identity"})
    assert compressed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert compressed.json() == plain.json()
    assert "Accept-Encoding" in compressed.headers["vary"]


def test_head_has_the_headers_of_get_without_the_body(http: httpx.Client) -> None:
    for path in (PATH, "/", "/search", "/nope", "/openapi.json"):
        response, head = http.get(path), http.head(path)
        assert head.status_code == response.status_code
        assert head.content == b""
        assert head.headers.get("etag") == response.headers.get("etag")
