"""A discovery system asks by DAIA 1.0 which items of a record can be used: https://purl.org/NET/DAIA."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from tests.journeys.library import Library

UNKNOWN = "00000000-0000-4000-8000-000000000000"
SERVICES = {"loan", "presentation", "remote", "interloan", "openaccess"}
# Fields of the objects of a response, from the tables of the specification; `chronology` is of 1.0.0.
RESPONSE = {"document", "institution", "timestamp"}
DOCUMENT = {"id", "requested", "href", "about", "item"}
ITEM = {"id", "href", "part", "label", "about", "chronology", "department", "storage", "available", "unavailable"}
AVAILABLE = {"service", "href", "delay", "limitation"}
UNAVAILABLE = {"service", "href", "expected", "queue", "limitation"}
ENTITY = {"id", "href", "content"}
URI = re.compile(r"[a-z][a-z0-9+.\-]*:\S+")


def ask(library: Library, headers: dict[str, str] | None = None, **parameters: str) -> httpx.Response:
    return httpx.get(f"{library.address}/daia", params=parameters, headers=headers, timeout=30, verify=False)


def daia(library: Library, **parameters: str) -> dict[str, Any]:
    response = ask(library, format="json", **parameters)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    assert_valid(answer)
    return answer


def assert_valid(answer: dict[str, Any]) -> None:
    """Assert that a response keeps the tables and the integrity rules of the specification."""
    assert answer.keys() <= RESPONSE
    datetime.fromisoformat(answer["timestamp"])
    assert answer["institution"].keys() <= ENTITY
    ids = [document["id"] for document in answer["document"]]
    ids += [item["id"] for document in answer["document"] for item in document["item"]]
    assert len(ids) == len(set(ids))
    assert all(map(URI.fullmatch, ids))
    for document in answer["document"]:
        assert {"id", "requested"} <= document.keys() <= DOCUMENT
        for item in document["item"]:
            assert item.keys() <= ITEM
            assert item["department"].keys() <= ENTITY
            assert URI.fullmatch(item["department"]["id"])
            assert item.get("storage", {}).keys() <= ENTITY
            for service in item["available"]:
                assert {"service"} <= service.keys() <= AVAILABLE
            for service in item["unavailable"]:
                assert {"service"} <= service.keys() <= UNAVAILABLE
                assert re.fullmatch(r"\d{4}-\d\d-\d\d|unknown", service.get("expected", "unknown"))
            available, unavailable = ({row["service"] for row in item[name]} for name in ("available", "unavailable"))
            assert available | unavailable <= SERVICES
            assert not available & unavailable


def test_every_item_has_the_services_that_its_availability_means(library: Library) -> None:
    hits = library.search("surau")["hits"]
    ids = [hit["id"] for hit in hits]
    answer = daia(library, id="|".join(f"urn:uuid:{record_id}" for record_id in ids))
    assert [document["requested"] for document in answer["document"]] == [f"urn:uuid:{record_id}" for record_id in ids]
    for hit, document in zip(hits, answer["document"], strict=True):
        assert document["about"] == hit["record"]["title"]
        items = library.api(f"/records/{hit['id']}/items")["hits"]
        assert [item["id"] for item in document["item"]] == [f"urn:uuid:{item['id']}" for item in items]
        for item, known in zip(document["item"], items, strict=True):
            assert ("loan" in {row["service"] for row in item["available"]}) == (
                known["availability"] == "can_be_borrowed"
            )
            assert all(service["href"] for service in item["unavailable"])
            assert item["department"]["id"].endswith(f"/branches/{known['branch']}")
            assert library.get(item["department"]["href"].removeprefix(library.address)).status_code == 200


def test_the_request_of_vufind_is_answered(library: Library) -> None:
    """As its driver sends it: ids with a prefix, `|` between them. It finds a document by `requested`."""
    first, second = (f"urn:uuid:{hit['id']}" for hit in library.search("surau")["hits"][:2])
    headers = {"Content-type": "application/json", "Accept": "application/json"}
    query = urlencode({"id": f"{first}|{second}", "format": "json"})
    assert "%7C" in query
    for sent in (query, query.replace("%7C", "|")):
        response = httpx.get(f"{library.address}/daia?{sent}", headers=headers, timeout=30, verify=False)
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/json"
        assert [document["requested"] for document in response.json()["document"]] == [first, second]


def test_a_record_is_one_document_whatever_it_is_called(library: Library) -> None:
    known = library.search("surau")["hits"][0]["id"]
    answer = daia(library, id=f"ppn:{known}|urn:uuid:{known}|{known.upper()}")
    assert [(document["id"], document["requested"]) for document in answer["document"]] == [
        (f"urn:uuid:{known}", f"ppn:{known}")
    ]


def test_records_that_do_not_exist_are_left_out(library: Library) -> None:
    known = library.search("surau")["hits"][0]["id"]
    answer = daia(library, id=f"ppn:nonsense|{known}|ppn:{UNKNOWN}")
    assert [document["id"] for document in answer["document"]] == [f"urn:uuid:{known}"]


def test_the_rest_of_many_ids_is_in_the_next_request(library: Library) -> None:
    known = library.search("surau")["hits"][0]["id"]
    response = ask(library, id="|".join([*(f"x:{number}" for number in range(100)), f"ppn:{known}"]), format="json")
    assert response.json()["document"] == []
    link = re.fullmatch(r'<(http\S+)>; rel="next"', response.headers["link"])
    assert link is not None
    following = library.get(link[1].removeprefix(library.address))
    assert [document["requested"] for document in following.json()["document"]] == [f"ppn:{known}"]
    assert "link" not in following.headers


def test_every_response_has_the_headers_of_daia(library: Library) -> None:
    for response in (ask(library, id=UNKNOWN, format="json"), ask(library, format="json")):
        assert response.headers["content-type"] == "application/json"
        assert response.headers["x-daia-version"] == "1.0.0"
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["content-language"] == "id"
    assert ask(library, {"Accept-Language": "en"}, id=UNKNOWN).headers["content-language"] == "en"


def test_browsers_may_ask_first_whether_they_may_ask(library: Library) -> None:
    headers = {"Origin": "https://onesearch.example", "Access-Control-Request-Method": "GET"}
    response = httpx.options(f"{library.address}/daia", headers=headers, timeout=30, verify=False)
    assert response.status_code in (200, 204)
    assert response.headers["access-control-allow-origin"] == "*"
    assert "GET" in response.headers["access-control-allow-methods"]
    assert httpx.head(f"{library.address}/daia?id=x&format=json", timeout=30, verify=False).status_code == 200


@pytest.mark.parametrize(
    ("parameters", "status", "error"),
    [
        ({"format": "json"}, 422, "invalid_request"),
        ({"id": UNKNOWN, "format": "xml"}, 422, "invalid_request"),
        ({"id": UNKNOWN, "callback": "alert(1)"}, 422, "invalid_request"),
        ({"id": UNKNOWN, "patron": "x"}, 501, "not_implemented"),
        ({"id": UNKNOWN, "patron-type": "x"}, 501, "not_implemented"),
        ({"id": UNKNOWN, "access_token": "x"}, 501, "not_implemented"),
    ],
)
def test_an_error_has_the_form_of_daia(library: Library, parameters: dict[str, str], status: int, error: str) -> None:
    response = ask(library, **parameters)
    assert (response.status_code, response.json()["error"], response.json()["code"]) == (status, error, status)
    assert response.json()["error_description"]
    assert library.get(response.json()["error_uri"].removeprefix(library.address)).status_code == 200
    suppressed = ask(library, **parameters, suppress_response_codes="1")
    assert (suppressed.status_code, suppressed.json()["code"]) == (200, status)


def test_a_script_of_another_site_can_call_it(library: Library) -> None:
    known = library.search("surau")["hits"][0]["id"]
    response = ask(library, id=known, format="json", callback="show_1")
    assert response.headers["content-type"] == "application/javascript; charset=utf-8"
    content = re.fullmatch(r"show_1\((.*)\);", response.text)
    assert content is not None
    assert json.loads(content[1])["document"][0]["requested"] == known
