"""Loans of an earlier system come once, row by row; the sample library lends thirty items."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from importlib.resources import files
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from chassis import clock
from chassis.audit import acts
from chassis.bus.outbox import outbox
from chassis.context import system
from chassis.errors import Invalid
from chassis.service import Resources
from services.circulation import sample
from services.circulation.calendars.documents import read_calendar
from services.circulation.importing import Counts, LoanImport, read_rows
from services.circulation.service import SERVICE
from services.circulation.tables import Copy, DailyCount, Institution, Loan
from tests.services.circulation.library import PKS, at


@pytest.fixture(autouse=True)
def monday():
    with at("2026-03-02T09:00:00+07:00"):
        yield


def load(library, path, *, dry_run: bool = False) -> tuple[Counts, dict[int, str]]:
    """Import a file. Returns the counts, and the reason of each row that was put aside."""
    aside: dict[int, str] = {}
    run = LoanImport(
        library.database, system("import"), institution_id=PKS, dry_run=dry_run,
        report=lambda row, refusal: aside.update({row.number: refusal.reason}),
    )  # fmt: skip
    return run.run(read_rows(path)), aside


def test_loans_are_imported_once_and_a_bad_row_has_its_reason(library, tmp_path):
    items, member = [library.item() for _ in range(3)], library.member()
    path = tmp_path / "loans.csv"
    path.write_text(
        "Barkod;Kartu;Tgl. pinjam;Jatuh tempo\n"
        f"{items[0]};{member};2026-02-20;2026-02-27\n"
        f"{items[1]};{member};20/02/2026;06/03/2026\n"
        f"{items[1]};{member};2026-02-21;2026-03-06\n"
        f"X1;{member};2026-02-20;2026-02-27\n"
        f"{items[2]};X2;2026-02-20;2026-02-27\n"
        f"{items[2]};{member};2026-02-20;31/31/2026\n"
        f"{items[2]};{member};2026-02-20;2026-02-19\n",
        encoding="utf-8-sig",
    )
    expected = {
        3: "LOAN_ROW_ON_LOAN", 4: "COPY_UNKNOWN", 5: "BORROWER_UNKNOWN", 6: "LOAN_ROW_DAY", 7: "LOAN_ROW_DAYS",
    }  # fmt: skip
    assert load(library, path, dry_run=True) == (Counts(7, 2, 0, 5), expected)
    assert not library.rows(Loan)
    assert load(library, path) == (Counts(7, 2, 0, 5), expected)
    assert load(library, path) == (Counts(7, 0, 2, 5), expected)
    due = {row.due_on.isoformat() for row in library.rows(Loan)}
    assert due == {"2026-02-27", "2026-03-06"}
    assert {row.state for row in library.rows(Copy, Copy.barcode.in_(items[:2]))} == {"on_loan"}
    assert library.execute(select(func.count()).select_from(outbox)) == [(2,)]
    (act,) = library.execute(select(acts.c.act, acts.c.facts))
    assert (act.act, json.loads(act.facts)) == ("circulation.import", {"loans": 2})
    assert not library.rows(DailyCount), "no act of this library"
    library.check_in(items[0])
    assert load(library, path)[0] == Counts(7, 0, 2, 5), "a loan that was returned since does not come again"


def test_a_file_without_a_column_is_refused(tmp_path):
    path = tmp_path / "loans.csv"
    path.write_text("barcode,card,lent\nB1,C1,2026-02-20\n")
    with pytest.raises(Invalid, match="LOANS_FILE_INVALID"):
        list(read_rows(path))


def test_the_sample_lends_thirty_items_five_of_them_overdue_once(library):
    for _ in range(40):
        library.item()
    for _ in range(20):
        library.member()
    resources = Resources(library.settings, library.database, replace(SERVICE, projections=()))
    assert sample.load(resources) == {"loans": 30}
    loans = library.rows(Loan)
    assert sum(loan.due_at < clock.now() for loan in loans) == 5
    assert sample.load(resources) == {"loans": 0}
    assert len(library.rows(Loan)) == 30
    assert library.rows(Institution, Institution.code == sample.INSTITUTION)


def test_the_sample_lends_no_item_whose_branch_has_not_arrived(library):
    library.tell_items(
        {
            "id": str(uuid4()), "version": 1, "institution_id": str(PKS), "branch_id": str(uuid4()), "barcode": "A1",
            "collection": "circulation", "status": "in_service",
        }
    )  # fmt: skip
    library.item()
    library.member()
    resources = Resources(library.settings, library.database, replace(SERVICE, projections=()))
    assert sample.load(resources) == {"loans": 1}


def test_each_branch_of_the_sample_library_has_hours():
    hours = tomllib.loads(sample._HOURS.read_text())
    document = files("services.catalog.sample").joinpath("institutions.toml").read_text()
    for institution in tomllib.loads(document)["institution"]:
        for branch in institution["branch"]:
            weekly = hours[institution["code"]][branch["code"]]
            assert any(read_calendar({"weekly": weekly}, zone=institution["zone"]).weeks), branch
