"""Labels, sheets and ranges of barcodes over HTTP, with the real catalogue."""

from __future__ import annotations

import httpx
import pypdfium2

from tests.gateway.test_items import database, http

__all__ = ["database", "http"]
STICKERS = {
    "code": "stiker-40x30", "name": {"id": "Stiker 40 × 30 mm", "en": ""}, "page_width": 200, "page_height": 150,
    "rows": 4, "columns": 4, "left": 5, "top": 5, "width": 40, "height": 30, "pitch_x": 48, "pitch_y": 35,
}  # fmt: skip


def key(name: str) -> dict[str, str]:
    return {"Idempotency-Key": name}


def texts(pdf: httpx.Response) -> list[str]:
    assert pdf.headers["content-type"] == "application/pdf"
    return [page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(pdf.content)]


def test_a_queue_is_printed_on_an_own_sheet_and_confirmed_once(http: httpx.Client) -> None:
    record = http.get("/api/v1/items").json()["hits"][0]["record"]
    body = {"count": 2, "branch": "PKS/PST", "call_number": "813 NAV r", "acquisition": {"source": "gift"}}
    added = http.post(f"/api/v1/records/{record}/items", json=body, headers=key("add")).json()["items"]
    queue = http.get("/api/v1/labels?branch=PKS/PST").json()
    assert [label["item"] for label in queue["hits"]] == [item["id"] for item in added]
    assert (queue["total"], queue["hits"][0]["barcode"], queue["next"]) == (2, added[0]["barcode"], None)
    assert len(http.get("/api/v1/labels.csv").text.splitlines()) == 3

    sheets = http.get("/api/v1/label-sheets")
    assert (sheets.headers["etag"], [sheet["is_measured"] for sheet in sheets.json()["sheets"]][-1]) == ('"0"', False)
    saved = http.put("/api/v1/label-sheets", json={"sheets": [STICKERS]}, headers={"If-Match": '"0"'})
    own = saved.json()["sheets"][0]
    assert (saved.headers["etag"], own["code"], own["is_own"], own["pitch_x"]) == ('"1"', "stiker-40x30", True, 48)
    wide = http.put("/api/v1/label-sheets", json={"sheets": [STICKERS | {"columns": 5}]}, headers={"If-Match": '"1"'})
    assert (wide.status_code, wide.json()["reason"]) == (400, "LABELS_BEYOND_PAPER")
    assert (wide.json()["facts"]["field"], wide.json()["facts"]["needs"]) == ("/sheets/0/page_width", 237)

    made = http.post("/api/v1/label-prints", json={}, headers=key("print"))
    address = made.headers["location"]
    assert (made.status_code, http.get(address).json()) == (201, made.json())
    first, second = texts(http.get(f"{address}/labels.pdf?sheet=stiker-40x30&start=16&kind=spine"))
    assert ("NAV" in first, "NAV" in second) == (True, True)
    for query, reason in {
        "sheet=none": "LABEL_SHEET_UNKNOWN", "start=25": "LABEL_START_OUT_OF_BOUNDS", "kind=x": "LABEL_KIND_UNKNOWN",
    }.items():  # fmt: skip
        assert http.get(f"{address}/labels.pdf?{query}").json()["reason"] == reason
    assert "24" in texts(http.get("/api/v1/label-sheets/a4-3x8/outlines.pdf"))[0]

    confirmed = http.post(f"{address}/confirmations", headers=key("confirm")).json()
    assert http.post(f"{address}/confirmations", headers=key("again")).json() == confirmed
    assert http.get("/api/v1/labels").json()["total"] == 0
    assert http.get("/api/v1/label-prints").json()["hits"] == [confirmed]
    none = http.post("/api/v1/label-prints", json={}, headers=key("none"))
    assert (none.status_code, none.json()["reason"]) == (409, "LABELS_NONE")


def test_a_range_is_reserved_once_for_each_key_and_printed_without_its_used_barcodes(http: httpx.Client) -> None:
    record = http.get("/api/v1/items").json()["hits"][0]["record"]
    first, again = (http.post("/api/v1/barcode-ranges", json={"count": 2}, headers=key("range")) for _ in range(2))
    assert (first.status_code, again.json()) == (201, first.json())
    reserved = first.json()
    body = {"branch": "PKS/PST", "barcodes": [reserved["first"]], "acquisition": {"source": "gift"}}
    assert http.post(f"/api/v1/records/{record}/items", json=body, headers=key("add")).status_code == 201
    (page,) = texts(http.get(f"{first.headers['location']}/labels.pdf"))
    assert (reserved["first"] in page, reserved["last"] in page) == (False, True)
    assert http.get("/api/v1/barcode-ranges").json()["hits"] == [reserved | {"used": 1}]
    misread = reserved["last"][:-1] + str((int(reserved["last"][-1]) + 1) % 10)
    wrong = http.post(f"/api/v1/records/{record}/items", json=body | {"barcodes": [misread]}, headers=key("wrong"))
    assert (wrong.status_code, wrong.json()["reason"]) == (400, "BARCODE_MISREAD")
