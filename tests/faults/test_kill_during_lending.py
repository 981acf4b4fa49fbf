"""SIGKILL of `up` at every point of lending over HTTP, and of an import of loans: each act has one effect."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from chassis import clock
from chassis.audit import acts
from chassis.bus.local import deliveries
from chassis.bus.outbox import outbox
from chassis.context import system
from chassis.database.db import Database
from chassis.security.auth import Principal
from chassis.service import Resources, discover
from chassis.settings import load
from rangkiang.circulation.v1.events_pb2 import LoanOpened, LoanRenewed, LoanReturned
from rangkiang.members.v1.events_pb2 import MemberCopy
from services.catalog.tables import ItemState
from services.circulation.borrowers import copy_members
from services.circulation.importing import BATCH
from services.circulation.tables import Copy, DailyCount, Loan
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.fakes.accounts import PKS, add_institution
from tests.fakes.lending import ITEMS as ALL_ITEMS
from tests.fakes.lending import add_items, barcode
from tests.fakes.running import running
from tests.faults.killed_lending import POINTS
from tests.migrated import copied_database
from tests.programs import start_program

TEST = system("test")
KILLED_LENDING = "tests.faults.killed_lending:main"
DESKS = 3
ITEMS = 3  # of each desk
PAUSE_SECONDS = 0.02
DAY = timedelta(days=1)


def member_id(desk: int) -> str:
    return str(uuid.UUID(int=0xE000 + desk))


@pytest.fixture
def databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Database]]:
    """The databases of a library with items, a borrower for each desk and the keys that sign tokens."""
    settings = load({"DATA": str(tmp_path / "var")})
    with ExitStack() as stack:
        for service in discover():
            database = stack.enter_context(copied_database(service, settings.data))
            resources = Resources(settings=settings, database=database, service=service)
            monkeypatch.setitem(running, service.name, resources)
        add_institution()
        add_items()
        borrowers = [
            MemberCopy(id=member_id(desk), institution_id=str(PKS), version=1, category="dosen", numbers=[f"M{desk}"])
            for desk in range(DESKS)
        ]
        with running["circulation"].database.transaction(TEST) as session:
            copy_members(session, borrowers)
        yield {name: resources.database for name, resources in running.items()}


@pytest.fixture
def token(databases: dict[str, Database]) -> str:
    members = running["members"]
    keys = Keys(members.database, members.settings.of(MembersSettings))
    return keys.sign(Principal(str(uuid.uuid4()), str(PKS), str(uuid.uuid4()), scopes_of(["manager"])))


@pytest.fixture
def address(databases: dict[str, Database], tmp_path: Path) -> Iterator[str]:
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA": str(tmp_path / "var"), "PYTHONPATH": str(CHECKOUT), "RATE_LIMIT": "0"}
    with start_program([], program=KILLED_LENDING, env=environment, cwd=CHECKOUT) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["address"]
        process.terminate()


class Desk(threading.Thread):
    """Lends its items, renews one and takes them back, until it is stopped; sends each act again under its key until
    it succeeds.

    loans    ids of the loans that were answered, one for each check-out
    renewed  ids of the loans that were renewed
    """

    def __init__(self, number: int, address: str, token: str) -> None:
        super().__init__(name=f"desk {number}")
        self.loans: list[str] = []
        self.renewed: list[str] = []
        self.problem: Exception | None = None
        self.stopped = threading.Event()
        self._number, self._address, self._token = number, address, token

    def run(self) -> None:
        try:
            with httpx.Client(base_url=f"{self._address}/api/v1", timeout=10, verify=False) as http:
                while True:
                    for item in range(1, ITEMS + 1):
                        self._lend(http, barcode(self._number * ITEMS + item))
                    self.renewed.append(self._act(http, f"/loans/{self.loans[-1]}/renewals")["loan"]["id"])
                    if self.stopped.is_set():
                        return
                    for item in range(1, ITEMS + 1):
                        self._act(http, "/check-ins", item=barcode(self._number * ITEMS + item))
        except Exception as problem:
            self.problem = problem

    def _lend(self, http: httpx.Client, item: str) -> None:
        answer = self._act(http, "/check-outs", member=member_id(self._number), item=item)
        self.loans.append(answer["loan"]["id"])

    def _act(self, http: httpx.Client, path: str, **body: str) -> Any:
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": str(uuid.uuid4())}
        end = time.monotonic() + 60
        while time.monotonic() < end:
            time.sleep(PAUSE_SECONDS)
            try:
                response = http.post(path, json={**body, "branch": "PKS/PST"} if body else None, headers=headers)
            except httpx.TransportError:
                continue
            if response.status_code < 300:
                return response.json()
            assert response.status_code == 503, response.text
        raise AssertionError("the library does not come back")


def test_after_kills_at_every_point_each_loan_exists_once(
    databases: dict[str, Database], address: str, token: str, tmp_path: Path
) -> None:
    desks = [Desk(number, address, token) for number in range(DESKS)]
    for desk in desks:
        desk.start()
    try:
        for point in POINTS:
            file = tmp_path / "var" / "kill-at"
            file.with_suffix(".new").write_text(point)
            file.with_suffix(".new").rename(file)
            eventually(lambda file=file: not file.exists() or any(desk.problem for desk in desks), seconds=60)
    finally:
        for desk in desks:
            desk.stopped.set()
        for desk in desks:
            desk.join()
    assert [desk.problem for desk in desks] == [None] * DESKS
    answered = [loan for desk in desks for loan in desk.loans]
    assert len(set(answered)) == len(answered) > len(POINTS)
    check_data(databases, set(answered), {loan for desk in desks for loan in desk.renewed})


def check_data(databases: dict[str, Database], answered: set[str], renewed: set[str]) -> None:
    """Assert that these loans and renewals exist, and no others, and that each event had its effect."""
    with databases["circulation"].reading(TEST) as session:
        loans = session.scalars(select(Loan)).all()
        used = session.scalars(select(Copy).where(Copy.state_version > 0)).all()
        types = session.scalars(select(outbox.c.type)).all()
    copies = {copy.id: (copy.state, copy.state_version) for copy in used}
    assert {str(loan.id) for loan in loans} == answered
    assert len(loans) == len(answered)
    assert {loan.copy_id for loan in loans if loan.returned_at is None} == set(copies)
    assert len(copies) == DESKS * ITEMS
    assert types.count(LoanOpened.DESCRIPTOR.full_name) == len(loans)
    assert types.count(LoanRenewed.DESCRIPTOR.full_name) == len(renewed)
    assert types.count(LoanReturned.DESCRIPTOR.full_name) == len(loans) - len(copies)
    assert {str(loan.id): loan.renewals for loan in loans if loan.renewals} == dict.fromkeys(renewed, 1)
    with databases["circulation"].reading(TEST) as session:
        days = dict(session.execute(select(DailyCount.kind, func.count()).group_by(DailyCount.kind)).all())
    assert days == {"loan": len(loans), "renewal": len(renewed), "return": len(loans) - len(copies)}
    eventually(lambda: states(databases["catalog"]) == copies, seconds=60)
    for database in databases.values():
        with database.reading(TEST) as session:
            assert session.scalar(select(func.count()).select_from(deliveries).where(deliveries.c.dead)) == 0


def states(catalog: Database) -> dict[uuid.UUID, tuple[str, int]]:
    with catalog.reading(TEST) as session:
        return {row.item_id: (row.state, row.state_version) for row in session.scalars(select(ItemState))}


@pytest.mark.parametrize(("point", "number"), [("loan.before_commit", 30), ("batch.after_commit", 1)])
def test_a_killed_import_of_loans_is_run_again_and_each_loan_comes_once(
    databases: dict[str, Database], tmp_path: Path, point: str, number: int
) -> None:
    rows, today = range(1, ALL_ITEMS - 30), clock.now().date()
    path = tmp_path / "loans.csv"
    lines = [f"{barcode(row)};M{row % DESKS};{today - DAY};{today + DAY}" for row in rows]
    path.write_text("\n".join(["barcode;card;lent;due", *lines]))
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    environment |= {"DATA": str(tmp_path / "var"), "PYTHONPATH": str(CHECKOUT)}

    def run(point: str, number: int) -> tuple[int, bytes, bytes]:
        words = ["import", point, str(number), str(path), "--json"]
        process = start_program(words, program=KILLED_LENDING, env=environment, cwd=CHECKOUT, stderr=subprocess.PIPE)
        output, errors = process.communicate(timeout=60)
        return process.wait(), output or b"", errors or b""

    assert run(point, number)[0] == -signal.SIGKILL
    code, output, errors = run(point, 1_000)
    assert code == 0, errors[-2000:]
    counts = json.loads(output.splitlines()[-1])
    # One batch was written before the death.
    assert (counts["created"], counts["unchanged"]) == (len(rows) - BATCH, BATCH)
    with databases["circulation"].reading(TEST) as session:
        assert len(set(session.scalars(select(Loan.copy_id)))) == len(rows)
        assert session.scalar(select(func.count()).select_from(Loan)) == len(rows)
        assert session.scalar(select(func.count()).select_from(outbox)) == len(rows)
        imports = session.scalars(select(acts.c.facts).where(acts.c.act == "circulation.import"))
        assert sum(json.loads(facts)["loans"] for facts in imports) == len(rows)
        assert set(session.scalars(select(Copy.state).where(Copy.state_version > 0))) == {"on_loan"}
