"""OpenSearch, unAPI, COinS and downloads."""

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


def test_the_opensearch_description_has_addresses_of_search_and_suggestions(http: httpx.Client) -> None:
    response = http.get("/opensearch.xml")
    tree = etree.fromstring(response.content)
    # OpenSearch 1.1: at most 16 and 1,024 characters.
    assert len(tree.findtext("o:ShortName", namespaces=OPENSEARCH)) <= 16
    assert len(tree.findtext("o:Description", namespaces=OPENSEARCH)) <= 1024
    urls = {element.get("type"): element.get("template") for element in tree.iterfind("o:Url", OPENSEARCH)}
    assert response.headers["content-type"] in urls
    for media, template in urls.items():
        result = http.get(template.replace("{searchTerms}", "robohnya"))
        assert result.status_code == 200
        assert result.headers["content-type"].startswith(media)


def test_suggestions_have_the_form_that_address_bars_read(http: httpx.Client) -> None:
    prefix, texts, kinds, addresses = http.get("/suggestions.json?q=robo").json()
    assert (prefix, texts, kinds) == ("robo", [BOOK.title], ["title"])
    assert http.get(addresses[0]).status_code == 200


def test_unapi_lists_its_formats_and_those_of_a_record(http: httpx.Client) -> None:
    for path, status in (("/unapi", 200), (f"/unapi?id={BOOK.id}", 300)):
        response = http.get(path)
        assert response.status_code == status
        tree = etree.fromstring(response.content)
        assert tree.get("id") == (BOOK.id if status == 300 else None)
        assert {element.get("name"): element.get("type") for element in tree} == {
            name: FORMATS[ending].media_type for name, ending in unapi.FORMATS.items()
        }


@pytest.mark.parametrize(
    "identifier", [BOOK.id, BOOK.id.upper(), f"urn:uuid:{BOOK.id}", f"http://x.example/records/{BOOK.id}"]
)
def test_unapi_gives_a_record_in_a_format(http: httpx.Client, identifier: str) -> None:
    for name, ending in unapi.FORMATS.items():
        response = http.get("/unapi", params={"id": identifier, "format": name})
        assert response.content == http.get(f"/api/v1/records/{BOOK.id}.{ending}").content


@pytest.mark.parametrize(
    ("params", "status"),
    [({"id": "x"}, 404), ({"id": BOOK.id[:-1] + "f"}, 404), ({"id": BOOK.id, "format": "pdf"}, 406)],
)
def test_unapi_refuses_unknown_records_and_formats(http: httpx.Client, params: dict[str, str], status: int) -> None:
    assert http.get("/unapi", params=params).status_code == status


@pytest.mark.parametrize("ending", sorted(FORMATS))
def test_a_download_has_a_file_name(http: httpx.Client, ending: str) -> None:
    response = http.get(f"/records/{BOOK.id}.{ending}")
    assert response.headers["content-type"].startswith(FORMATS[ending].media_type)
    assert response.headers["content-disposition"] == f'attachment; filename="{BOOK.id}.{ending}"'


def test_a_download_of_an_unknown_format_is_a_404(http: httpx.Client) -> None:
    assert http.get(f"/records/{BOOK.id}.exe").status_code == 404


def test_coins_describe_a_book() -> None:
    coins = parse_qs(title_of({**BOOK.brief(), "isbn": "9789794030462"}, address="https://x.example/records/1"))
    assert coins["ctx_ver"] == ["Z39.88-2004"]
    assert coins["rft_val_fmt"] == ["info:ofi/fmt:kev:mtx:book"]
    assert (coins["rft.btitle"], coins["rft.au"], coins["rft.date"]) == ([BOOK.title], [BOOK.author], ["1986"])
    assert (coins["rft.isbn"], coins["rft_id"]) == (["9789794030462"], ["https://x.example/records/1"])


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
    coins = parse_qs(title_of({"title": "Horison", "material": material}))
    assert coins["rft_val_fmt"] == [f"info:ofi/fmt:kev:mtx:{form}"]
    assert coins[title] == ["Horison"]
