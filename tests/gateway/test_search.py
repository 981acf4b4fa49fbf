from __future__ import annotations

import httpx
import pytest

from chassis.rpc import inproc
from rangkiang.catalog.v1.catalog_pb2_grpc import add_CatalogServicer_to_server
from tests.fakes.books import BOOKS
from tests.fakes.catalog import FakeCatalog
from tests.fakes.running import CALL_SECONDS, served_gateway

SURAU = BOOKS[0]


def test_a_search_returns_brief_records_with_their_holdings(http: httpx.Client) -> None:
    page = http.get("/api/v1/search", params={"q": "surau navis"}).json()
    assert page["total"] == 1
    assert page["hits"] == [
        {"id": SURAU.id, "score": 1.5, "record": SURAU.brief(), "holdings": SURAU.holdings()},
    ]
    assert page["understood"] == "surau navis"
    assert page["changed"] is False


def test_a_hit_with_a_part_of_the_words_says_what_it_lacks_and_a_feed_has_none(
    http: httpx.Client, catalog: FakeCatalog
) -> None:
    page = http.get("/api/v1/search", params={"q": "planet"}).json()
    assert page["complete"] == 1
    assert "lacks" not in page["hits"][0]
    assert page["hits"][1]["lacks"] == ["planet"]
    assert page["hits"][1]["because"] == {"id": "Termasuk golongan 520 Astronomi", "en": "Is in class 520 Astronomy"}
    assert http.get("/api/v1/search", params={"q": "surau"}).json()["complete"] is None
    assert not catalog.request.strict
    http.get("/search.atom?q=planet")
    assert catalog.request.strict


def test_an_empty_search_finds_everything_ten_at_a_time(http: httpx.Client) -> None:
    page = http.get("/api/v1/search").json()
    assert (page["total"], len(page["hits"])) == (len(BOOKS), 10)


def test_the_next_cursors_lead_to_every_hit_once(http: httpx.Client) -> None:
    ids: list[str] = []
    params: dict[str, str] = {"limit": "4", "sort": "title"}
    while True:
        page = http.get("/api/v1/search", params=params).json()
        ids += [hit["id"] for hit in page["hits"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert sorted(ids) == sorted(book.id for book in BOOKS)


def test_facets_are_returned_only_on_request(http: httpx.Client) -> None:
    assert http.get("/api/v1/search").json()["facets"] == {}
    facets = http.get("/api/v1/search?facets=language,branch").json()["facets"]
    assert facets["language"][0] == {"value": "ind", "count": 11, "selected": False}
    assert http.get("/api/v1/search?facets=language&facets=branch").json()["facets"] == facets
    assert facets["branch"][0]["label"] == {"id": "Perpustakaan Pusat", "en": "Central Library"}


def test_values_of_one_facet_are_alternatives_and_facets_restrict_together(http: httpx.Client) -> None:
    page = http.get("/api/v1/search?language=eng&language=min&facets=language").json()
    assert page["total"] == 2
    assert {value["value"] for value in page["facets"]["language"] if value["selected"]} == {"eng", "min"}
    assert http.get("/api/v1/search?language=eng&language=min&branch=UMMY/KAMPUS").json()["total"] == 1


def test_every_parameter_reaches_the_catalogue(http: httpx.Client, catalog: FakeCatalog) -> None:
    http.get("/api/v1/search?q=Siti%20Nurbaya&sort=year&limit=7&highlight=true&author=Rusli,%20Marah&facets=year")
    request = catalog.request
    assert (request.query, request.sort, request.limit, request.highlight) == ("Siti Nurbaya", "year", 7, True)
    assert [(selection.facet, list(selection.values)) for selection in request.filters] == [
        ("author", ["Rusli, Marah"])
    ]
    assert list(request.facets) == ["year"]


def test_matching_words_are_marked_on_request(http: httpx.Client) -> None:
    hit = http.get("/api/v1/search?q=surau&highlight=true").json()["hits"][0]
    assert hit["highlights"] == {"title": ["Robohnya ", "Surau", " Kami"]}


def test_a_misspelt_word_gets_a_suggested_spelling(http: httpx.Client) -> None:
    assert http.get("/api/v1/search?q=suroe").json()["did_you_mean"] == "surau"


def test_suggestions_complete_the_prefix(http: httpx.Client) -> None:
    page = http.get("/api/v1/suggest?q=ro").json()
    (hit,) = page["hits"]
    assert (page["total"], hit["text"], hit["kind"]) == (1, "Robohnya Surau Kami", "title")
    assert hit["url"] == f"/records/{hit['id']}"


@pytest.mark.parametrize(
    ("headers", "language"),
    [({"Accept-Language": "en-GB,en;q=0.8"}, "en"), ({}, "id"), ({"Accept-Language": "*"}, "id")],
)
def test_the_catalogue_gets_the_language_and_id_of_the_request(
    http: httpx.Client, catalog: FakeCatalog, headers: dict[str, str], language: str
) -> None:
    response = http.get("/api/v1/search", headers={"X-Request-Id": "desk-7", **headers})
    assert (catalog.context.language, catalog.context.request_id) == (language, "desk-7")
    assert 0 < (catalog.context.remaining() or 0) < CALL_SECONDS + 0.5
    assert response.headers["x-request-id"] == "desk-7"


def test_institutions_and_branches_are_listed_with_names_in_both_languages(http: httpx.Client) -> None:
    libraries = http.get("/api/v1/institutions").json()
    assert [hit["code"] for hit in libraries["hits"]] == ["KOTASOLOK", "UMMY"]
    branches = http.get("/api/v1/branches?institution=UMMY").json()
    assert branches["total"] == 1
    assert branches["hits"][0]["name"] == {"id": "Perpustakaan Kampus", "en": "Campus Library"}


def test_parameters_do_not_leak_into_the_next_request(http: httpx.Client, catalog: FakeCatalog) -> None:
    http.get("/api/v1/search?language=eng")
    http.get("/api/v1/search")
    assert list(catalog.request.filters) == []


def test_in_process_responses_equal_those_over_grpc(http: httpx.Client) -> None:
    inproc.register("catalog", FakeCatalog(), add_CatalogServicer_to_server)
    try:
        with served_gateway("inproc:catalog") as address:
            for path in ("search?q=a&facets=language", "records/x", "branches", "health/ready", "search?cursor=x"):
                expected, response = http.get(f"/api/v1/{path}"), httpx.get(f"{address}/api/v1/{path}", verify=False)
                assert response.status_code == expected.status_code
                assert {**response.json(), "instance": "", "type": ""} == {
                    **expected.json(),
                    "instance": "",
                    "type": "",
                }
    finally:
        inproc.unregister("catalog")


def test_a_tree_is_sent_to_the_catalogue_as_it_is(http: httpx.Client, catalog: FakeCatalog) -> None:
    clause = {"field": "title", "relation": "all", "term": "surau^", "modifiers": ["ignoreCase"]}
    words = [{"field": "title", "term": term} for term in ("surau", "kami")]
    tree = {"operator": "or", "operands": [clause, {"operator": "near", "operands": words, "distance": 3}]}
    response = http.post("/api/v1/search", json={"tree": tree, "offset": 7, "limit": 2, "facets": ["language"]})
    assert response.status_code == 200
    assert {"total", "hits", "facets"} <= response.json().keys()
    assert response.headers["cache-control"] == "no-store"
    request = catalog.request
    assert (request.offset, request.limit, request.query, list(request.facets)) == (7, 2, "", ["language"])
    first, second = request.tree.operands
    assert (first.field, first.relation, first.term) == ("title", "all", "surau^")
    assert list(first.modifiers) == ["ignoreCase"]
    assert (second.operator, second.distance) == ("near", 3)
    assert [(word.field, word.term) for word in second.operands] == [("title", "surau"), ("title", "kami")]


@pytest.mark.parametrize(
    ("levels", "reason"),
    [(51, "BODY_TOO_DEEP"), (150, "BODY_TOO_DEEP"), (400, "FIELD_INVALID"), (1_500, "REQUEST_INVALID")],
)
def test_a_tree_that_is_too_deep_is_refused(http: httpx.Client, levels: int, reason: str) -> None:
    body = '{"operator":"and","operands":[' * (levels - 1) + '{"term":"surau"}' + "]}" * (levels - 1)
    response = http.post("/api/v1/search", content=f'{{"tree":{body}}}', headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["reason"]) == (400, reason)


def test_a_body_without_a_tree_is_refused(http: httpx.Client) -> None:
    response = http.post("/api/v1/search", json={"tree": {"term": "surau", "fields": "title"}, "limit": 0})
    assert response.status_code == 400
    assert {refusal["facts"].get("field") for refusal in response.json()["refusals"]} == {"/tree/fields", "/limit"}
