from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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
def far() -> Iterator[httpx.Client]:
    """A gateway with a public address, before records whose numbers fill two pages and a third one partly."""
    page = sitemap.NUMBERS_A_PAGE
    numbers = (1, 2, page, page + 1, 2 * page + 5)
    books = tuple(replace(BOOKS[0], number=number) for number in numbers)
    with (
        served_catalog(FakeCatalog(books)) as url,
        served_gateway(url, public_url=PUBLIC) as address,
        httpx.Client(base_url=address) as client,
    ):
        yield client


def found(answer: httpx.Response, path: str) -> list[str]:
    assert answer.headers["content-type"] == "application/xml"
    return [str(each) for each in etree.fromstring(answer.content).xpath(path, namespaces=SPACE)]


def test_the_index_names_a_page_for_each_range_of_numbers(far: httpx.Client) -> None:
    pages = found(far.get("/sitemap.xml"), "/s:sitemapindex/s:sitemap/s:loc/text()")
    assert pages == [f"{PUBLIC}/sitemap/{page}.xml" for page in (1, 2, 3)]


def test_the_pages_name_every_record_once_with_its_last_change(far: httpx.Client) -> None:
    sizes, seen = [], []
    for page in (1, 2, 3):
        answer = far.get(f"/sitemap/{page}.xml")
        listed = found(answer, "/s:urlset/s:url/s:loc/text()")
        assert found(answer, "//s:lastmod/text()") == ["2026-11-25T01:00:00Z"] * len(listed)
        sizes.append(len(listed))
        seen += listed
    assert sizes == [3, 1, 1]
    assert len(set(seen)) == 5
    assert all(each.startswith(f"{PUBLIC}/records/0192f3a4-") for each in seen)


@pytest.mark.parametrize("page", ["0", "4", "01", "x", "99999", "1e3", "-1", "٣"])
def test_a_page_that_is_not_there_is_a_404(far: httpx.Client, page: str) -> None:
    assert far.get(f"/sitemap/{page}.xml").status_code == 404


def test_an_empty_catalogue_has_one_empty_page() -> None:
    with served_catalog(FakeCatalog(())) as url, served_gateway(url) as address:
        assert found(httpx.get(f"{address}/sitemap.xml"), "//s:loc/text()") == [f"{address}/sitemap/1.xml"]
        assert found(httpx.get(f"{address}/sitemap/1.xml"), "//s:loc/text()") == []


def test_robots_find_the_sitemap_and_stay_out_of_searches(far: httpx.Client) -> None:
    lines = far.get("/robots.txt").text.splitlines()
    assert lines[0] == "User-agent: *"
    assert "Disallow: /search" in lines
    assert f"Sitemap: {PUBLIC}/sitemap.xml" in lines
    assert not any("/records/".startswith(line.partition(": ")[2]) for line in lines if line.startswith("Disallow"))


def test_links_follow_the_request_where_no_public_address_is_set(http: httpx.Client) -> None:
    (first,) = found(http.get("/sitemap.xml", headers={"Host": "perpustakaan.example"}), "//s:loc/text()")
    assert first == "http://perpustakaan.example/sitemap/1.xml"
