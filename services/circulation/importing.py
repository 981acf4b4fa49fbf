"""Import of open loans from an earlier system: a CSV file of barcode, card, loan date and due date."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import audit, clock, events
from chassis.context import Context
from chassis.db import Database
from chassis.errors import Error, Invalid, NotFound, Refusal
from chassis.ids import new_id
from services.circulation.borrowers import find_borrower
from services.circulation.calendars import Due
from services.circulation.copies import ON_LOAN, find_copy
from services.circulation.institutions import Branches, branches_of
from services.circulation.loans.acts import Act, StaleFacts, Trace
from services.circulation.loans.check_out import CheckOut, loan_row, opened, write_check_out
from services.circulation.loans.views import LoanView
from services.circulation.policies import PolicyRow, row_for
from services.circulation.policies_store import current_policies
from services.circulation.tables import Borrower, Copy, Loan

BATCH = 20
MOST_BYTES = 100 * 1024 * 1024
COLUMNS = {
    "barcode": ("barcode", "barkod", "kodeeksemplar", "itemcode", "item"),
    "card": ("card", "kartu", "nomoranggota", "noanggota", "memberid", "member"),
    "lent": ("lent", "dipinjam", "tanggalpinjam", "tglpinjam", "loandate"),
    "due": ("due", "jatuhtempo", "tanggalkembali", "tglkembali", "duedate"),
}
_DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")
_END_OF_DAY = time(23, 59, 59)
_NOON = time(12)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the file. number: counts the rows with data from 1."""

    number: int
    barcode: str
    card: str
    lent: str
    due: str


@dataclass(slots=True)
class Counts:
    read: int = 0
    created: int = 0
    unchanged: int = 0
    put_aside: int = 0


def read_rows(path: Path) -> Iterator[Row]:
    """Read the rows of a CSV file in UTF-8 or Windows-1252, separated by `;`, `,` or tabs.

    raises  NotFound  PATH_NOT_FOUND
            Invalid   LOANS_FILE_INVALID  without a header or a column, or too large
    """
    try:
        content = path.read_bytes()
    except OSError:
        raise NotFound("PATH_NOT_FOUND", path=str(path)) from None
    if len(content) > MOST_BYTES:
        raise Invalid("LOANS_FILE_INVALID", why=f"> {MOST_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    header = text.partition("\n")[0]
    separator = max(";,\t", key=header.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    places = _places(next(reader, []))
    for number, cells in enumerate((cells for cells in reader if any(cell.strip() for cell in cells)), start=1):
        values = {name: cells[place].strip() if place < len(cells) else "" for name, place in places.items()}
        yield Row(number, **values)


def _places(header: Sequence[str]) -> dict[str, int]:
    folded = [re.sub(r"[^a-z]", "", cell.lower()) for cell in header]
    places = {}
    for name, names in COLUMNS.items():
        columns = [place for place, cell in enumerate(folded) if cell in names]
        if not columns:
            raise Invalid("LOANS_FILE_INVALID", why=f"{name}: {', '.join(names)}")
        places[name] = columns[0]
    return places


class LoanImport:
    """Adds open loans; a repeated import changes nothing.

    tell  called with each rejected row and the refusal
    """

    def __init__(
        self,
        database: Database,
        context: Context,
        *,
        institution_id: UUID,
        dry_run: bool,
        tell: Callable[[Row, Refusal], None],
    ) -> None:
        self._database, self._context, self._institution_id = database, context, institution_id
        self._dry_run, self._tell = dry_run, tell

    def run(self, rows: Iterator[Row]) -> Counts:
        """Import the rows in batches with one transaction each.

        emits  LoanOpened for each loan, as imported
        """
        counts, barcodes = Counts(), set[str]()
        while batch := list(islice(rows, BATCH)):
            counts.read += len(batch)
            plans = []
            with self._database.reading(self._context) as session:
                for row in batch:
                    try:
                        plan = self._plan(session, row, barcodes)
                    except Error as problem:
                        counts.put_aside += 1
                        self._tell(row, problem.refusals[0])
                        continue
                    if plan is None:
                        counts.unchanged += 1
                    else:
                        plans.append((row, plan))
            counts.created += len(plans) if self._dry_run else self._write(plans, counts)
        return counts

    def _write(self, plans: list[tuple[Row, tuple[Act, CheckOut]]], counts: Counts) -> int:
        """Write a batch; row by row if a desk has changed a copy or a borrower since they were read."""
        try:
            self._write_at_once([plan for _, plan in plans])
            return len(plans)
        except StaleFacts:
            written = 0
        for row, _ in plans:
            try:
                with self._database.reading(self._context) as session:
                    again = self._plan(session, row, set())
                if again is not None:
                    self._write_at_once([again])
                    written += 1
            except StaleFacts:
                counts.put_aside += 1
                self._tell(row, Refusal("LOAN_ROW_CHANGED"))
            except Error as problem:
                counts.put_aside += 1
                self._tell(row, problem.refusals[0])
        return written

    def _write_at_once(self, plans: list[tuple[Act, CheckOut]]) -> None:
        if not plans:
            return
        with self._database.transaction(self._context) as session:
            for act, plan in plans:
                write_check_out(session, act, plan)
                # The next loan of this borrower in the batch uses this object and needs the version after the write.
                if isinstance(plan.view.borrower, Borrower):
                    plan.view.borrower.lending_version += 1
            audit.record(
                session, self._context, "circulation.import", kind="institution", object_id=self._institution_id,
                facts={"loans": len(plans)},
            )  # fmt: skip

    def _plan(self, session: Session, row: Row, barcodes: set[str]) -> tuple[Act, CheckOut] | None:
        """Return the loan of a row; None when the loan is already stored.

        raises  NotFound, Invalid
        """
        copy = find_copy(session, self._institution_id, row.barcode) if row.barcode else None
        borrower = find_borrower(session, self._institution_id, row.card) if row.card else None
        if copy is None:
            raise NotFound("COPY_UNKNOWN", given=row.barcode[:64])
        branches = branches_of(session, self._institution_id)
        zone = _zone(branches, copy)
        lent_at = datetime.combine(_day(row.lent, "lent"), _NOON, zone).astimezone(UTC)
        due_on = _day(row.due, "due")
        if _is_known(session, copy, lent_at):
            return None
        if borrower is None:
            raise NotFound("BORROWER_UNKNOWN", given=row.card[:64])
        if copy.state == ON_LOAN or row.barcode in barcodes:
            raise Invalid("LOAN_ROW_ON_LOAN")
        if due_on < lent_at.astimezone(zone).date() or lent_at > clock.now():
            raise Invalid("LOAN_ROW_DAYS", lent=row.lent[:20], due=row.due[:20])
        barcodes.add(row.barcode)
        return self._loan(session, copy, borrower, branches, lent_at, due_on, zone)

    def _loan(
        self,
        session: Session,
        copy: Copy,
        borrower: Borrower,
        branches: Branches,
        lent_at: datetime,
        due_on: date,
        zone: ZoneInfo,
    ) -> tuple[Act, CheckOut]:
        now = clock.now()
        branch = branches.by_id(copy.branch_id) or branches.all[0]
        policies = current_policies(session, self._institution_id)
        row = row_for(policies.rows, category=borrower.category, collection=copy.collection, branch=branch.code)
        row = row or PolicyRow()
        due = Due(datetime.combine(due_on, _END_OF_DAY, zone).astimezone(UTC), due_on, ())
        act = Act(self._context, self._institution_id, now, lent_at, "import")
        loan = loan_row(
            loan_id=new_id(), copy=copy, borrower=borrower, branch_id=branch.id, lent_at=lent_at, due_moment=due,
            row=row, policy_version=policies.version,
        )  # fmt: skip
        view = LoanView(
            id=loan["id"], copy=copy, borrower=borrower, branch=branch, home=branch.code, lent_at=lent_at,
            due_at=due.at, due_on=due_on, unit=row.unit, renewals=0, renewals_left=row.renewals, overdue_days=0,
            returned_at=None, version=1,
        )  # fmt: skip
        fact = opened(loan, copy, imported=True)
        event = events.row_of_json(*fact, aggregate_id=copy.id, version=copy.state_version + 1, context=self._context)
        return act, CheckOut(view, loan, Trace({"event": event}), {})


def _is_known(session: Session, copy: Copy, lent_at: datetime) -> bool:
    """Return whether the copy has a loan of that day, open or returned."""
    day = timedelta(hours=12)
    query = select(Loan.id).where(Loan.copy_id == copy.id, Loan.lent_at >= lent_at - day, Loan.lent_at < lent_at + day)
    return session.execute(query.limit(1)).first() is not None


def _zone(branches: Branches, copy: Copy) -> ZoneInfo:
    """Return the zone of the copy's branch. Raises NotFound BRANCH_UNKNOWN when the institution has no branch."""
    branch = branches.by_id(copy.branch_id)
    if branch is None and not branches.all:
        raise NotFound("BRANCH_UNKNOWN", given="-")
    return ZoneInfo((branch or branches.all[0]).zone)


def _day(text: str, field: str) -> date:
    """Read a date such as 2026-03-02, or 02/03/2026 with the day first; a time may follow.

    raises  Invalid  LOAN_ROW_DAY
    """
    first = text.split(" ")[0].split("T")[0]
    numbers = _DAY_FIRST.fullmatch(first)
    try:
        if numbers is not None:
            day, month, year = (int(number) for number in numbers.groups())
            return date(year, month, day)
        return date.fromisoformat(first)
    except ValueError:
        raise Invalid("LOAN_ROW_DAY", field=field, given=text[:40]) from None
