"""A discovery system asks by DAIA 1.0 which items of a record can be used."""

from __future__ import annotations

from typing import Any

import httpx

from tests.journeys.library import Library

SERVICES = {"loan", "presentation", "openaccess"}


def daia(library: Library, **parameters: str) -> dict[str, Any]:
    response = httpx.get(f"{library.address}/daia", params=parameters, timeout=30)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_every_item_has_the_services_that_its_availability_means(library: Library) -> None:
    ids = [hit["id"] for hit in library.search("surau")["hits"]]
    answer = daia(library, id="|".join(f"urn:uuid:{record_id}" for record_id in ids), format="json")
    assert [document["requested"] for document in answer["document"]] == [f"urn:uuid:{record_id}" for record_id in ids]
    for record_id, document in zip(ids, answer["document"], strict=True):
        items = httpx.get(f"{library.address}/api/v1/records/{record_id}/items", timeout=30).json()["hits"]
        assert [item["id"] for item in document["item"]] == [f"urn:uuid:{item['id']}" for item in items]
        for item, known in zip(document["item"], items, strict=True):
            available = {service["service"] for service in item["available"]}
            unavailable = {service["service"] for service in item["unavailable"]}
            assert ("loan" in available) == (known["availability"] == "can_be_borrowed")
            assert available | unavailable <= SERVICES
            assert not available & unavailable
            assert all(service["href"] for service in item["unavailable"])
            assert item["department"]["id"] == known["branch"]


def test_records_that_do_not_exist_are_left_out(library: Library) -> None:
    known = library.search("surau")["hits"][0]["id"]
    answer = daia(library, id=f"ppn:nonsense|{known}|ppn:00000000-0000-4000-8000-000000000000")
    assert [document["id"] for document in answer["document"]] == [f"urn:uuid:{known}"]


def test_another_format_and_too_many_ids_are_refused(library: Library) -> None:
    assert httpx.get(f"{library.address}/daia?format=xml", timeout=30).status_code == 406
    ids = "|".join(str(number) for number in range(101))
    assert httpx.get(f"{library.address}/daia", params={"id": ids}, timeout=30).status_code == 400
