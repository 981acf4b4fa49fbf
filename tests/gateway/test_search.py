from __future__ import annotations

import httpx
import pytest

from chassis.rpc import inproc
from rangkiang.catalog.v1.catalog_pb2_grpc import add_CatalogServicer_to_server
from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import served_gateway

SURAU = BOOKS[0]


def test_a_search_answers_with_brief_records_and_where_they_are(http: httpx.Client) -> None:
    found = http.get("/api/v1/search", params={"q": "surau navis"}).json()
    assert found["total"] == 1
    assert found["hits"] == [
        {"id": SURAU.id, "score": 1.5, "record": SURAU.brief(), "holdings": SURAU.holdings()},
    ]
    assert found["understood"] == "surau navis"
    assert found["changed"] is False


def test_an_empty_search_finds_everything_ten_at_a_time(http: httpx.Client) -> None:
    found = http.get("/api/v1/search").json()
    assert (found["total"], len(found["hits"])) == (len(BOOKS), 10)


def test_following_next_meets_every_hit_once(http: httpx.Client) -> None:
    seen: list[str] = []
    page: dict[str, str] = {"limit": "4", "sort": "title"}
    while True:
        found = http.get("/api/v1/search", params=page).json()
        seen += [hit["id"] for hit in found["hits"]]
        if "next" not in found:
            break
        page["cursor"] = found["next"]
    assert sorted(seen) == sorted(book.id for book in BOOKS)


def test_facets_come_only_when_asked_for(http: httpx.Client) -> None:
    assert "facets" not in http.get("/api/v1/search").json()
    facets = http.get("/api/v1/search?facets=language,branch").json()["facets"]
    assert facets["language"][0] == {"value": "ind", "count": 11, "selected": False}
    assert http.get("/api/v1/search?facets=language&facets=branch").json()["facets"] == facets
    assert facets["branch"][0]["label"] == {"id": "Perpustakaan Pusat", "en": "Central Library"}


def test_values_of_one_facet_are_alternatives_and_facets_restrict_together(http: httpx.Client) -> None:
    both = http.get("/api/v1/search?language=eng&language=min&facets=language").json()
    assert both["total"] == 2
    assert {value["value"] for value in both["facets"]["language"] if value["selected"]} == {"eng", "min"}
    assert http.get("/api/v1/search?language=eng&language=min&branch=UMMY/KAMPUS").json()["total"] == 1


def test_everything_asked_reaches_the_catalogue(http: httpx.Client, catalog: FakeCatalog) -> None:
    http.get("/api/v1/search?q=Siti%20Nurbaya&sort=year&limit=7&highlight=true&author=Rusli,%20Marah&facets=year")
    asked = catalog.asked
    assert (asked.query, asked.sort, asked.limit, asked.highlight) == ("Siti Nurbaya", "year", 7, True)
    assert [(each.facet, list(each.values)) for each in asked.filters] == [("author", ["Rusli, Marah"])]
    assert list(asked.facets) == ["year"]


def test_words_found_are_marked_on_request(http: httpx.Client) -> None:
    hit = http.get("/api/v1/search?q=surau&highlight=true").json()["hits"][0]
    assert hit["highlights"] == {"title": ["Robohnya ", "Surau", " Kami"]}


def test_a_misspelt_word_is_answered_with_its_spelling(http: httpx.Client) -> None:
    assert http.get("/api/v1/search?q=suroe").json()["did_you_mean"] == "surau"


def test_suggestions_complete_what_is_typed(http: httpx.Client) -> None:
    found = http.get("/api/v1/suggest?q=ro").json()
    assert found == {"total": 1, "hits": [{"text": "Robohnya Surau Kami", "kind": "title"}]}


@pytest.mark.parametrize(
    ("wanted", "told"), [({"Accept-Language": "en-GB,en;q=0.8"}, "en"), ({}, "id"), ({"Accept-Language": "*"}, "id")]
)
def test_the_catalogue_is_told_who_asks_and_in_which_language(
    http: httpx.Client, catalog: FakeCatalog, wanted: dict[str, str], told: str
) -> None:
    answer = http.get("/api/v1/search", headers={"X-Request-Id": "desk-7", **wanted})
    assert (catalog.told.language, catalog.told.request_id) == (told, "desk-7")
    assert 0 < (catalog.told.remaining() or 0) < 5.5
    assert answer.headers["x-request-id"] == "desk-7"


def test_institutions_and_branches_are_listed_with_names_in_both_languages(http: httpx.Client) -> None:
    libraries = http.get("/api/v1/institutions").json()
    assert [each["code"] for each in libraries["hits"]] == ["KOTASOLOK", "UMMY"]
    branches = http.get("/api/v1/branches?institution=UMMY").json()
    assert branches["total"] == 1
    assert branches["hits"][0]["name"] == {"id": "Perpustakaan Kampus", "en": "Campus Library"}


def test_what_is_said_does_not_leak_into_the_next_request(http: httpx.Client, catalog: FakeCatalog) -> None:
    http.get("/api/v1/search?language=eng")
    http.get("/api/v1/search")
    assert list(catalog.asked.filters) == []


def test_inside_one_process_the_answers_are_those_that_come_over_the_wire(http: httpx.Client) -> None:
    inproc.register("catalog", FakeCatalog(), add_CatalogServicer_to_server)
    try:
        with served_gateway("inproc:catalog") as near:
            for path in ("search?q=a&facets=language", "records/x", "branches", "health/ready", "search?cursor=x"):
                there, here = http.get(f"/api/v1/{path}"), httpx.get(f"{near}/api/v1/{path}")
                assert here.status_code == there.status_code
                assert {**here.json(), "instance": ""} == {**there.json(), "instance": ""}
    finally:
        inproc.unregister("catalog")
