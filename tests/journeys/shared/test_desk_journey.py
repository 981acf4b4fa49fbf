"""A day at the desk in Chromium: a card, five scans and one key; a queue; a refusal that is waived; a reader."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.builders import book
from tests.conditions import eventually
from tests.journeys.library import Library
from tests.web.scans import type_scans, wait_until_sent

PASSWORD = "kopi jendela sungai"
ITEMS = [f"OPAL{number:04}" for number in range(1, 31)]


@dataclass
class Office:
    """The API as a program of an administrator uses it, and browsers of people."""

    library: Library
    http: httpx.Client

    def post(self, path: str, body: Any = None) -> Any:
        response = self.http.post(path, json=body, headers={"Idempotency-Key": str(uuid.uuid4())})
        assert response.is_success, response.text
        return response.json() if response.content else {}

    def open(self, browser: Browser, path: str) -> Page:
        page = browser.new_context(base_url=self.library.address, locale="id-ID").new_page()
        page.goto(path)
        return page


@pytest.fixture
def office(library: Library) -> Iterator[Office]:
    client = library.command(
        "client", "create", f"meja-{uuid.uuid4().hex[:8]}", "--institution", "PKS", "--role", "administrator"
    )
    with httpx.Client(base_url=f"{library.address}/api/v1", timeout=30, verify=False) as http:
        token = http.post("/tokens", json={name: client[name] for name in ("client_id", "client_secret")}).json()[
            "access_token"
        ]
        http.headers["Authorization"] = f"Bearer {token}"
        yield Office(library, http)


def sign_in(page: Page, user: str) -> None:
    page.goto("/sign-in")
    page.fill("#user", user)
    page.fill("#password", PASSWORD)
    page.click("main button.go")
    expect(page.locator(".signed-in .who")).to_be_visible()


def test_a_day_at_the_desk(library: Library, office: Office, browser: Browser) -> None:
    library.put([book("1", "Opal hitam dari Banten", items=[("PST", code) for code in ITEMS])], source="OPAL")
    record = library.only_id("opal")
    user = f"petugas-{uuid.uuid4().hex[:8]}"
    link = office.post("/staff", {"user": user, "name": "Budi Santoso", "roles": ["manager"]})["link"]
    desk = office.open(browser, link)
    for name in ("password", "repeated"):
        desk.fill(f"#{name}", PASSWORD)
    desk.click("main button.go")
    # Opening another page earlier would cancel the request.
    expect(desk.locator("#repeated")).to_have_count(0)
    sign_in(desk, user)
    school = office.post(
        "/members", {"name": "SMA Contoh", "category": "lembaga", "responsible": {"name": "Yusmaniar"}}
    )["number"]
    reader = office.post("/members", {"name": "Rahmi Pembaca", "category": "umum"})
    code = office.post(f"/members/{reader['id']}/password-codes")["code"]
    office.post("/passwords", {"number": reader["number"], "code": code, "password": PASSWORD})

    desk.get_by_role("link", name="Meja layanan").click()
    desk.get_by_label("Perpustakaan Pusat").check()
    desk.get_by_role("button", name="Simpan").click()
    desk.locator("body.live").wait_for()
    desk.keyboard.press("Alt+u")
    type_scans(desk, school, *ITEMS[:5])
    assert wait_until_sent(desk) == ["Dipinjamkan"] * 5 + ["Data peminjam dibuka"]
    assert "SMA Contoh" in desk.locator("#borrower").inner_text()
    desk.keyboard.press("Escape")
    type_scans(desk, school, *ITEMS[5:25])
    assert wait_until_sent(desk)[:21] == ["Dipinjamkan"] * 20 + ["Data peminjam dibuka"]
    assert "25 dari 30" in desk.locator("#borrower").inner_text()

    type_scans(desk, reader["number"], *ITEMS[25:29])
    assert wait_until_sent(desk)[0] == "Tidak dapat dipinjamkan"
    assert "Batas pinjaman sudah tercapai: 3 dari 3." in desk.locator(".outcome").first.inner_text()
    desk.keyboard.press("Alt+o")
    desk.keyboard.type("Lomba literasi besok")
    desk.keyboard.press("Enter")
    assert wait_until_sent(desk)[0] == "Dipinjamkan"

    def out() -> int:
        items = library.api(f"/records/{record}/items")["hits"]
        return sum(item["availability"] == "out_until" for item in items)

    eventually(lambda: out() == 29)
    own = office.open(browser, "/sign-in")
    sign_in(own, reader["number"])
    own.goto("/account")
    due = own.locator(".loans strong").first.inner_text()
    own.get_by_role("button", name="Perpanjang semua").click()
    expect(own.locator(".note").first).to_be_visible()
    assert own.locator(".loans strong").first.inner_text() != due
    assert own.get_by_text("Jatah perpanjangan sudah habis").count() == 4

    desk.keyboard.press("Alt+k")
    type_scans(desk, *ITEMS[:29])
    assert wait_until_sent(desk)[:29] == ["Kembali ke rak"] * 29
    eventually(lambda: out() == 0)
    own.reload()
    expect(own.get_by_text("Tidak ada pinjaman.")).to_be_visible()
