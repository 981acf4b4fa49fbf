"""The accession register over HTTP, with the real catalogue: entries, corrections, and files read back."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import openpyxl
import pypdfium2
import pytest
from sqlalchemy import func, insert, select

from chassis.context import system
from chassis.database.db import Database
from chassis.ids import new_id
from gateway.registers.layouts import COLUMNS
from services.catalog.marc.record import Record as Marc
from services.catalog.tables import Accession, AccessionGap, Record
from tests.gateway.test_items import database, http

__all__ = ["database", "http"]
HOSTILE = '=HYPERLINK("http://x","klik") (\\) <b>&amp;'
ARABIC = "بداية المجتهد"


def add(http: httpx.Client, count: int = 1, key: str = "k", **acquisition: Any) -> list[dict[str, Any]]:
    (record,) = {hit["record"] for hit in http.get("/api/v1/items").json()["hits"]}
    body = {"count": count, "branch": "PKS/PST", "acquisition": {"source": "gift", **acquisition}}
    response = http.post(f"/api/v1/records/{record}/items", json=body, headers={"Idempotency-Key": key})
    assert response.status_code == 201, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def retitle(database: Database, title: str) -> None:
    with database.transaction(system("test")) as session:
        record = session.scalars(select(Record)).one()
        record.marc = Marc("00000nam a2200000   4500", [["245", "10", "a", title]]).pack()


def test_the_register_lists_entries_with_totals_and_corrects_one_at_its_version(http: httpx.Client) -> None:
    added = add(http, 3, price={"amount": 85_000}, supplier="Keluarga Navis", document="BAST 12/2026")
    add(http, key="k2")
    page = http.get("/api/v1/accessions?limit=2").json()
    assert [hit["number"] for hit in page["hits"]] == [item["accession_number"] for item in added[:2]]
    assert page["totals"] == {
        "items": 4, "removed": 0, "without_price": 1, "prices": [{"amount": 255_000, "currency": "IDR"}],
    }  # fmt: skip
    following = http.get("/api/v1/accessions", params={"limit": 2, "cursor": page["next"]}).json()
    assert (len(following["hits"]), following["next"]) == (2, None)
    assert following["hits"][1]["acquisition"]["price"] is None
    found = http.get("/api/v1/accessions", params={"number": added[1]["accession_number"]}).json()["hits"]
    assert [hit["id"] for hit in found] == [added[1]["id"]]

    path = f"/api/v1/accessions/{added[1]['id']}"
    body = {"reason": "Harga salah ketik", "price": {"amount": 58_000}, "fund": "APBD"}
    assert http.patch(path, json=body).status_code == 428
    corrected = http.patch(path, json=body, headers={"If-Match": '"1"'})
    assert (corrected.status_code, corrected.headers["etag"]) == (200, '"2"')
    assert http.patch(path, json=body, headers={"If-Match": '"1"'}).status_code == 412
    entry = http.get(path)
    assert (entry.headers["etag"], entry.json()) == ('"2"', corrected.json())
    assert entry.json()["number"] == added[1]["accession_number"]
    (correction,) = entry.json()["corrections"]
    assert correction["reason"] == "Harga salah ketik"
    assert {"fact": "amount", "before": "85000", "after": "58000"} in correction["changes"]
    unknown = http.patch(path, json={"reason": "Tidak ada kuitansi", "without_price": True}, headers={"If-Match": "*"})
    assert unknown.json()["acquisition"]["price"] is None


def test_skipped_numbers_are_listed_with_their_reason(http: httpx.Client) -> None:
    body = {"count": 4512, "reason": "Nomor buku induk kertas"}
    first, again = (http.post("/api/v1/accession-gaps", json=body, headers={"Idempotency-Key": "g"}) for _ in "12")
    assert (first.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    assert add(http)[0]["accession_number"].startswith("04513/")
    (gap,) = http.get("/api/v1/accession-gaps").json()["hits"]
    assert gap == first.json()
    assert (gap["count"], gap["reason"]) == (4512, "Nomor buku induk kertas")
    assert http.get("/api/v1/accession-gaps?entered_to=2020-01-01").json()["hits"] == []


def test_the_csv_has_each_entry_once_and_no_formula(http: httpx.Client) -> None:
    added = add(http, 3, price={"amount": 85_000}, supplier=HOSTILE)
    response = http.get("/api/v1/accessions.csv")
    rows = list(csv.DictReader(io.StringIO(response.text.removeprefix("\ufeff"))))
    assert [row["number"] for row in rows] == [item["accession_number"] for item in added]
    assert {row["supplier"] for row in rows} == {"'" + HOSTILE}
    assert {(row["amount"], row["currency"], row["source"]) for row in rows} == {("85000", "IDR", "gift")}


def test_the_workbook_has_numbers_days_and_texts_that_are_no_formulas(http: httpx.Client, database: Database) -> None:
    retitle(database, f"{HOSTILE} \x07")
    added = add(http, 2, price={"amount": 85_000}, supplier="+1-1", fund="@x", document="-2")
    add(http, key="k2", price={"amount": 12, "currency": "USD"})
    content = http.get("/api/v1/accessions.xlsx?lang=en").content
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    rows = list(sheet.iter_rows())
    assert rows[1][0].value == "Accession Register"
    headings = [cell.value for cell in rows[3]]
    first = dict(zip(headings, rows[4], strict=True))
    assert first["Accession number"].value == added[0]["accession_number"]
    assert (first["Price"].value, first["Price"].data_type, first["Date"].is_date) == (85_000, "n", True)
    assert str(first["Title"].value).startswith(HOSTILE[:20])
    texts = [cell for row in rows for cell in row if cell.value is not None and cell.data_type != "n"]
    assert {cell.data_type for cell in texts if not cell.is_date} == {"s"}
    assert all(cell.quotePrefix for cell in texts if str(cell.value)[:1] in "=+-@")
    assert dict(zip(headings, rows[6], strict=True))["Price"].value == "USD 12"
    assert rows[-1][0].value == "Overall total: 3 items · Rp170,000 · USD 12"


def texts_of(content: bytes) -> list[str]:
    document = pypdfium2.PdfDocument(content)
    return [page.get_textpage().get_text_range() for page in document]


def test_the_pdf_has_all_numbers_that_are_not_given(http: httpx.Client, database: Database) -> None:
    http.post("/api/v1/accession-gaps", json={"count": 3, "reason": "Label rusak"}, headers={"Idempotency-Key": "g"})
    with database.transaction(system("test")) as session:
        gap = dict(session.execute(select(AccessionGap.__table__)).mappings().one())
        more = [gap | {"id": new_id(), "first_number": f"L{n:03}", "last_number": f"L{n:03}"} for n in range(501)]
        session.execute(insert(AccessionGap), more)
    whole = "\n".join(texts_of(http.get("/api/v1/accessions.pdf").content))
    assert [n for n in range(501) if f"L{n:03}" not in whole] == []


def test_the_pdf_has_every_number_and_totals_that_equal_the_tables(http: httpx.Client, database: Database) -> None:
    add(http, 90, price={"amount": 85_000}, supplier=HOSTILE)
    (last,) = add(http, key="k2", price={"amount": 1_234_567})
    http.post("/api/v1/accession-gaps", json={"count": 3, "reason": "Label rusak"}, headers={"Idempotency-Key": "g"})
    version = http.get(f"/api/v1/items/{last['id']}").headers["etag"]
    http.delete(f"/api/v1/items/{last['id']}?reason=Hilang", headers={"If-Match": version})
    content = http.get("/api/v1/accessions.pdf?lang=id").content
    document = pypdfium2.PdfDocument(content)
    assert [round(side) for side in document[0].get_size()] == [842, 595]
    pages = texts_of(content)
    assert len(pages) >= 3
    with database.reading(system("test")) as session:
        numbers = session.scalars(select(Accession.number)).all()
        amount = session.scalars(select(func.sum(Accession.amount))).one()
    whole = "\n".join(pages)
    assert [number for number in numbers if number not in whole] == []
    total = f"{amount:,}".replace(",", ".")
    assert f"Jumlah seluruhnya: 91 eksemplar · Rp{total}, di antaranya 1 sudah dikeluarkan" in pages[-1]
    assert "Nomor yang tidak dipakai" in pages[-1]
    assert "Label rusak" in pages[-1]
    assert "Kepala perpustakaan" in pages[-1]
    assert "Hilang" in whole
    for place, page in enumerate(pages, start=1):
        lines = page.splitlines()
        assert [line for line in lines if line.startswith(f"Halaman {place} dari")]
        assert str(len(pages)) in lines
        assert "Nomor induk" in page
    assert sum(items_on(page) for page in pages) == 91
    carried = 0
    for page in pages:
        assert line_of(page, "Pindahan dari halaman sebelumnya") == carried
        carried += items_on(page)
        assert line_of(page, "Jumlah sampai halaman ini") == carried
    assert "=HYPERLINK" in whole


def items_on(page: str) -> int:
    return line_of(page, "Jumlah halaman ini")


def line_of(page: str, heading: str) -> int:
    (line,) = [line for line in page.splitlines() if line.startswith(heading)]
    return int(line.removeprefix(f"{heading}: ").split()[0])


@pytest.mark.parametrize(
    ("layout", "headings"), [("ten", ["Date", "Publisher", "Note"]), ("thirteen", ["Edition", "Height", "ISBN"])]
)
def test_a_layout_decides_on_the_columns(http: httpx.Client, layout: str, headings: list[str]) -> None:
    add(http)
    (page,) = texts_of(http.get(f"/api/v1/accessions.pdf?layout={layout}&lang=en").content)
    assert [heading for heading in headings if heading not in page] == []
    assert "Giver" not in page


def test_columns_are_chosen_by_name_and_unknown_ones_are_refused(http: httpx.Client, database: Database) -> None:
    retitle(database, ARABIC)
    add(http)
    (page,) = texts_of(http.get("/api/v1/accessions.pdf", params={"columns": "number,title"}).content)
    assert "Nomor induk" in page
    assert "Harga" not in page
    assert "bdayh" not in page  # Arabic script is not replaced by Latin letters
    every = http.get("/api/v1/accessions.pdf", params={"columns": ",".join(COLUMNS)})
    assert every.status_code == 200
    for values, reason in (
        ({"columns": "number,colour"}, "REGISTER_COLUMN_UNKNOWN"),
        ({"columns": "number,number"}, "REGISTER_COLUMN_UNKNOWN"),
        ({"layout": "four"}, "REGISTER_LAYOUT_UNKNOWN"),
        ({"entered_from": "kemarin"}, "PERIOD_INVALID"),
    ):
        for kind in ("pdf", "xlsx"):
            refused = http.get(f"/api/v1/accessions.{kind}", params=values)
            assert (refused.status_code, refused.json()["reason"]) == (400, reason)
