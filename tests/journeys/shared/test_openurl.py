"""Resolvers of other systems send readers here with an OpenURL; COinS of the pages lead back to their records."""

from __future__ import annotations

import html
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest

from gateway.partners.coins import title_of
from tests.journeys.library import Library

PAGES_AT_ONCE = 8


def resolve(library: Library, query: str) -> str:
    """The path, or the query of the search, to which an OpenURL leads."""
    response = library.get(f"/openurl?{query}")
    assert response.status_code == 303, response.text
    return place_of(response)


def place_of(response: httpx.Response) -> str:
    location = urlsplit(response.headers["location"])
    return location.path if location.path != "/search" else f"q={parse_qs(location.query)['q'][0]}"


@pytest.fixture(scope="module")
def hits(library: Library) -> list[dict[str, Any]]:
    """Every record of the library."""
    hits: list[dict[str, Any]] = []
    total = library.search()["total"]
    while len(hits) < total:
        body = {"tree": {"field": "all_records", "term": "1"}, "sort": "title", "limit": 100, "offset": len(hits)}
        page = httpx.post(f"{library.address}/api/v1/search", json=body, timeout=30, verify=False).json()["hits"]
        assert page
        hits += page
    return hits


def test_the_coins_of_a_page_lead_back_to_it(library: Library) -> None:
    for hit in library.search("navis")["hits"][:5]:
        page = library.page(f"/records/{hit['id']}")
        (coins,) = re.findall(r'<span class="Z3988" title="([^"]*)"', page)
        assert resolve(library, html.unescape(coins)) == f"/records/{hit['id']}"


@pytest.mark.parametrize("title", ["???", "—", "!"])
def test_a_title_without_letters_leads_to_a_search(library: Library, title: str) -> None:
    assert resolve(library, urlencode({"rft.btitle": title})) == f"q={title}"


def test_the_coins_of_every_record_lead_back_to_it(library: Library, hits: list[dict[str, Any]]) -> None:
    """Also without the address of the page, unless other records have the same number, title and year."""
    assert len(hits) > 800

    limit = httpx.Limits(max_connections=PAGES_AT_ONCE)
    with (
        httpx.Client(base_url=library.address, timeout=60, limits=limit, verify=False) as client,
        ThreadPoolExecutor(PAGES_AT_ONCE) as threads,
    ):

        def of(hit: dict[str, Any], *, with_id: bool) -> str:
            coins = title_of(hit["record"], address=f"{library.address}/records/{hit['id']}")
            pairs = [pair for pair in parse_qsl(coins) if with_id or pair[0] != "rft_id"]
            return place_of(client.get(f"/openurl?{urlencode(pairs)}"))

        by_id = list(threads.map(partial(of, with_id=True), hits))
        by_description = list(threads.map(partial(of, with_id=False), hits[::4]))
    assert by_id == [f"/records/{hit['id']}" for hit in hits]
    isbns = Counter(hit["record"].get("isbn") for hit in hits)
    titles = Counter(tuple(hit["record"].get(name) for name in ("title", "subtitle", "year")) for hit in hits)
    for hit, place in zip(hits[::4], by_description, strict=True):
        record = hit["record"]
        # A record with a number is found by it; others may have its title and year.
        named = isbns[record.get("isbn", "")] == 1
        if named or titles[record["title"], record.get("subtitle"), record.get("year")] == 1:
            assert place == f"/records/{hit['id']}", hit["record"]
        else:
            assert place.startswith(("/records/", "q=")), place


ROBOHNYA = "979-403-046-5"


@pytest.mark.parametrize(
    "query",
    [
        f"ctx_ver=Z39.88-2004&rft_val_fmt=info:ofi/fmt:kev:mtx:book&rft.isbn={ROBOHNYA}",
        f"ctx_ver=Z39.88-2004&rft_id=urn:ISBN:{ROBOHNYA}",
        "url_ver=Z39.88-2004&rft_id=urn%3AISBN%3A9789794030462&rft.btitle=Judul+lain",
        f"isbn={ROBOHNYA}",
        "genre=book&isbn=9794030465&title=Robohnya+surau+kami&aulast=Navis",
    ],
)
def test_an_isbn_finds_its_record(library: Library, query: str) -> None:
    (record_id,) = {hit["id"] for hit in library.search(f"isbn:{ROBOHNYA}")["hits"]}
    assert resolve(library, query) == f"/records/{record_id}"


def test_a_title_and_an_author_find_their_record(library: Library, hits: list[dict[str, Any]]) -> None:
    titles = [hit["record"]["title"] for hit in hits]
    hit = next(hit for hit in hits if titles.count(hit["record"]["title"]) == 1 and hit["record"]["authors"])
    title, author = hit["record"]["title"], hit["record"]["authors"][0].partition(",")[0]
    for names in (("rft.btitle", "rft.aulast"), ("rft.title", "rft.au"), ("title", "aulast")):
        query = urlencode(dict(zip(names, (title, author), strict=True)))
        assert resolve(library, f"{query}&rft.date={hit['record'].get('year', '')}") == f"/records/{hit['id']}"


def test_several_records_are_a_search_that_has_them(library: Library) -> None:
    place = resolve(library, "rft.au=Navis&rft.title=surau&rft.date=0000")
    total = library.search("title:surau author:navis")["total"]
    assert (place.startswith("/records/")) == (total == 1)
    place = resolve(library, "rft.title=sejarah")
    assert place == "q=sejarah"
    assert library.search("sejarah")["total"] > 1


@pytest.mark.parametrize("language", ["id", "en"])
def test_none_is_a_page_that_says_so_with_the_search_box_filled_in(library: Library, language: str) -> None:
    response = library.get("/openurl?rft.isbn=9786020331607&rft.btitle=Zzyzx+qwrt&rft.aulast=Xkcd")
    page = library.page(response.headers["location"], language=language)
    assert 'value="Zzyzx qwrt Xkcd"' in page
    assert {"id": "Tidak ada", "en": "No "}[language] in page
    assert resolve(library, "rft.isbn=9786020331607") == "q=isbn:9786020331607"


@pytest.mark.parametrize("query", ["", "rft.genre=book", "rft_id=http://example.org/records/1", "isbn=&title="])
def test_an_openurl_that_describes_nothing_is_refused(library: Library, query: str) -> None:
    response = library.get(f"/openurl?{query}", headers={"Accept": "application/json"})
    assert (response.status_code, response.json()["reason"]) == (400, "OPENURL_EMPTY")
    page = library.get(f"/openurl?{query}", headers={"Accept": "text/html"})
    assert page.status_code == 400
    assert 'action="/search"' in page.text


@pytest.mark.parametrize("value", ["*", "?", "^", "\\", "!!!", "a*b?c^d\\", "x " * 5_000, "\x00", "%FF", "“”"])
def test_a_hostile_title_is_searched_or_refused(library: Library, value: str) -> None:
    response = library.get(f"/openurl?{urlencode({'rft.btitle': value})}")
    assert response.status_code in (303, 400, 414), response.text
