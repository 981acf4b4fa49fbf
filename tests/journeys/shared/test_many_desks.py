"""Many desks at once over HTTP: one copy goes out once; lending beside an import of its records loses nothing."""

from __future__ import annotations

import itertools
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import func, select

from chassis.bus.outbox import outbox
from chassis.context import system
from chassis.database.db import Database
from chassis.service import load
from chassis.settings import load as load_settings
from rangkiang.circulation.v1.events_pb2 import LoanOpened, LoanReturned
from services.catalog.marc.record import Record
from services.catalog.tables import ItemState
from services.circulation.tables import Copy, Loan
from tests.builders import book
from tests.conditions import eventually
from tests.journeys.library import Library

TEST = system("test")
# Who compete for one copy, and how often.
MEMBERS, ROUNDS, DESKS = 200, 10, 4
FIRST = "Agus Budi Chandra Dewi Eka Fajar Gita Hasan Indah Joko Kartini Lukman Maya Nurul Oki Putri Rudi Sari Tono Umi".split()  # noqa: SIM905, E501
LAST = "Piliang Koto Chaniago Sikumbang Tanjung Jambak Guci Melayu Caniago Sinapa".split()  # noqa: SIM905
RECORDS, ITEMS_OF_DESK, MOST_OUT = 40, 20, 5
PAUSE_SECONDS = 0.05  # between two acts of a desk that lends during an import
SECONDS = 180  # until every effect is there, at most: four tests share two processors


@dataclass
class Databases:
    """The databases of a running library."""

    circulation: Database
    catalog: Database

    def rows(self, name: str, statement: Any) -> list[Any]:
        with getattr(self, name).reading(TEST) as session:
            return list(session.execute(statement))

    def events(self, kind: Any, items: list[uuid.UUID]) -> int:
        """Number of events of a kind about items."""
        of_items = outbox.c.aggregate_id.in_([str(item) for item in items])
        count = select(func.count()).where(of_items, outbox.c.type == kind.DESCRIPTOR.full_name)
        return int(self.rows("circulation", count)[0][0])


@pytest.fixture
def databases(library: Library) -> Iterator[Databases]:
    settings = load_settings(library.environment)
    with ExitStack() as stack:
        names = ("circulation", "catalog")
        yield Databases(*(stack.enter_context(closing(load(name).open_database(settings))) for name in names))


def client(library: Library, role: str) -> httpx.Client:
    """A program with its own credential."""
    name = f"{role}-{uuid.uuid4().hex[:8]}"
    secret = library.command("client", "create", name, "--institution", "PKS", "--role", role)
    http = httpx.Client(base_url=f"{library.address}/api/v1", timeout=60, verify=False)
    token = http.post("/tokens", json={name: secret[name] for name in ("client_id", "client_secret")}).json()[
        "access_token"
    ]
    http.headers["Authorization"] = f"Bearer {token}"
    return http


def send(http: httpx.Client, path: str, body: Any = None, *, key: str = "") -> httpx.Response:
    return http.post(path, json=body, headers={"Idempotency-Key": key or str(uuid.uuid4())})


def act(http: httpx.Client, path: str, **body: Any) -> Any:
    """Send an act; again under its key while the library is busy, or is still at the first. Returns the answer."""
    key, end = str(uuid.uuid4()), time.monotonic() + SECONDS
    while True:
        response = send(http, path, body, key=key)
        if response.is_success:
            return response.json()
        is_busy = response.status_code in (503, 504) or response.json()["reason"] == "IDEMPOTENCY_KEY_IN_USE"
        assert is_busy, response.text
        assert time.monotonic() < end, response.text


def register_members(library: Library) -> list[str]:
    """Import members; return their card numbers."""
    numbers = [f"LOMBA{number:03}" for number in range(MEMBERS)]
    names = [" ".join(words) for words in itertools.product(FIRST, LAST)]
    path = library.folder / "lomba.csv"
    rows = [f"{number};{name};umum" for number, name in zip(numbers, names, strict=True)]
    path.write_text("\n".join(["nomor;nama;kategori", *rows]))
    assert library.command("members", "import", str(path), "--institution", "PKS")["created"] == MEMBERS
    return numbers


def test_one_copy_is_lent_once_however_many_desks_scan_it(library: Library, databases: Databases) -> None:
    barcode = "ZAMRUD0001"
    library.put([book("1", "Zamrud dari Silungkang", items=[("PST", barcode)])], source="LOMBA")
    record = library.only_id('"zamrud dari silungkang"')
    numbers, http = register_members(library), client(library, "desk")
    desks = threading.local()

    def open_desk(opened: ExitStack) -> None:
        # For thousands of requests: httpx takes more than a millisecond of CPU time for each.
        desks.connection = opened.enter_context(closing(HTTPConnection(urlsplit(library.address).netloc, timeout=60)))

    def scan(member: str) -> tuple[int, Any, str]:
        key = str(uuid.uuid4())
        headers = {"Authorization": http.headers["Authorization"], "Content-Type": "application/json"}
        body = json.dumps({"member": member, "item": barcode, "branch": "PKS/PST"})
        desks.connection.request("POST", "/api/v1/check-outs", body, {**headers, "Idempotency-Key": key})
        with desks.connection.getresponse() as reply:
            return reply.status, json.load(reply), key

    def is_known(member: str) -> bool:
        body = {"member": member, "item": barcode, "branch": "PKS/PST", "dry_run": True}
        return send(http, "/check-outs", body).status_code == 200

    def availability() -> str:
        (item,) = library.api(f"/records/{record}/items")["hits"]
        return str(item["availability"])

    # The copies of members and of the new item arrive at circulation.
    for number in (numbers[0], numbers[-1]):
        eventually(lambda number=number: is_known(number), seconds=SECONDS)
    ((item,),) = databases.rows("circulation", select(Copy.id).where(Copy.barcode == barcode))
    for number in range(1, ROUNDS + 1):
        with ExitStack() as opened, ThreadPoolExecutor(DESKS * 4, initializer=open_desk, initargs=(opened,)) as threads:
            results = list(threads.map(scan, numbers))
        assert Counter(status for status, *_ in results) == {201: 1, 409: MEMBERS - 1}
        refusals = [problem["refusals"] for status, problem, _ in results if status == 409]
        assert all("ITEM_ON_LOAN" in {refusal["reason"] for refusal in refusal_list} for refusal_list in refusals)
        loans = databases.rows("circulation", select(Loan.id, Loan.returned_at).where(Loan.copy_id == item))
        assert (len(loans), [loan.returned_at for loan in loans].count(None)) == (number, 1)
        assert databases.events(LoanOpened, [item]) == number
        eventually(lambda: availability() == "out_until", seconds=SECONDS)
        # The answer of the loan was lost on its way: its key replays it, although the copy is out now.
        winner, (_, answer, key) = next((n, r) for n, r in zip(numbers, results, strict=True) if r[0] == 201)
        again = send(http, "/check-outs", {"member": winner, "item": barcode, "branch": "PKS/PST"}, key=key)
        assert (again.status_code, again.json()["loan"]["id"]) == (201, answer["loan"]["id"])
        assert send(http, "/check-ins", {"item": barcode, "branch": "PKS/PST"}).json()["next"] == "shelve"
        eventually(lambda: availability() == "can_be_borrowed", seconds=SECONDS)
    http.close()


@dataclass
class Desk:
    """Lends its items to its member and takes them back, again and again, until it is stopped.

    lent      loans that were answered, with their items
    returned  loans whose return was answered
    """

    http: httpx.Client
    member: str
    items: list[str]
    stopped: threading.Event
    lent: dict[str, str] = field(default_factory=dict)
    returned: set[str] = field(default_factory=set)

    def run(self) -> None:
        out: list[str] = []
        for item in itertools.cycle(self.items):
            self.lent[act(self.http, "/check-outs", item=item, member=self.member, branch="PKS/PST")["loan"]["id"]] = (
                item
            )
            out.append(item)
            if self.stopped.is_set():
                return
            self.stopped.wait(PAUSE_SECONDS)
            if len(out) > MOST_OUT:
                self.returned.add(act(self.http, "/check-ins", item=out.pop(0), branch="PKS/PST")["loan"]["id"])


def collection(title: str, items: Callable[[int], list[str]]) -> list[Record]:
    return [
        book(str(number), f"{title} jilid {number}", items=[("PST", code) for code in items(number)])
        for number in range(RECORDS)
    ]


def test_lending_goes_on_beside_an_import_of_its_records_and_nothing_is_lost(
    library: Library, databases: Databases
) -> None:
    codes = [f"NILAM{number:04}" for number in range(RECORDS * 2 + 2)]
    moved, gone = codes[-2:]
    own = {number: [codes[number * 2], codes[number * 2 + 1]] for number in range(RECORDS)}
    before = collection("Nilam", lambda number: own[number] + ([moved, gone] if number == 0 else []))
    after = collection("Nilam Aceh", lambda number: own[number] + ([moved] if number == RECORDS - 1 else []))
    library.put(before, source="NILAM")
    office = client(library, "administrator")
    stopped, desks = threading.Event(), []
    for number in range(DESKS):
        school = {"name": f"SMA Nilam {number}", "category": "lembaga", "responsible": {"name": "Yusmaniar"}}
        member = act(office, "/members", **school)["id"]
        items = codes[number * ITEMS_OF_DESK : (number + 1) * ITEMS_OF_DESK]
        desks.append(Desk(client(library, "desk"), member, items, stopped))
    common = {"branch": "PKS/PST", "dry_run": True}
    for code in (codes[0], gone):
        for member in (desks[0].member, desks[-1].member):
            body = {**common, "item": code, "member": member}
            eventually(lambda body=body: send(office, "/check-outs", body).status_code == 200, seconds=SECONDS)
    out = {"member": desks[0].member, "branch": "PKS/PST"}
    loans = {code: act(office, "/check-outs", item=code, **out)["loan"] for code in (moved, gone)}

    with ThreadPoolExecutor(DESKS) as threads:
        runs = [threads.submit(desk.run) for desk in desks]
        try:
            count = sum(len(desk.lent) for desk in desks)
            assert library.put(after, source="NILAM")["updated"] == RECORDS
            count = sum(len(desk.lent) for desk in desks) - count
            assert library.put(after, source="NILAM")["unchanged"] == RECORDS
        finally:
            stopped.set()
        for run in runs:
            run.result(timeout=SECONDS)
    assert count > DESKS, "the desks have lent during the import"
    check_data(databases, desks, {loan["id"]: code for code, loan in loans.items()})

    query = select(Copy.barcode, Copy.title, Copy.is_gone).where(Copy.barcode.in_(codes))

    def follows() -> bool:
        rows = databases.rows("circulation", query)
        titles = {row.barcode: row.title for row in rows if not row.is_gone}
        named = [title for code, title in titles.items() if code != gone]
        # The item that its record no longer names stays, because it is lent.
        return (
            len(titles) == len(codes)
            and titles[moved].endswith(f"jilid {RECORDS - 1}")
            and all(title.startswith("Nilam Aceh") for title in named)
        )

    def is_gone() -> bool:
        return {row.barcode for row in databases.rows("circulation", query) if row.is_gone} == {gone}

    eventually(follows, seconds=SECONDS)
    for code, notes in ((moved, []), (gone, ["ITEM_NOT_IN_SERVICE"])):
        reply = act(office, "/check-ins", item=code, branch="PKS/PST")
        assert (reply["loan"]["id"], [note["reason"] for note in reply["notes"]]) == (loans[code]["id"], notes)
    eventually(is_gone, seconds=SECONDS)
    for desk in desks:
        out = len(desk.lent) - len(desk.returned)
        eventually(lambda: office.get(f"/members/{desk.member}").json()["open_loans"] == out, seconds=SECONDS)  # noqa: B023
        desk.http.close()
    office.close()


def check_data(databases: Databases, desks: list[Desk], others: dict[str, str]) -> None:
    """Assert that the answered acts, and no others, are in the loans, in the events and in the catalogue's states."""
    lent = others | {loan: item for desk in desks for loan, item in desk.lent.items()}
    returned = {loan for desk in desks for loan in desk.returned}
    items = select(Copy.id, Copy.barcode, Copy.state, Copy.state_version).where(Copy.barcode.in_(set(lent.values())))
    copies = {row.id: row for row in databases.rows("circulation", items)}
    loans = databases.rows(
        "circulation", select(Loan.id, Loan.copy_id, Loan.returned_at).where(Loan.copy_id.in_(list(copies)))
    )
    assert {str(loan.id): copies[loan.copy_id].barcode for loan in loans} == lent
    assert {str(loan.id) for loan in loans if loan.returned_at is not None} == returned
    assert databases.events(LoanOpened, list(copies)) == len(lent)
    assert databases.events(LoanReturned, list(copies)) == len(returned)
    assert sum(copy.state_version for copy in copies.values()) == len(lent) + len(returned)
    states = select(ItemState.item_id, ItemState.state, ItemState.state_version).where(
        ItemState.item_id.in_(list(copies))
    )
    expected = {copy.id: (copy.state, copy.state_version) for copy in copies.values()}
    eventually(
        lambda: {row[0]: tuple(row[1:]) for row in databases.rows("catalog", states)} == expected, seconds=SECONDS
    )
