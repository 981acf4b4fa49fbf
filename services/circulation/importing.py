"""Import of open loans from an earlier system: a CSV file of barcode, card, loan date and due date."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from chassis import audit, clock
from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Error, Invalid, NotFound, Refusal
from chassis.ids import new_id
from services.circulation.borrowers import find_borrower
from services.circulation.calendars import Due
from services.circulation.copies import ON_LOAN, find_copy
from services.circulation.institutions import Branches, branches_of
from services.circulation.loans.acts import Act
from services.circulation.loans.check_out import lend
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

    report  called with each rejected row and the refusal
    """

    def __init__(
        self,
        database: Database,
        context: Context,
        *,
        institution_id: UUID,
        dry_run: bool,
        report: Callable[[Row, Refusal], None],
    ) -> None:
        self._database, self._context, self._institution_id = database, context, institution_id
        self._dry_run, self._report = dry_run, report

    def run(self, rows: Iterator[Row]) -> Counts:
        """Import the rows in batches with one transaction each.

        emits  LoanOpened for each loan, as imported
        """
        counts, lent = Counts(), set[str]()
        while batch := list(islice(rows, BATCH)):
            counts.read += len(batch)
            for row, result in zip(batch, self._import(batch, lent), strict=True):
                if isinstance(result, Refusal):
                    counts.put_aside += 1
                    self._report(row, result)
                elif result:
                    counts.created += 1
                    lent.add(row.barcode)
                else:
                    counts.unchanged += 1
        return counts

    def _import(self, batch: list[Row], lent: Set[str]) -> list[Refusal | bool]:
        """Import a batch. Returns for each row whether its loan is new, or why the row is rejected.

        lent  barcodes that this run has lent
        """
        if not self._dry_run:
            return self._database.run(self._context, lambda session: self._add_all(session, batch, lent))
        with self._database.reading(self._context) as session:
            return self._add_all(session, batch, lent)

    def _add_all(self, session: Session, batch: list[Row], lent: Set[str]) -> list[Refusal | bool]:
        of, lock = self._institution_id, not self._dry_run
        copies = [find_copy(session, of, row.barcode, lock=lock) if row.barcode else None for row in batch]
        borrowers = [find_borrower(session, of, row.card, lock=lock) if row.card else None for row in batch]
        results: list[Refusal | bool] = []
        own: set[str] = set()
        for row, copy, borrower in zip(batch, copies, borrowers, strict=True):
            try:
                if row.barcode in lent or row.barcode in own:
                    raise Invalid("LOAN_ROW_ON_LOAN")
                is_new = self._add(session, row, copy, borrower)
            except Error as problem:
                results.append(problem.refusals[0])
                continue
            results.append(is_new)
            if is_new:
                own.add(row.barcode)
        if own and not self._dry_run:
            facts = {"loans": len(own)}
            audit.record(session, self._context, "circulation.import", kind="institution", object_id=of, facts=facts)
        return results

    def _add(self, session: Session, row: Row, copy: Copy | None, borrower: Borrower | None) -> bool:
        """Add the loan of a row; not in a dry run. Returns False when the loan is already stored.

        raises  NotFound, Invalid
        """
        if copy is None:
            raise NotFound("COPY_UNKNOWN", given=row.barcode[:64])
        branches = branches_of(session, self._institution_id)
        zone = _zone(branches, copy)
        lent_at = datetime.combine(_day(row.lent, "lent"), _NOON, zone).astimezone(UTC)
        due_on = _day(row.due, "due")
        if _is_known(session, copy, lent_at):
            return False
        if borrower is None:
            raise NotFound("BORROWER_UNKNOWN", given=row.card[:64])
        if copy.state == ON_LOAN:
            raise Invalid("LOAN_ROW_ON_LOAN")
        if due_on < lent_at.astimezone(zone).date() or lent_at > clock.now():
            raise Invalid("LOAN_ROW_DAYS", lent=row.lent[:20], due=row.due[:20])
        if self._dry_run:
            return True
        branch = branches.by_id(copy.branch_id) or branches.all[0]
        policies = current_policies(session, self._institution_id)
        policy = row_for(policies.rows, category=borrower.category, collection=copy.collection, branch=branch.code)
        due = Due(datetime.combine(due_on, _END_OF_DAY, zone).astimezone(UTC), due_on, ())
        act = Act(self._context, self._institution_id, clock.now(), lent_at, "import")
        lend(
            session, act, copy, borrower, loan_id=new_id(), branch_id=branch.id, due_moment=due,
            row=policy or PolicyRow(), policy_version=policies.version, is_imported=True,
        )  # fmt: skip
        return True


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
