"""Drafts and templates over HTTP, with the real catalogue."""

from __future__ import annotations

import httpx

from tests.gateway import test_items
from tests.gateway.test_record_edits import key

# A manager of an institution with one record of one item.
database, http = test_items.database, test_items.http
TEXT = "LDR 00000nam#a2200000#i#4500\n650 #4 $a Fiksi Indonesia"


def test_a_draft_is_saved_again_and_again_read_and_deleted(http: httpx.Client) -> None:
    (item,) = http.get("/api/v1/items").json()["hits"]
    for place in (item["record"], "new"):
        path = f"/api/v1/drafts/{place}"
        assert http.get(path).json()["reason"] == "DRAFT_NOT_FOUND"
        for text in ("245 10 $a Rob", "245 10 $a Robohnya"):
            saved = http.put(path, json={"title": "Robohnya", "values": {"view": "", "text": text}})
            assert saved.status_code == 200
        assert http.get(path).json() == saved.json()
        assert saved.json()["place"] == place
        assert saved.json()["values"] == {"view": "", "text": "245 10 $a Robohnya"}, "an empty value is one too"
    listed = http.get("/api/v1/drafts").json()
    assert [(hit["place"], hit["values"]) for hit in listed["hits"]] == [("new", {}), (item["record"], {})]
    assert http.put("/api/v1/drafts/new", json={"values": {"text": "x" * 70_000}}).json()["reason"] == "DRAFT_TOO_LARGE"
    assert [http.delete("/api/v1/drafts/new").status_code for _ in range(2)] == [204, 204]
    assert http.get("/api/v1/drafts/new").status_code == 404


def test_a_template_is_added_once_replaced_at_its_version_and_deleted(http: httpx.Client) -> None:
    repeated, body = key(), {"name": "Novel Indonesia", "text": TEXT}
    first, second = (http.post("/api/v1/record-templates", json=body, headers=repeated) for _ in range(2))
    assert (first.status_code, first.json(), first.headers["ETag"]) == (201, second.json(), '"1"')
    path = first.headers["Location"]
    assert http.get(path).json() == first.json()
    assert first.json()["material"] == "book"
    taken = http.post("/api/v1/record-templates", json=body, headers=key())
    assert (taken.status_code, taken.json()["reason"]) == (409, "TEMPLATE_NAME_TAKEN")
    assert http.put(path, json=body).status_code == 428
    thesis = {"name": "Skripsi", "material": "thesis", "text": TEXT}
    replaced = http.put(path, json=thesis, headers={"If-Match": '"1"'})
    assert (replaced.status_code, replaced.json()["name"], replaced.headers["ETag"]) == (200, "Skripsi", '"2"')
    assert http.get("/api/v1/record-templates").json()["hits"] == [replaced.json()]
    assert http.delete(path, headers={"If-Match": '"1"'}).status_code == 412
    assert http.delete(path, headers={"If-Match": '"2"'}).status_code == 204
    assert http.get(path).status_code == 404
