"""Any order of acts in two institutions and three branches, with time travel: each does what a small model expects."""

from __future__ import annotations

import itertools
import json
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from chassis import clock
from chassis.context import Context
from chassis.ids import new_id
from chassis.outbox import outbox
from rangkiang.catalog.v1.events_pb2 import BranchCopy, InstitutionCopy
from rangkiang.circulation.v1.loans_pb2 import RenewLoanRequest
from services.circulation.calendars_store import save_calendar
from services.circulation.institutions import copy_institutions
from services.circulation.tables import Branch as BranchRow
from services.circulation.tables import Copy, DailyFact, Loan
from tests.services.circulation.library import TEST, Library, reasons
from tests.services.circulation.model import Branch, Item, Member, refusals
from tests.services.circulation.model import Loan as LoanModel

PICKS = st.integers(0, 1_000)
HOURS = (1, 7, 24, 24 * 2, 24 * 6, 24 * 8, 24 * 20)
_numbers = itertools.count()
WEEK = {day: [["08:00", "16:00"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat")}


class Lending(RuleBasedStateMachine):
    """Desks of two institutions of their own; the clock of all examples goes on, because acts refuse an earlier one."""

    library: Library
    now: ClassVar[datetime] = datetime(2026, 1, 5, 1, 0, tzinfo=UTC)

    def __init__(self) -> None:
        super().__init__()
        self.ids = {name: new_id() for name in ("city", "campus", "a", "b", "c")}
        self.model = {
            "a": Branch("Asia/Jakarta", "city", keeps_sundays=True, period=7, limit=3, cap=30),
            "b": Branch("Asia/Jayapura", "city", keeps_sundays=False, period=7, limit=3, cap=30),
            "c": Branch("Asia/Makassar", "campus", keeps_sundays=True, period=14, limit=5, cap=0),
        }
        self.copies: dict[str, Item] = {}
        self.people: dict[str, Member] = {}
        self.facts: dict[str, Any] = {}
        self.versions: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()
        with clock.frozen(self.now), self.library.database.transaction(TEST) as session:
            copy_institutions(session, [self._institution("city", "public"), self._institution("campus", "academic")])
            for name in ("a", "c"):
                row = session.get(BranchRow, self.ids[name])
                context = Context(institution=str(row.institution_id), actor="test")
                save_calendar(session, row, version=0, document={"weekly": WEEK}, context=context)

    def _institution(self, name: str, kind: str) -> InstitutionCopy:
        branches = [
            BranchCopy(id=str(self.ids[code]), code=code, zone=branch.zone)
            for code, branch in self.model.items()
            if branch.institution == name
        ]
        identity = self.ids[name]
        return InstitutionCopy(
            id=str(identity), version=1, code=identity.hex[-20:], kind=kind, zone="Asia/Jakarta", branches=branches
        )

    def call(self, act: Any, *arguments: str, branch: str, **more: Any) -> Any:
        """Call two minutes later, so that no scan repeats another one."""
        type(self).now += timedelta(minutes=2)
        context = {"institution": str(self.ids[self.model[branch].institution])}
        with clock.frozen(self.now):
            return act(*arguments, branch=branch, context=context, **more)

    def loans_of(self, member: str) -> list[LoanModel]:
        return [item.loan for item in self.copies.values() if item.loan is not None and item.loan.member == member]

    def is_known(self, item: str, branch: str) -> bool:
        return self.model[self.copies[item].home].institution == self.model[branch].institution

    @initialize()
    def open(self) -> None:
        for home in ("a", "a", "a", "b", "b", "c", "c"):
            self.add_item(home)
        self.add_item("a", "reference")
        for institution in ("city", "city", "campus"):
            self.add_member(institution)

    def add_item(self, home: str, collection: str = "circulation") -> None:
        barcode = f"I{next(_numbers)}"
        self.copies[barcode] = Item(home, collection)
        self.facts[barcode] = {"id": str(uuid.uuid4()), "barcode": barcode, "collection": collection}
        self.tell_item(barcode)

    def add_member(self, institution: str) -> None:
        number = f"M{next(_numbers)}"
        self.people[number] = Member(institution)
        self.facts[number] = {"id": str(uuid.uuid4()), "numbers": [number]}
        self.tell_member(number)

    def place(self, institution: str, pick: int) -> str:
        """A branch of an institution; one pick in twenty is a branch of another one."""
        names = [name for name, one in self.model.items() if (one.institution == institution) != (pick % 20 == 7)]
        return names[pick % len(names)]

    def item(self, institution: str, pick: int, *, is_lent: bool = False) -> str:
        """An item of an institution; of those that are lent, if wanted and there are any."""
        items = [(code, one) for code, one in self.copies.items() if self.model[one.home].institution == institution]
        lent = [(code, one) for code, one in items if one.loan is not None and is_lent] or items
        return lent[pick % len(lent)][0]

    def member(self, institution: str, pick: int) -> str:
        numbers = [number for number, one in self.people.items() if one.institution == institution]
        return numbers[pick % len(numbers)]

    def tell_item(self, barcode: str) -> None:
        self.versions[barcode] += 1
        item, home = self.copies[barcode], self.model[self.copies[barcode].home]
        given = {"version": self.versions[barcode], "status": item.status, "branch_id": str(self.ids[item.home])}
        self.library.tell_items({**self.facts[barcode], **given, "institution_id": str(self.ids[home.institution])})

    def tell_member(self, number: str) -> None:
        self.versions[number] += 1
        member = self.people[number]
        category = "umum" if member.institution == "city" else "mahasiswa"
        given = {"version": self.versions[number], "category": category} | self.facts[number]
        given["expires_on"] = "2020-01-01" if member.is_expired else ""
        self.library.tell_members(self.library.fact(**given, institution_id=str(self.ids[member.institution])))

    @rule(
        act=st.sampled_from(["out", "out", "out", "in", "in", "renew", "wait", "wait", "item", "member"]),
        institution=st.sampled_from(["city", "city", "campus"]),
        pick=PICKS,
        reader=PICKS,
        desk=PICKS,
    )
    def act(self, act: str, institution: str, pick: int, reader: int, desk: int) -> None:
        """One rule for all acts: Hypothesis would leave some of several rules out of an example."""
        match act:
            case "out":
                self.check_out(institution, pick, reader, desk, scans_again=pick % 5 == 0)
            case "in":
                self.check_in(institution, pick, desk)
            case "renew":
                self.renew(institution, pick)
            case "wait":
                type(self).now += timedelta(hours=HOURS[pick % len(HOURS)])
            case "item":
                self.change_item(institution, pick, "in_repair" if desk % 3 == 0 else "in_service")
            case "member":
                self.change_member(institution, pick, desk % 4 == 0)

    def change_item(self, institution: str, pick: int, status: str) -> None:
        item, home = self.item(institution, pick), self.place(institution, pick)
        if self.is_known(item, home):
            self.copies[item].status, self.copies[item].home = status, home
        self.tell_item(item)

    def change_member(self, institution: str, pick: int, is_expired: bool) -> None:
        member = self.member(institution, pick)
        self.people[member].is_expired = is_expired
        self.tell_member(member)

    def check_out(self, institution: str, pick: int, reader: int, desk: int, scans_again: bool) -> None:
        item, member = self.item(institution, pick), self.member(institution, reader)
        branch = self.place(institution, desk)
        copy, person, place = self.copies[item], self.people[member], self.model[branch]
        unknown = {"COPY_UNKNOWN"} if not self.is_known(item, branch) else set()
        unknown |= {"BORROWER_UNKNOWN"} if person.institution != place.institution else set()
        now = self.now + timedelta(minutes=2)
        expected = unknown or refusals(person, self.loans_of(member), copy, place, now)
        if expected:
            assert reasons(lambda: self.call(self.library.check_out, member, item, branch=branch)) == expected
            return
        reply = self.call(self.library.check_out, member, item, branch=branch)
        due = place.due(place.day(now) + timedelta(days=place.period))
        assert reply.loan.due_on == due.isoformat()
        copy.state, copy.loan = "on_loan", LoanModel(member, place, due)
        self.counts["loan"] += 1
        if scans_again:
            type(self).now -= timedelta(minutes=1, seconds=30)
            again = self.call(self.library.check_out, member, item, branch=branch)
            assert (again.repeated, again.loan.id) == (True, reply.loan.id)

    def check_in(self, institution: str, pick: int, desk: int) -> None:
        item, branch = self.item(institution, pick, is_lent=pick % 3 > 0), self.place(institution, desk)
        copy, place = self.copies[item], self.model[branch]
        if not self.is_known(item, branch):
            assert reasons(lambda: self.call(self.library.check_in, item, branch=branch)) == {"COPY_UNKNOWN"}
            return
        reply = self.call(self.library.check_in, item, branch=branch)
        assert reply.next == ("shelve" if copy.home == branch else "transit")
        copy.state = "in" if copy.home == branch else "transit"
        loan, copy.loan = copy.loan, None
        assert reply.HasField("loan") == (loan is not None)
        if loan is None:
            return
        self.counts["return"] += 1
        lender = loan.branch
        days = min(lender.late(loan.due, lender.day(self.now)), lender.cap)
        assert reply.HasField("suspension") == (days > 0)
        if days:
            person = self.people[loan.member]
            person.suspend(lender.day(self.now), days)
            first, longest = person.suspensions[lender.day(self.now)]
            assert (reply.suspension.begins_on, reply.suspension.days) == (first.isoformat(), longest)
        assert place.institution == lender.institution

    def renew(self, institution: str, pick: int) -> None:
        item = self.item(institution, pick, is_lent=True)
        copy = self.copies[item]
        loan = copy.loan
        if loan is None:
            return
        with self.library.database.reading(TEST) as session:
            query = select(Loan.id).join(Copy, Copy.id == Loan.copy_id).where(Copy.barcode == item)
            loan_id = str(session.scalars(query.where(Loan.returned_at.is_(None))).one())
        person, place, now = self.people[loan.member], loan.branch, self.now + timedelta(minutes=2)
        until = person.suspended_until()
        expected = {
            "MEMBER_EXPIRED": person.is_expired,
            "MEMBER_SUSPENDED": until is not None and until >= place.day(now),
            "RENEWALS_USED_UP": loan.renewals == 1,
            "RENEWAL_OVERDUE": loan.is_overdue(now),
            "RENEWAL_NOT_LATER": place.due(loan.due + timedelta(days=place.period)) < place.day(now),
        }
        branch = next(name for name, one in self.model.items() if one is place)
        wanted = {reason for reason, refuses in expected.items() if refuses}

        def renew(loan_id: str, *, branch: str, context: dict[str, str]) -> Any:
            return self.library.call("RenewLoan", RenewLoanRequest(id=loan_id), **context)

        if wanted:
            assert reasons(lambda: self.call(renew, loan_id, branch=branch)) == wanted
            return
        loan.due = place.due(loan.due + timedelta(days=place.period))
        loan.renewals += 1
        self.counts["renewal"] += 1
        assert self.call(renew, loan_id, branch=branch).loan.due_on == loan.due.isoformat()

    @invariant()
    def the_tables_say_what_the_model_says(self) -> None:
        if not self.copies:
            return
        query = (
            select(Copy.barcode, Copy.state, Loan.due_on, Loan.borrower_id)
            .outerjoin(Loan, (Loan.copy_id == Copy.id) & Loan.returned_at.is_(None))
            .where(Copy.institution_id.in_([self.ids["city"], self.ids["campus"]]))
        )
        numbers = {fact["id"]: number for number, fact in self.facts.items() if "numbers" in fact}
        rows = self.library.execute(query)
        assert len(rows) == len(self.copies), "an item has one open loan at most"
        stored = {row.barcode: (row.state, row.due_on, numbers.get(str(row.borrower_id))) for row in rows}
        assert stored == {
            barcode: (item.state, item.loan.due if item.loan else None, item.loan.member if item.loan else None)
            for barcode, item in self.copies.items()
        }
        open_loans = Counter(row.borrower_id for row in rows if row.borrower_id is not None)
        assert all(count <= 5 for count in open_loans.values())

    def teardown(self) -> None:
        """Each act has left one daily fact; the facts of an item count its versions, and the last one has its state."""
        institutions = [self.ids["city"], self.ids["campus"]]
        kinds = select(DailyFact.kind, func.count()).where(DailyFact.institution_id.in_(institutions))
        assert dict(self.library.execute(kinds.group_by(DailyFact.kind))) == dict(self.counts)  # type: ignore[arg-type]
        told: dict[str, list[Any]] = {}
        bodies = select(outbox.c.body).where(outbox.c.institution.in_([str(one) for one in institutions]))
        for row in self.library.execute(bodies.order_by(outbox.c.id)):
            fact = json.loads(row.body)["loan"]
            told.setdefault(fact["item_id"], []).append(fact)
        for barcode, item in self.copies.items():
            facts = told.get(self.facts[barcode]["id"], [])
            assert [int(fact["state_version"]) for fact in facts] == list(range(1, len(facts) + 1))
            assert (facts[-1]["state"] if facts else "in") == item.state


def run(library: Library, *, examples: int, steps: int) -> None:
    machine = type("Machine", (Lending,), {"library": library, "now": Lending.now})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        ),
    )  # fmt: skip


def test_any_order_of_acts_does_what_the_model_expects(library):
    run(library, examples=40, steps=50)
