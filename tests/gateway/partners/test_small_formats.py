"""OpenSearch, unAPI, COinS and files to take away."""

from __future__ import annotations

from urllib.parse import parse_qs

import httpx
import pytest
from lxml import etree

from gateway.formats import FORMATS
from gateway.partners import unapi
from gateway.partners.coins import title_of
from tests.fakes.books import BOOKS

OPENSEARCH = {"o": "http://a9.com/-/spec/opensearch/1.1/"}
BOOK = BOOKS[0]


def test_a_browser_learns_how_to_search_and_complete_here(http: httpx.Client) -> None:
    answer = http.get("/opensearch.xml")
    tree = etree.fromstring(answer.content)
    # OpenSearch 1.1: at most 16 and 1,024 characters.
    assert len(tree.findtext("o:ShortName", namespaces=OPENSEARCH)) <= 16
    assert len(tree.findtext("o:Description", namespaces=OPENSEARCH)) <= 1024
    urls = {each.get("type"): each.get("template") for each in tree.iterfind("o:Url", OPENSEARCH)}
    assert answer.headers["content-type"] in urls
    for media, template in urls.items():
        found = http.get(template.replace("{searchTerms}", "robohnya"))
        assert found.status_code == 200
        assert found.headers["content-type"].startswith(media)


def test_suggestions_are_what_an_address_bar_reads(http: httpx.Client) -> None:
    typed, texts, kinds, addresses = http.get("/suggestions.json?q=robo").json()
    assert (typed, texts, kinds) == ("robo", [BOOK.title], ["title"])
    assert http.get(addresses[0]).status_code == 200


def test_unapi_lists_its_formats_and_those_of_a_record(http: httpx.Client) -> None:
    for path, status in (("/unapi", 200), (f"/unapi?id={BOOK.id}", 300)):
        answer = http.get(path)
        assert answer.status_code == status
        tree = etree.fromstring(answer.content)
        assert tree.get("id") == (BOOK.id if status == 300 else None)
        assert {each.get("name"): each.get("type") for each in tree} == {
            name: FORMATS[ending].media_type for name, ending in unapi.FORMATS.items()
        }


@pytest.mark.parametrize(
    "given", [BOOK.id, BOOK.id.upper(), f"urn:uuid:{BOOK.id}", f"http://x.example/records/{BOOK.id}"]
)
def test_unapi_gives_a_record_in_a_format(http: httpx.Client, given: str) -> None:
    for name, ending in unapi.FORMATS.items():
        answer = http.get("/unapi", params={"id": given, "format": name})
        assert answer.content == http.get(f"/api/v1/records/{BOOK.id}.{ending}").content


@pytest.mark.parametrize(
    ("given", "status"),
    [({"id": "x"}, 404), ({"id": BOOK.id[:-1] + "f"}, 404), ({"id": BOOK.id, "format": "pdf"}, 406)],
)
def test_unapi_refuses_as_it_should(http: httpx.Client, given: dict[str, str], status: int) -> None:
    assert http.get("/unapi", params=given).status_code == status


@pytest.mark.parametrize("ending", sorted(FORMATS))
def test_a_file_to_take_away_has_a_name(http: httpx.Client, ending: str) -> None:
    answer = http.get(f"/records/{BOOK.id}.{ending}")
    assert answer.headers["content-type"].startswith(FORMATS[ending].media_type)
    assert answer.headers["content-disposition"] == f'attachment; filename="{BOOK.id}.{ending}"'


def test_a_file_of_another_kind_is_a_404(http: httpx.Client) -> None:
    assert http.get(f"/records/{BOOK.id}.exe").status_code == 404


def test_coins_say_what_a_book_is() -> None:
    said = parse_qs(title_of({**BOOK.brief(), "isbn": "9789794030462"}, address="https://x.example/records/1"))
    assert said["ctx_ver"] == ["Z39.88-2004"]
    assert said["rft_val_fmt"] == ["info:ofi/fmt:kev:mtx:book"]
    assert (said["rft.btitle"], said["rft.au"], said["rft.date"]) == ([BOOK.title], [BOOK.author], ["1986"])
    assert (said["rft.isbn"], said["rft_id"]) == (["9789794030462"], ["https://x.example/records/1"])


@pytest.mark.parametrize(
    ("material", "form", "title"),
    [
        ("serial", "journal", "rft.jtitle"),
        ("article", "journal", "rft.atitle"),
        ("map", "dc", "rft.title"),
        ("", "dc", "rft.title"),
    ],
)
def test_coins_of_other_materials(material: str, form: str, title: str) -> None:
    said = parse_qs(title_of({"title": "Horison", "material": material}))
    assert said["rft_val_fmt"] == [f"info:ofi/fmt:kev:mtx:{form}"]
    assert said[title] == ["Horison"]
