"""Any order of acts in two institutions and three branches, with time travel: each does what a small model expects.

Some acts were written on paper; members are blocked, expire and are merged. Each act leaves only expected events.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from chassis import clock
from chassis.branches import full_code
from chassis.context import Context
from chassis.ids import new_id
from rangkiang.circulation.v1.loans_pb2 import RenewLoanRequest
from services.circulation.calendars_store import save_calendar
from services.circulation.institutions import copy_institutions
from services.circulation.tables import Branch as BranchRow
from services.circulation.tables import DailyCount
from tests.services.circulation import model
from tests.services.circulation.library import TEST, Library, copies_with_loans, events_after, reasons
from tests.services.circulation.model import DAY, Branch, Item, Member, Merge, refusals, renewal_refusals
from tests.services.circulation.model import Loan as LoanModel

PICKS = st.integers(0, 1_000)
NAMES = ("item_id", "state", "branch_id", "loan_id", "member_id", "due_on")
_numbers = itertools.count()


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
        self.cards: dict[str, str] = {}  # number as scanned -> member
        self.merges: list[Merge] = []
        self.objects: dict[str, Any] = {}
        self.versions: Counter[str] = Counter()
        self.counts: Counter[tuple[str, date, str]] = Counter()
        self.expected: list[dict[str, Any]] = []  # events of the last act
        self.last_event = uuid.UUID(int=0)
        # Built once, because each step reads them.
        self.copies_with_loans = copies_with_loans(self.ids["city"], self.ids["campus"])
        self.events_after = events_after(self.ids["city"], self.ids["campus"])
        with clock.frozen(self.now), self.library.database.transaction(TEST) as session:
            kinds = {"city": "public", "campus": "academic"}
            copy_institutions(session, [model.institution_copy(self.ids, self.model, *kind) for kind in kinds.items()])
            for name in ("a", "c"):
                row = session.get(BranchRow, self.ids[name])
                context = Context(institution=str(row.institution_id), actor="test")
                save_calendar(session, row, version=0, document={"weekly": model.WEEK}, context=context)

    def call(self, act: Any, *arguments: str, branch: str, paper: int | None = None, **more: Any) -> Any:
        """Call two minutes later, so that no scan repeats another one."""
        type(self).now += timedelta(minutes=2)
        own = self.ids[self.model[branch].institution]
        if paper is not None:
            more["at"] = self.now - timedelta(hours=paper)
        with clock.frozen(self.now):
            return act(*arguments, branch=full_code(own.hex[-20:], branch), context={"institution": str(own)}, **more)

    def moment(self, paper: int | None) -> datetime:
        """When the next call's act has happened."""
        return self.now + timedelta(minutes=2) - timedelta(hours=paper or 0)

    def expect(self, kind: str, barcode: str, *, branch: str, loan: LoanModel | None = None) -> None:
        """Expect the event of an act on a copy, whose state after it is in the model already."""
        copy = self.copies[barcode]
        copy.version += 1
        event = {"type": kind, "item_id": self.objects[barcode]["id"], "state": copy.state, "loan_id": "", "due_on": ""}
        event |= {"state_version": copy.version, "branch_id": str(self.ids[branch]), "member_id": ""}
        if loan is not None:
            member = self.objects[loan.member]["id"]
            event |= {"loan_id": loan.id, "member_id": member, "due_on": loan.due.isoformat()}
        self.expected.append(event)

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
        self.objects[barcode] = {"id": str(uuid.uuid4()), "barcode": barcode, "collection": collection}
        self.tell_item(barcode)

    def add_member(self, institution: str) -> None:
        number = f"M{next(_numbers)}"
        self.people[number] = Member(institution)
        self.cards[number] = number
        self.objects[number] = {"id": str(uuid.uuid4())}
        self.tell_member(number)

    def place(self, institution: str, pick: int) -> str:
        """A branch of an institution; one pick in twenty is a branch of another one."""
        names = [name for name, state in self.model.items() if (state.institution == institution) != (pick % 20 == 7)]
        return names[pick % len(names)]

    def item(self, institution: str, pick: int, *, is_lent: bool = False) -> str:
        """An item of an institution; of those that are lent, if wanted and there are any."""
        items = [(code, copy) for code, copy in self.copies.items() if self.model[copy.home].institution == institution]
        lent = [(code, copy) for code, copy in items if copy.loan is not None and is_lent] or items
        return lent[pick % len(lent)][0]

    def card(self, institution: str, pick: int) -> str:
        numbers = [number for number, owner in self.cards.items() if self.people[owner].institution == institution]
        return numbers[pick % len(numbers)]

    def tell_item(self, barcode: str) -> None:
        self.versions[barcode] += 1
        item, home = self.copies[barcode], self.model[self.copies[barcode].home]
        given = {"version": self.versions[barcode], "status": item.status, "branch_id": str(self.ids[item.home])}
        self.library.tell_items({**self.objects[barcode], **given, "institution_id": str(self.ids[home.institution])})

    def tell_member(self, number: str) -> None:
        """Tell of a member, twice: after the second time nothing is different."""
        self.versions[number] += 1
        member = self.people[number]
        member = self.library.member_copy(
            id=self.objects[number]["id"],
            institution_id=str(self.ids[member.institution]),
            version=self.versions[number],
            category="umum" if member.institution == "city" else "mahasiswa",
            numbers=sorted(card for card, owner in self.cards.items() if owner == number),
            expires_on=member.expires.isoformat() if member.expires else "",
            blocks=[{"reason": "unpaid", "ends_on": last.isoformat() if last else ""} for last in member.blocks],
            merged_into=next((self.objects[merge.kept]["id"] for merge in self.merges if merge.merged == number), ""),
        )
        self.library.tell_members(member)
        self.library.tell_members(member)

    @rule(
        act=st.sampled_from(
            [*["out"] * 6, *["in"] * 4, "renew", "renew", "end", *["wait"] * 4, "item", "member", "merge"]
        ),
        institution=st.sampled_from(["city", "city", "campus"]),
        pick=PICKS,
        reader=PICKS,
        desk=PICKS,
        paper=st.sampled_from(model.PAPER),
    )
    def act(self, act: str, institution: str, pick: int, reader: int, desk: int, paper: int | None) -> None:
        """One rule for all acts: Hypothesis would leave some of several rules out of an example."""
        match act:
            case "out":
                self.check_out(institution, pick, reader, desk, paper, scans_again=pick % 5 == 0)
            case "in":
                self.check_in(institution, pick, desk, paper)
            case "renew":
                self.renew(institution, pick)
            case "end":
                self.end_suspension(institution, reader)
            case "wait":
                type(self).now += timedelta(hours=model.HOURS[pick % len(model.HOURS)])
            case "item":
                self.change_item(institution, pick, "in_repair" if desk % 3 == 0 else "in_service")
            case "member":
                self.change_member(institution, reader, pick, desk)
            case "merge":
                self.merge(institution, pick, reader)

    def change_item(self, institution: str, pick: int, status: str) -> None:
        item, home = self.item(institution, pick), self.place(institution, pick)
        if self.is_known(item, home):
            self.copies[item].status, self.copies[item].home = status, home
        self.tell_item(item)

    def change_member(self, institution: str, reader: int, pick: int, desk: int) -> None:
        """A card that ends on another day, a block, or the end of all blocks."""
        number = self.cards[self.card(institution, reader)]
        member, days = self.people[number], model.DAYS_LEFT[desk % len(model.DAYS_LEFT)]
        last = None if days is None else self.now.date() + DAY * days
        match pick % 3:
            case 0:
                member.expires = last
            case 1:
                member.blocks.append(last)
            case _:
                member.blocks.clear()
        self.tell_member(number)

    def merge(self, institution: str, pick: int, reader: int) -> None:
        """Merge two members, or undo a merge: what is told comes in either order."""
        kept, merged = (self.cards[self.card(institution, number)] for number in (reader, pick))
        undone = [merge for merge in self.merges if merge.kept == kept]
        if kept == merged and undone:
            self.separate(undone[-1])
        elif kept == merged:
            self.add_member(institution)
        else:
            self.join(kept, merged)
        for number in (kept, merged) if pick % 2 else (merged, kept):
            self.tell_member(number)

    def join(self, kept: str, merged: str) -> None:
        """All that is the merged member's goes to the kept one, but for the day when its card ends."""
        member, other = self.people[kept], self.people[merged]
        cards = [card for card, owner in self.cards.items() if owner == merged]
        self.merges.append(Merge(merged, kept, cards, other.blocks))
        member.blocks, other.blocks = member.blocks + other.blocks, []
        member.suspensions, other.suspensions = member.suspensions + other.suspensions, []
        self.cards |= dict.fromkeys(cards, kept)
        for loan in self.loans_of(merged):
            loan.member = kept

    def separate(self, merge: Merge) -> None:
        """Cards and blocks that came with a member go back; loans and suspensions stay."""
        kept, other = self.people[merge.kept], self.people[merge.merged]
        self.merges.remove(merge)
        self.cards |= dict.fromkeys((card for card in merge.cards if self.cards[card] == merge.kept), merge.merged)
        for block in merge.blocks:
            if block in kept.blocks:
                kept.blocks.remove(block)
                other.blocks.append(block)
        self.tell_member(merge.merged)

    def check_out(
        self, institution: str, pick: int, reader: int, desk: int, paper: int | None, *, scans_again: bool
    ) -> None:
        item, card = self.item(institution, pick), self.card(institution, reader)
        branch, member, moment = self.place(institution, desk), self.cards[card], self.moment(paper)
        copy, person, place = self.copies[item], self.people[member], self.model[branch]
        unknown = {"COPY_UNKNOWN"} if not self.is_known(item, branch) else set()
        unknown |= {"BORROWER_UNKNOWN"} if person.institution != place.institution else set()
        too_old = {"AT_TOO_OLD"} if paper is not None and paper > 24 * 7 else set()
        expected = too_old or unknown or refusals(person, self.loans_of(member), copy, place, moment)
        if expected:
            assert (
                reasons(lambda: self.call(self.library.check_out, card, item, branch=branch, paper=paper)) == expected
            )
            return
        reply = self.call(self.library.check_out, card, item, branch=branch, paper=paper)
        today = place.day(moment)
        due = place.due(today + DAY * place.period, lent=today, expires=person.expires)
        assert reply.loan.due_on == due.isoformat()
        copy.state, copy.loan = "on_loan", LoanModel(member, place, moment, due, reply.loan.id)
        self.counts["loan", today, branch] += 1
        self.expect("LoanOpened", item, branch=branch, loan=copy.loan)
        if scans_again:
            type(self).now -= timedelta(minutes=1, seconds=30)
            again = self.call(self.library.check_out, card, item, branch=branch, paper=paper)
            assert (again.repeated, again.loan.id) == (True, reply.loan.id)

    def check_in(self, institution: str, pick: int, desk: int, paper: int | None) -> None:
        item, branch = self.item(institution, pick, is_lent=pick % 3 > 0), self.place(institution, desk)
        copy, place, moment = self.copies[item], self.model[branch], self.moment(paper)
        refusal = "" if self.is_known(item, branch) else "COPY_UNKNOWN"
        if not refusal and copy.loan is not None and moment < copy.loan.lent:
            refusal = "AT_BEFORE_LOAN"
        if paper is not None and paper > 24 * 7:
            refusal = "AT_TOO_OLD"
        if refusal:
            assert reasons(lambda: self.call(self.library.check_in, item, branch=branch, paper=paper)) == {refusal}
            return
        reply = self.call(self.library.check_in, item, branch=branch, paper=paper)
        assert reply.next == ("shelve" if copy.home == branch else "transit")
        before, loan = (copy.state, copy.goes_to), copy.loan
        copy.state, copy.goes_to = ("in", "") if copy.home == branch else ("transit", copy.home)
        copy.loan = None
        assert reply.HasField("loan") == (loan is not None)
        if loan is not None:
            copy.returned = max(copy.returned or moment, moment)
            assert place.institution == loan.branch.institution
            self.counts["return", place.day(moment), branch] += 1
            self.expect("LoanReturned", item, branch=copy.goes_to or branch, loan=loan)
            self.expected += [{**self.expected[-1], "type": "SuspensionStarted"}] * self.suspend(reply, loan, moment)
        elif before != (copy.state, copy.goes_to):
            self.expect("CopyMoved", item, branch=copy.goes_to or branch)

    def suspend(self, reply: Any, loan: LoanModel, moment: datetime) -> bool:
        """A late return suspends; the reply says until when this day's returns do. Returns whether it changes that."""
        returned = loan.branch.day(moment)
        days = min(loan.branch.late(loan.due, returned), loan.branch.cap)
        assert reply.HasField("suspension") == (days > 0)
        person, before = self.people[loan.member], list(self.people[loan.member].suspensions)
        if days:
            person.suspend(returned, days)
            ends = [first + DAY * (count - 1) for day, first, count in person.suspensions if day == returned]
            assert reply.suspension.ends_on == max(ends).isoformat()
        return person.suspensions != before

    def end_suspension(self, institution: str, reader: int) -> None:
        """Staff end what is in force or follows; without any, the act is refused."""
        card = self.card(institution, reader)
        person = self.people[self.cards[card]]
        if person.institution == institution:
            branch = min(name for name, state in self.model.items() if state.institution == institution)
            is_suspended = person.end_suspensions(self.model[branch].day(self.moment(None)))
            refused = reasons(lambda: self.call(self.library.end_suspension, card, branch=branch))
            assert refused == (set() if is_suspended else {"NO_SUSPENSION"})
            ended = {"type": "SuspensionEnded", "state_version": 0, "member_id": self.objects[self.cards[card]]["id"]}
            self.expected += [dict.fromkeys(NAMES, "") | ended] * is_suspended

    def renew(self, institution: str, pick: int) -> None:
        item = self.item(institution, pick, is_lent=True)
        loan = self.copies[item].loan
        if loan is None:
            return
        person, place, now = self.people[loan.member], loan.branch, self.moment(None)
        due = place.due(loan.due + DAY * place.period, lent=place.day(now), expires=person.expires)
        branch = next(name for name, state in self.model.items() if state is place)

        def renew(loan_id: str, *, branch: str, context: dict[str, str]) -> Any:
            return self.library.call("RenewLoan", RenewLoanRequest(id=loan_id), **context)

        expected = renewal_refusals(person, loan, due, now)
        if expected:
            assert reasons(lambda: self.call(renew, loan.id, branch=branch)) == expected
            return
        assert self.call(renew, loan.id, branch=branch).loan.due_on == due.isoformat()
        loan.due, loan.renewals = due, loan.renewals + 1
        self.counts["renewal", place.day(now), branch] += 1
        self.expect("LoanRenewed", item, branch=branch, loan=loan)

    @invariant()
    def tables_and_facts_say_what_the_model_says(self) -> None:
        if not self.copies:
            return
        with self.library.database.reading(TEST) as session:
            copies = session.execute(self.copies_with_loans).all()
            events = session.execute(self.events_after, {"last": self.last_event}).all()
        self.compare_copies(copies)
        self.compare_events(events)

    def compare_copies(self, rows: Sequence[Any]) -> None:
        numbers = {item["id"]: number for number, item in self.objects.items()}
        assert len(rows) == len(self.copies), "an item has one open loan at most"
        stored = {
            row.barcode: (row.state, row.state_version, row.due_on, numbers.get(str(row.borrower_id))) for row in rows
        }
        assert stored == {
            barcode: (
                item.state, item.version, item.loan.due if item.loan else None, item.loan.member if item.loan else None
            )
            for barcode, item in self.copies.items()
        }  # fmt: skip

    def compare_events(self, rows: Sequence[Any]) -> None:
        """An act leaves the events that the model expects, and nothing else leaves any."""
        events = []
        for row in rows:
            self.last_event = row.id
            loan = (body := json.loads(row.body)).get("loan", body)
            kind, version = row.type.rpartition(".")[2], int(loan.get("state_version", 0))
            events.append({"type": kind, "state_version": version, **{name: loan.get(name, "") for name in NAMES}})
        assert events == self.expected
        self.expected = []

    def teardown(self) -> None:
        """Each act has left one daily count of its day and branch."""
        institutions = [self.ids["city"], self.ids["campus"]]
        columns = (DailyCount.kind, DailyCount.date, DailyCount.branch)
        counts = select(*columns, func.count()).where(DailyCount.institution_id.in_(institutions)).group_by(*columns)
        assert {tuple(row[:3]): row[3] for row in self.library.execute(counts)} == dict(self.counts)


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
