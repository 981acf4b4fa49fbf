"""Any search as a feed, by the rules of Atom and by a foreign reader."""

from __future__ import annotations

import feedparser
import httpx
import pytest
from lxml import etree

from tests.corpus import schemas
from tests.fakes.books import BOOKS, SCRIPT
from tests.fakes.catalog import FakeCatalog

HITS_A_PAGE = 30


@pytest.mark.parametrize("query", ["", "q=surau", "q=tidak+ada+sama+sekali", "q=judul", "language=eng&by_work=true"])
def test_every_search_is_a_valid_feed(http: httpx.Client, query: str) -> None:
    answer = http.get(f"/search.atom?{query}")
    assert answer.headers["content-type"] == "application/atom+xml"
    assert schemas.faults("atom", etree.fromstring(answer.content)) == []
    read = feedparser.parse(answer.content)
    assert not read.bozo
    there = http.get(f"/api/v1/search?limit={HITS_A_PAGE}&{query}").json()
    assert [entry.id for entry in read.entries] == [f"urn:uuid:{hit['id']}" for hit in there["hits"]]
    assert read.feed.opensearch_totalresults == str(there["total"])


def test_an_entry_says_what_a_hit_says_and_leads_to_its_page(http: httpx.Client) -> None:
    (entry,) = feedparser.parse(http.get("/search.atom?q=surau+navis").content).entries
    assert (entry.title, entry.author) == (BOOKS[0].title, BOOKS[0].author)
    assert entry.link == str(http.base_url.join(f"/records/{BOOKS[0].id}"))
    assert http.get(entry.link).status_code == 200
    # The moment within the record's id: when it came in.
    assert entry.published == entry.updated == "2024-11-03T20:08:07Z"


def test_hostile_titles_are_text(http: httpx.Client) -> None:
    (entry,) = feedparser.parse(http.get("/search.atom?q=judul").content, sanitize_html=False).entries
    assert SCRIPT in entry.title


def test_following_next_meets_every_hit_once(http: httpx.Client) -> None:
    seen: list[str] = []
    address: str | None = "/search.atom?limit=5&sort=title"
    while address:
        read = feedparser.parse(http.get(address).content)
        seen += [entry.id for entry in read.entries]
        following = [link.href for link in read.feed.links if link.rel == "next"]
        address = f"{following[0]}&limit=5" if following else None
    assert sorted(seen) == sorted(f"urn:uuid:{book.id}" for book in BOOKS)


def test_a_feed_asks_for_no_facets_and_names_the_page_of_its_search(http: httpx.Client, catalog: FakeCatalog) -> None:
    read = feedparser.parse(http.get("/search.atom?q=surau&facets=year&author=Navis,+A.A.&x=1").content)
    assert list(catalog.asked.facets) == []
    assert [(each.facet, list(each.values)) for each in catalog.asked.filters] == [("author", ["Navis, A.A."])]
    html = next(link.href for link in read.feed.links if link.rel == "alternate")
    assert html.endswith("/search?q=surau&author=Navis%2C+A.A.")


def test_a_feed_that_is_still_true_is_not_sent_again(http: httpx.Client) -> None:
    tag = http.get("/search.atom").headers["etag"]
    assert http.get("/search.atom", headers={"If-None-Match": tag}).status_code == 304


def test_a_wrong_cursor_is_refused(http: httpx.Client) -> None:
    assert http.get("/search.atom?cursor=x", headers={"Accept": "application/atom+xml"}).status_code == 400
