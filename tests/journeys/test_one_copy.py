"""Many desks scan one copy for many members at once, over HTTP: it goes out once, and the catalogue says so."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.builders import book
from tests.conditions import eventually
from tests.journeys.library import Library

MEMBERS, ROUNDS, DESKS = 60, 3, 4
FIRST = "Agus Budi Chandra Dewi Eka Fajar Gita Hasan Indah Joko".split()  # noqa: SIM905
LAST = "Piliang Koto Chaniago Sikumbang Tanjung Jambak".split()  # noqa: SIM905


def register_members(library: Library) -> list[str]:
    """Import members; return their card numbers."""
    numbers = [f"LOMBA{number:03}" for number in range(MEMBERS)]
    names = [" ".join(words) for words in itertools.product(FIRST, LAST)]
    path = library.folder / "lomba.csv"
    rows = [f"{number};{name};umum" for number, name in zip(numbers, names, strict=True)]
    path.write_text("\n".join(["nomor;nama;kategori", *rows]))
    assert library.command("members", "import", str(path), "--institution", "PKS")["created"] == MEMBERS
    return numbers


def desk(library: Library, number: int) -> httpx.Client:
    """A program at a desk, with its own credential."""
    name = f"lomba-{number}-{uuid.uuid4().hex[:6]}"
    client = library.command("client", "create", name, "--institution", "PKS", "--role", "desk")
    http = httpx.Client(base_url=f"{library.address}/api/v1", timeout=60, verify=False)
    token = http.post("/tokens", json=client).json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    return http


def test_one_copy_is_lent_once_however_many_desks_scan_it(library: Library) -> None:
    source, barcode = f"LOMBA{library.edition.upper()}", "ZAMRUD0001"
    library.put([book("1", "Zamrud dari Silungkang", items=[("PST", barcode)])], source=source)
    record = library.only_id("zamrud silungkang")
    numbers, desks = register_members(library), [desk(library, number) for number in range(DESKS)]

    def scan(member: str) -> tuple[int, list[str]]:
        reply = desks[numbers.index(member) % DESKS].post(
            "/check-outs",
            json={"member": member, "item": barcode, "branch": "PST"},
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
        return reply.status_code, [refusal["reason"] for refusal in reply.json().get("refusals", [])]

    def availability() -> str:
        (item,) = library.api(f"/records/{record}/items")["hits"]
        return str(item["availability"])

    # The copies of members and of the new item arrive at circulation.
    dry_run = {"item": barcode, "branch": "PST", "dry_run": True}
    for number in (numbers[0], numbers[-1]):
        eventually(
            lambda number=number: desks[0].post("/check-outs", json={**dry_run, "member": number}).status_code == 200
        )
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(DESKS * 4) as threads:
            results = list(threads.map(scan, numbers))
        assert Counter(status for status, _ in results) == {201: 1, 409: MEMBERS - 1}
        assert all("ITEM_ON_LOAN" in reasons for status, reasons in results if status == 409)
        eventually(lambda: availability() == "out_until")
        key = {"Idempotency-Key": str(uuid.uuid4())}
        returned = desks[0].post("/check-ins", json={"item": barcode, "branch": "PST"}, headers=key)
        assert returned.json()["next"] == "shelve"
        eventually(lambda: availability() == "can_be_borrowed")
    for http in desks:
        http.close()
