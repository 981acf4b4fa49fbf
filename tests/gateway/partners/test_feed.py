"""Any search as a feed: valid Atom, and RSS 2.0 with the same entries; read with feedparser."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from html import escape
from urllib.parse import parse_qs, urlsplit

import feedparser
import httpx
import pytest
from lxml import etree
from lxml import html as parser

from tests.corpus import schemas
from tests.fakes.books import BOOKS, SCRIPT
from tests.fakes.catalog import FakeCatalog

HITS_A_PAGE = 30


@pytest.mark.parametrize("query", ["", "q=surau", "q=tidak+ada+sama+sekali", "q=judul", "language=eng&by_work=true"])
def test_every_search_is_a_valid_feed(http: httpx.Client, query: str) -> None:
    response = http.get(f"/search.atom?{query}")
    assert response.headers["content-type"] == "application/atom+xml"
    assert schemas.faults("atom", etree.fromstring(response.content)) == []
    feed = feedparser.parse(response.content)
    assert not feed.bozo
    page = http.get(f"/api/v1/search?limit={HITS_A_PAGE}&{query}").json()
    assert [entry.id for entry in feed.entries] == [f"urn:uuid:{hit['id']}" for hit in page["hits"]]
    assert feed.feed.opensearch_totalresults == str(page["total"])


def test_an_entry_has_the_title_and_author_of_its_hit_and_links_to_its_page(http: httpx.Client) -> None:
    (entry,) = feedparser.parse(http.get("/search.atom?q=surau+navis").content).entries
    assert (entry.title, entry.author) == (BOOKS[0].title, BOOKS[0].author)
    assert entry.link == str(http.base_url.join(f"/records/{BOOKS[0].id}"))
    assert http.get(entry.link).status_code == 200
    # The time in the record's id: when it was imported.
    assert entry.published == entry.updated == "2024-11-03T20:08:07Z"


def test_hostile_titles_are_text(http: httpx.Client) -> None:
    (entry,) = feedparser.parse(http.get("/search.atom?q=judul").content, sanitize_html=False).entries
    assert SCRIPT in entry.title
    (item,) = feedparser.parse(http.get("/search.rss?q=judul").content, sanitize_html=False).entries
    assert SCRIPT in item.title
    assert "<" in entry.summary
    assert item.summary == escape(entry.summary, quote=False)  # a text for readers that show HTML


def test_the_next_links_lead_to_every_hit_once(http: httpx.Client) -> None:
    ids: list[str] = []
    address: str | None = "/search.atom?limit=5&sort=title"
    while address:
        feed = feedparser.parse(http.get(address).content)
        ids += [entry.id for entry in feed.entries]
        next_links = [link.href for link in feed.feed.links if link.rel == "next"]
        address = f"{next_links[0]}&limit=5" if next_links else None
    assert sorted(ids) == sorted(f"urn:uuid:{book.id}" for book in BOOKS)


def test_a_feed_requests_no_facets_and_links_to_the_page_of_its_search(
    http: httpx.Client, catalog: FakeCatalog
) -> None:
    feed = feedparser.parse(http.get("/search.atom?q=surau&facets=year&author=Navis,+A.A.&x=1").content)
    assert list(catalog.request.facets) == []
    assert [(selection.facet, list(selection.values)) for selection in catalog.request.filters] == [
        ("author", ["Navis, A.A."])
    ]
    page = next(link.href for link in feed.feed.links if link.rel == "alternate")
    assert urlsplit(page).path == "/search"
    assert parse_qs(urlsplit(page).query) == {"q": ["surau"], "author": ["Navis, A.A."]}


def test_the_feed_of_everything_says_which_records_were_deleted(http: httpx.Client, catalog: FakeCatalog) -> None:
    catalog.deleted = [BOOKS[1].id]
    for query, count in (("", 1), ("q=surau", 0), ("language=eng", 0)):
        feed = etree.fromstring(http.get(f"/search.atom?{query}").content)
        assert schemas.faults("atom", feed) == []
        entries = feed.findall("{http://purl.org/atompub/tombstones/1.0}deleted-entry")
        assert [entry.get("ref") for entry in entries] == [f"urn:uuid:{BOOKS[1].id}"] * count
        assert all(entry.get("when", "").endswith("Z") for entry in entries)


@pytest.mark.parametrize("query", ["", "q=surau", "q=tidak+ada+sama+sekali", "q=judul", "language=eng&by_work=true"])
def test_every_search_is_rss_with_the_entries_of_its_atom_feed(http: httpx.Client, query: str) -> None:
    response = http.get(f"/search.rss?{query}")
    assert response.headers["content-type"] == "application/rss+xml"
    rss, atom = feedparser.parse(response.content), feedparser.parse(http.get(f"/search.atom?{query}").content)
    assert not rss.bozo
    assert rss.version == "rss20"
    assert [(entry.id, entry.title, entry.link, entry.published_parsed) for entry in rss.entries] == [
        (entry.id, entry.title, entry.link, entry.published_parsed) for entry in atom.entries
    ]
    assert [entry.get("author") for entry in rss.entries] == [entry.get("author") for entry in atom.entries]
    assert rss.feed.link == next(link.href for link in atom.feed.links if link.rel == "alternate")
    assert rss.feed.opensearch_totalresults == atom.feed.opensearch_totalresults


def test_rss_has_the_elements_that_its_specification_requires(http: httpx.Client) -> None:
    address = "/search.rss?q=surau&limit=1"
    root = etree.fromstring(http.get(address).content)
    (channel,) = root
    assert (root.tag, root.get("version"), channel.tag) == ("rss", "2.0", "channel")
    for name in ("title", "link", "description", "language", "lastBuildDate"):
        assert len(channel.findall(name)) == 1, name
    parsedate_to_datetime(channel.findtext("lastBuildDate"))
    links = {link.get("rel"): link.get("href") for link in channel.findall("{http://www.w3.org/2005/Atom}link")}
    assert links["self"] == str(http.base_url.join("/search.rss?q=surau"))
    assert http.get(links["next"]).headers["content-type"] == "application/rss+xml"
    for item in channel.findall("item"):
        assert item.find("guid").get("isPermaLink") == "false"
        assert http.get(item.findtext("link")).status_code == 200
        parsedate_to_datetime(item.findtext("pubDate"))


def test_browsers_find_both_feeds_on_the_page_of_a_search(http: httpx.Client) -> None:
    page = parser.fromstring(http.get("/search?q=surau", headers={"Accept": "text/html"}).content)
    links = {link.get("type"): link.get("href") for link in page.xpath("//link[@rel='alternate'][@type]")}
    for media_type in ("application/atom+xml", "application/rss+xml"):
        assert http.get(links[media_type]).headers["content-type"] == media_type


def test_an_unchanged_feed_is_not_sent_again(http: httpx.Client) -> None:
    tag = http.get("/search.atom").headers["etag"]
    assert http.get("/search.atom", headers={"If-None-Match": tag}).status_code == 304


def test_a_wrong_cursor_is_refused(http: httpx.Client) -> None:
    assert http.get("/search.atom?cursor=x", headers={"Accept": "application/atom+xml"}).status_code == 400
