"""A partner uses the API with a typed client only: search, shelf, works, lists, classes and forms."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import feedparser
import pytest
import rispy
from lxml import etree

from gateway.app import describe
from tests.builders import book
from tests.conditions import eventually
from tests.journeys.library import Library
from tests.journeys.shared.client import Client, forget, generate


@pytest.fixture(scope="package")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("client")
    generate(describe(), folder)
    yield
    forget(folder)


@pytest.fixture
def client(library: Library, generated: None) -> Client:
    """The client of a running edition."""
    return Client(library.address)


def test_the_library_serves_the_document_from_which_the_client_is_generated(library: Library, client: Client) -> None:
    assert library.get("/openapi.json").content == describe()
    assert {"search", "get_record", "get_record_form", "browse", "get_work"} <= client.operations()


def test_from_a_search_to_the_shelf(client: Client) -> None:
    page = client.search(
        q="navis surau", facets=[client.models.SearchFacetsItem.LANGUAGE], highlight=True, explain=True
    )
    assert page.total >= 1
    hit = page.hits[0]
    assert "surau" in hit.record.title.lower()
    assert hit.reasons[0].weight > 0
    assert page.facets["language"][0].count >= 1
    record = client.get_record(hit.id)
    assert (record.id, record.record.title) == (hit.id, hit.record.title)
    items = client.list_items(hit.id)
    assert items.total == len(items.hits) == sum(holding.items for holding in record.holdings)
    parts = items.hits[0].call_number_parts
    assert parts.class_number in items.hits[0].call_number
    shelf = client.list_neighbours(hit.id, limit=3)
    assert [neighbour.id for neighbour in shelf.hits if neighbour.here] == [hit.id]
    assert shelf.branch in {holding.branch for holding in record.holdings}
    similar = client.list_similar(hit.id)
    assert similar.total > 0
    assert hit.id not in {other.id for other in similar.hits}
    assert all(other.reason.id and other.reason.en for other in similar.hits)


def test_the_reader_s_branch_comes_first(client: Client) -> None:
    def branches(near: str) -> list[str]:
        holdings = client.search(q="surau", near=near).hits[0].holdings
        return [holding.branch for holding in holdings]

    elsewhere = next(hit for hit in client.search(q="", limit=100).hits if len(hit.holdings) > 1)
    last_holding = elsewhere.holdings[-1]
    assert client.get_record(elsewhere.id, near=last_holding.branch).holdings[0].branch == last_holding.branch
    assert branches("PKS/NOWHERE") == branches("")


def test_a_work_has_its_editions(library: Library, client: Client) -> None:
    library.put(
        [
            book("1", "Krisopras di lembah", author="Bahar, Ani", year="1990", items=[("PST", "KP1")]),
            book("2", "Krisopras di lembah", author="Bahar, Ani", year="2020", items=[("PST", "KP2")]),
        ],
        source="KARYA",
    )
    eventually(lambda: client.search(q="krisopras").total == 2)
    grouped = client.search(q="krisopras", by_work=True)
    assert (len(grouped.hits), grouped.total, grouped.hits[0].editions) == (1, 2, 2)
    work = client.get_work(grouped.hits[0].work_id)
    assert [edition.record.year for edition in work.editions] == [2020, 1990]
    assert client.get_record(grouped.hits[0].id).work_id == work.id


def test_browse_lists_are_ordered_and_classes_are_a_tree(client: Client) -> None:
    kinds = client.models.BrowseKind
    authors = client.browse(kinds.AUTHOR, term="navis", before=2, after=5)
    assert "navis" in authors.hits[authors.place].text.lower()
    next_page = client.browse(kinds.AUTHOR, cursor=authors.next_)
    assert {heading.text for heading in authors.hits}.isdisjoint(heading.text for heading in next_page.hits)
    assert client.browse(kinds.TITLE, term="robohnya").hits[0].record.id
    top = client.list_classes()
    literature = next(class_ for class_ in top.hits if class_.value == "8")
    subclasses = client.list_classes(parent=literature.value)
    assert subclasses.path[-1].value == "8"
    assert 0 < sum(class_.count for class_ in subclasses.hits) <= literature.count
    assert client.search(q="", class_=["8"]).total == literature.count


def test_all_values_of_a_facet_are_listed_in_pages(client: Client) -> None:
    subject = client.models.CountFacetFacet.SUBJECT
    values, cursor = [], client.unset
    while True:
        page = client.count_facet(subject, limit=40, cursor=cursor)
        values += [value.value for value in page.hits]
        if not page.next_:
            break
        cursor = page.next_
    assert len(values) == len(set(values)) > 40


def test_a_refusal_is_a_problem_with_a_reason(client: Client) -> None:
    problem = client.get_record("0192f3a4-0000-7000-8000-000000000000")
    assert isinstance(problem, client.models.Problem)
    assert (problem.status, problem.reason) == (404, "RECORD_NOT_FOUND")


def test_a_search_without_hits_has_help(client: Client) -> None:
    page = client.search(q="surau zzqqzzqq", limit=1)
    assert page.help_.failed == ["zzqqzzqq"]


def test_a_record_is_available_in_every_form(library: Library, client: Client) -> None:
    hit = client.search(q="navis surau").hits[0]
    for ending in client.models.GetRecordFormEnding:
        form = client.get_record_form(hit.id, ending)
        if ending.value == "ris":
            (citation,) = rispy.loads(form)
            assert citation["title"].startswith(hit.record.title)
            assert citation["urls"] == [f"{library.address}/records/{hit.id}"]
        assert hit.record.title.split()[0] in form, ending


def test_an_export_has_the_records_of_the_search(library: Library, client: Client) -> None:
    path = library.folder / "surau.csv"
    summary = library.command(
        "export", "--query", "surau", "--filter", "language=ind", "--format", "csv", "--to", str(path)
    )
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    page = client.search(q="surau", language=["ind"], limit=100)
    assert summary["written"] == len(rows) == page.total
    assert {row["id"] for row in rows} == {str(hit.id) for hit in page.hits}


def test_the_sitemap_lists_every_record_and_the_feed_lists_the_hits(library: Library, client: Client) -> None:
    pages = etree.fromstring(library.get("/sitemap.xml").content).xpath("//*[local-name()='loc']/text()")
    assert pages == [f"{library.address}/sitemap/{page}.xml" for page in ("branches", 1)]
    locations = etree.fromstring(library.get("/sitemap/1.xml").content).xpath("//*[local-name()='loc']/text()")
    assert len(locations) == client.search(q="", limit=1).total
    assert library.get(locations[-1].removeprefix(library.address)).status_code == 200
    feed = feedparser.parse(library.get("/search.atom", q="surau").content)
    assert not feed.bozo
    assert [entry.id.rpartition(":")[2] for entry in feed.entries] == [
        str(hit.id) for hit in client.search(q="surau", limit=30).hits
    ]
