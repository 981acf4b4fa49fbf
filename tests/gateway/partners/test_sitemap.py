from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from lxml import etree

from gateway.partners import sitemap
from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_catalog, served_gateway

SPACE = {"s": sitemap.NAMESPACE}
PUBLIC = "https://katalog.solok.example"


@pytest.fixture(scope="module")
def public_client() -> Iterator[httpx.Client]:
    """A gateway with a public address; the numbers of its records fill two pages and a part of a third."""
    page = sitemap.NUMBERS_A_PAGE
    numbers = (1, 2, page, page + 1, 2 * page + 5)
    books = tuple(replace(BOOKS[0], number=number) for number in numbers)
    with (
        served_catalog(FakeCatalog(books)) as url,
        served_gateway(url, public_url=PUBLIC) as address,
        httpx.Client(base_url=address, verify=False) as client,
    ):
        yield client


def texts_at(response: httpx.Response, path: str) -> list[str]:
    assert response.headers["content-type"] == "application/xml"
    return [str(node) for node in etree.fromstring(response.content).xpath(path, namespaces=SPACE)]


def test_the_index_names_a_page_for_each_range_of_numbers(public_client: httpx.Client) -> None:
    pages = texts_at(public_client.get("/sitemap.xml"), "/s:sitemapindex/s:sitemap/s:loc/text()")
    assert pages == [f"{PUBLIC}/sitemap/{page}.xml" for page in ("branches", 1, 2, 3)]


def test_a_page_names_the_page_of_every_branch(public_client: httpx.Client) -> None:
    locations = texts_at(public_client.get("/sitemap/branches.xml"), "/s:urlset/s:url/s:loc/text()")
    assert locations[0] == f"{PUBLIC}/branches"
    assert f"{PUBLIC}/branches/KOTASOLOK/PUSAT" in locations
    assert len(set(locations)) == len(locations) > 2
    assert all(public_client.get(location.removeprefix(PUBLIC)).status_code == 200 for location in locations)


def test_the_pages_name_every_record_once_with_its_last_change(public_client: httpx.Client) -> None:
    sizes, locations = [], []
    for page in (1, 2, 3):
        response = public_client.get(f"/sitemap/{page}.xml")
        page_locations = texts_at(response, "/s:urlset/s:url/s:loc/text()")
        assert texts_at(response, "//s:lastmod/text()") == ["2026-11-25T01:00:00Z"] * len(page_locations)
        sizes.append(len(page_locations))
        locations += page_locations
    assert sizes == [3, 1, 1]
    assert len(set(locations)) == 5
    assert all(location.startswith(f"{PUBLIC}/records/0192f3a4-") for location in locations)


@pytest.mark.parametrize("page", ["0", "4", "01", "x", "99999", "1e3", "-1", "٣"])
def test_a_page_that_is_not_there_is_a_404(public_client: httpx.Client, page: str) -> None:
    assert public_client.get(f"/sitemap/{page}.xml").status_code == 404


def test_an_empty_catalogue_has_one_empty_sitemap_page() -> None:
    with served_catalog(FakeCatalog(())) as url, served_gateway(url) as address:
        assert texts_at(httpx.get(f"{address}/sitemap.xml", verify=False), "//s:loc/text()") == [
            f"{address}/sitemap/branches.xml",
            f"{address}/sitemap/1.xml",
        ]
        assert texts_at(httpx.get(f"{address}/sitemap/1.xml", verify=False), "//s:loc/text()") == []


def test_robots_txt_names_the_sitemap_and_disallows_searches(public_client: httpx.Client) -> None:
    lines = public_client.get("/robots.txt").text.splitlines()
    assert lines[0] == "User-agent: *"
    assert "Disallow: /search" in lines
    assert f"Sitemap: {PUBLIC}/sitemap.xml" in lines
    assert not any("/records/".startswith(line.partition(": ")[2]) for line in lines if line.startswith("Disallow"))


def test_links_follow_the_request_where_no_public_address_is_set(http: httpx.Client) -> None:
    locations = texts_at(http.get("/sitemap.xml", headers={"Host": "perpustakaan.example"}), "//s:loc/text()")
    assert locations == [f"http://perpustakaan.example/sitemap/{page}.xml" for page in ("branches", 1)]


def test_a_page_is_rendered_once_and_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(FakeCatalog):
        lists = 0

        def ListRecords(self, request: Any, context: Any) -> Any:
            Counting.lists += 1
            return super().ListRecords(request, context)

    with served_catalog(Counting()) as url, served_gateway(url) as address:
        bodies = {httpx.get(f"{address}/sitemap/1.xml", verify=False).content for _ in range(5)}
        assert (len(bodies), Counting.lists) == (1, 1)
        monkeypatch.setattr(sitemap, "KEPT_SECONDS", 0.0)
        other = address.replace("127.0.0.1", "localhost")
        for _ in range(2):
            assert httpx.get(f"{other}/sitemap/1.xml", verify=False).status_code == 200
        assert Counting.lists == 3


def test_a_deleted_record_is_left_out_within_the_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog, pages = FakeCatalog(), sitemap.PageCache()
    monkeypatch.setattr(sitemap, "page_cache", pages)
    with served_catalog(catalog) as url, served_gateway(url) as address:
        page = httpx.get(f"{address}/sitemap/1.xml", verify=False)
        (caches,) = [int(word.partition("=")[2]) for word in page.headers["cache-control"].split() if "=" in word]
        assert sitemap.KEPT_SECONDS + caches <= 3600
        catalog.books = catalog.books[1:]
        for key, (until, body) in pages.pages.items():
            pages.pages[key] = until - sitemap.KEPT_SECONDS, body
        later = httpx.get(f"{address}/sitemap/1.xml", verify=False)
        assert BOOKS[0].id in page.text
        assert BOOKS[0].id not in later.text
        assert BOOKS[1].id in later.text


def test_only_a_few_pages_are_kept() -> None:
    pages = sitemap.PageCache()
    for number in range(20):
        pages.put(str(number), b"x")
    remaining = [number for number in range(20) if pages.get(str(number))]
    assert remaining == list(range(20 - sitemap.MOST_KEPT, 20))
