"""A system of a partner asks at once for the availability of many records, by id and by ISBN."""

from __future__ import annotations

from typing import Any

import httpx

from tests.journeys.library import Library

MOST = 200


def ask(library: Library, **body: Any) -> httpx.Response:
    return httpx.post(f"{library.address}/api/v1/availability", json=body, timeout=30, verify=False)


def test_200_ids_and_200_isbns_are_answered_at_once(library: Library) -> None:
    hits = [hit for page in range(8) for hit in books(library, page * 100)]
    ids = [hit["id"] for hit in hits][:MOST]
    known = {hit["id"]: hit["record"].get("isbn") for hit in hits}
    isbns = list(dict.fromkeys(filter(None, known.values())))
    isbns = (isbns * (MOST // len(isbns) + 1))[:MOST]
    by_id, by_isbn = ask(library, ids=ids), ask(library, isbns=isbns)
    assert [result["requested"] for result in by_id.json()["results"]] == ids
    for result, hit in zip(by_id.json()["results"], hits, strict=False):
        assert [record["id"] for record in result["records"]] == [hit["id"]]
        of_branches = [
            (holding["branch"], holding["items"], holding["available"], holding["answer"])
            for holding in hit["holdings"]
        ]
        assert [
            (branch["branch"], branch["items"], branch["available"], branch["answer"])
            for branch in result["records"][0]["branches"]
        ] == sorted(of_branches)
    for result in by_isbn.json()["results"]:
        found = [record["id"] for record in result["records"]]
        assert [known[record_id] for record_id in found if record_id in known] != []


def counts(holding: dict[str, Any]) -> tuple[str, int, int, str]:
    return holding["branch"], holding["items"], holding["available"], holding["answer"]


def books(library: Library, offset: int) -> list[dict[str, Any]]:
    tree = {"field": "material", "term": "book"}
    body = {"tree": tree, "sort": "title", "limit": 100, "offset": offset}
    response = httpx.post(f"{library.address}/api/v1/search", json=body, timeout=30, verify=False)
    hits: list[dict[str, Any]] = response.json()["hits"]
    return hits


def test_what_is_no_isbn_is_named_by_its_place(library: Library) -> None:
    response = ask(library, isbns=["979-403-046-5", "979-403-046-6"])
    assert response.status_code == 400
    assert [(item["reason"], item["facts"]["field"]) for item in response.json()["refusals"]] == [
        ("ISBN_INVALID", "/isbns/1")
    ]


def test_more_than_200_are_refused(library: Library) -> None:
    assert ask(library, ids=["x"] * 201).json()["reason"] == "FIELD_TOO_LONG"
    assert ask(library, ids=["x"] * 150, isbns=["979-403-046-5"] * 51).json()["reason"] == "AVAILABILITY_TOO_MANY"
