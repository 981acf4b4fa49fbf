"""A lending library for tests: two institutions with branches, items, members, and a desk that calls the servicer."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Select, bindparam, select

from chassis import clock
from chassis.branches import full_code
from chassis.bus.outbox import outbox
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.errors import Error
from chassis.service import Resources
from chassis.settings import load
from chassis.urls import resolve
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy, ItemCopy
from rangkiang.circulation.v1 import loans_pb2 as wire
from rangkiang.common.v1.text_pb2 import LocalText
from rangkiang.members.v1.events_pb2 import BlockCopy, MemberCopy
from services.circulation.borrowers import copy_members
from services.circulation.copies import copy_items
from services.circulation.institutions import copy_institutions
from services.circulation.service import SERVICE
from services.circulation.tables import Copy, Loan
from tests.migrated import MigratedDatabases

TEST = system("test")
PKS = UUID("0192f3a4-0000-7000-8000-000000000001")
UNAND = UUID("0192f3a4-0000-7000-8000-000000000002")
BRANCHES = {
    "pusat": UUID("0192f3a4-0000-7000-8000-000000000011"),
    "papua": UUID("0192f3a4-0000-7000-8000-000000000012"),
    "limau": UUID("0192f3a4-0000-7000-8000-000000000021"),
}
INSTITUTION_OF = {"pusat": "PKS", "papua": "PKS", "limau": "UNAND"}
MANAGER = frozenset({"loans.lend", "loans.return", "loans.renew", "loans.read", "loans.override", "loans.at"})
DESK = MANAGER - {"loans.override", "loans.at"}


def full(branch: str) -> str:
    """Return the full code of a branch of these institutions; a full code as it is."""
    return branch if "/" in branch else full_code(INSTITUTION_OF[branch], branch)


class GrpcContext:
    """The part of a call's context that servicers use."""

    def __init__(self, context: Context) -> None:
        self.rangkiang = context

    def invocation_metadata(self) -> tuple[()]:
        return ()


class Library:
    """Lends through the servicer. Items and members come by the events of their owners."""

    def __init__(self, database: Database, folder: Path, **settings: str) -> None:
        self.database = database
        self.settings = load({"DATA": str(folder / "var"), **settings})
        self.servicer: Any = resolve(SERVICE.rpc)(Resources(self.settings, database, SERVICE))
        self.numbers = itertools.count(1)
        self.context = Context(
            institution=str(PKS), actor=str(uuid.uuid4()), session=str(uuid.uuid4()), scopes=MANAGER, language="en"
        )
        with database.transaction(TEST) as session:
            copy_institutions(
                session,
                [
                    _institution(PKS, "PKS", "public", {"pusat": "Asia/Jakarta", "papua": "Asia/Jayapura"}),
                    _institution(UNAND, "UNAND", "academic", {"limau": "Asia/Jakarta"}),
                ],
            )

    def item(self, **fields: Any) -> str:
        """Add an item of the circulation collection at pusat. Returns its barcode."""
        number = next(self.numbers)
        fields = {"id": str(uuid.uuid4()), "version": 1, "barcode": f"B{number:05}", "title": f"Buku {number}"} | fields
        fields.setdefault("institution_id", str(PKS))
        fields["branch_id"] = str(BRANCHES[fields.pop("branch", "pusat")])
        self.tell_items({"collection": "circulation", "status": "in_service", "class": "813"} | fields)
        return str(fields["barcode"])

    def tell_items(self, *items: dict[str, Any]) -> None:
        with self.database.transaction(TEST) as session:
            copy_items(session, [ItemCopy(**item) for item in items])

    def member(self, **fields: Any) -> str:
        """Add a member of the general public. Returns the number of the card."""
        member = self.member_copy(**fields)
        self.tell_members(member)
        return member.numbers[0]

    def member_copy(self, **fields: Any) -> MemberCopy:
        number = f"C{next(self.numbers):05}"
        fields = {"id": str(uuid.uuid4()), "version": 1, "numbers": [number], "category": "umum"} | fields
        fields.setdefault("institution_id", str(PKS))
        blocks = [BlockCopy(**block) for block in fields.pop("blocks", ())]
        return MemberCopy(**fields, blocks=blocks)

    def tell_members(self, *members: MemberCopy) -> None:
        with self.database.transaction(TEST) as session:
            copy_members(session, members)

    def call(self, method: str, request: Any, *, key: str = "", **context: Any) -> Any:
        """Call a method of the servicer, under a new Idempotency-Key or under this one."""
        caller = replace(
            self.context, key=key or str(uuid.uuid4()), method=f"/rangkiang.circulation.v1.Circulation/{method}",
            trailers={}, **context,
        )  # fmt: skip
        return getattr(self.servicer, method)(request, GrpcContext(caller))

    def check_out(self, member: str, item: str, *, branch: str = "pusat", key: str = "", **fields: Any) -> Any:
        context = fields.pop("context", {})
        request = wire.CheckOutRequest(member=member, item=item, branch=full(branch), **_with_time(fields))
        return self.call("CheckOut", request, key=key, **context)

    def check_in(self, item: str, *, branch: str = "pusat", key: str = "", **fields: Any) -> Any:
        context = fields.pop("context", {})
        return self.call(
            "CheckIn", wire.CheckInRequest(item=item, branch=full(branch), **_with_time(fields)), key=key, **context
        )

    def use(self, item: str, *, branch: str = "pusat", key: str = "") -> Any:
        return self.call("UseInLibrary", wire.UseInLibraryRequest(item=item, branch=full(branch)), key=key)

    def renew(self, loan: str, *, key: str = "", **fields: Any) -> Any:
        return self.call("RenewLoan", wire.RenewLoanRequest(id=loan, **fields), key=key)

    def end_suspension(
        self, member: str, *, reason: str = "Tutup karena banjir", branch: str = "", key: str = "", context: Any = None
    ) -> Any:
        """End the suspensions of a member; they are of the institution, so the branch decides nothing."""
        request = wire.EndSuspensionRequest(member=member, reason=reason)
        return self.call("EndSuspension", request, key=key, **(context or {}))

    def rows(self, table: Any, *conditions: Any) -> list[Any]:
        with self.database.reading(TEST) as session:
            return list(session.scalars(select(table).where(*conditions)))

    def execute(self, statement: Any) -> list[Any]:
        with self.database.reading(TEST) as session:
            return list(session.execute(statement).all())


@contextmanager
def opened(migrated: MigratedDatabases, kind: str, folder: Path) -> Iterator[Library]:
    with migrated.open(SERVICE, kind, folder) as database:
        yield Library(database, folder)


def copies_with_loans(*institutions: UUID) -> Select[Any]:
    """Read barcode, state and version of the copies of institutions, with day and borrower of the open loan."""
    copies, loans = Copy.__table__, Loan.__table__
    return (
        select(copies.c.barcode, copies.c.state, copies.c.state_version, loans.c.due_on, loans.c.borrower_id)
        .outerjoin(loans, (loans.c.copy_id == copies.c.id) & loans.c.returned_at.is_(None))
        .where(copies.c.institution_id.in_(institutions))
    )


def events_after(*institutions: UUID) -> Select[Any]:
    """Read the events of institutions after the parameter `last`, the id of an event, in their order."""
    return (
        select(outbox.c.id, outbox.c.type, outbox.c.body)
        .where(
            outbox.c.id > bindparam("last"),
            outbox.c.institution.in_([str(institution) for institution in institutions]),
        )
        .order_by(outbox.c.id)
    )


def reasons(call: Callable[[], Any]) -> set[str]:
    """The reasons for which a call is refused; empty when it is not."""
    try:
        call()
    except Error as error:
        return set(error.reasons)
    return set()


@contextmanager
def at(text: str) -> Iterator[datetime]:
    """Freeze the clock at an ISO 8601 moment with a zone."""
    moment = datetime.fromisoformat(text)
    with clock.frozen(moment):
        yield moment


def timestamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def _with_time(fields: dict[str, Any]) -> dict[str, Any]:
    if "at" in fields:
        fields["at"] = timestamp(fields["at"])
    return fields


def _institution(institution_id: UUID, code: str, kind: str, branches: dict[str, str]) -> InstitutionCopy:
    return InstitutionCopy(
        id=str(institution_id), version=1, code=code, kind=kind, zone="Asia/Jakarta", name=LocalText(id=code, en=code),
        branches=[
            BranchCopy(id=str(BRANCHES[name]), code=name, zone=zone, name=LocalText(id=name.title(), en=name.title()))
            for name, zone in branches.items()
        ],
    )  # fmt: skip
