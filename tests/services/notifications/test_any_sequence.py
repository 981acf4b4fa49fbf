"""For any sequence of loans, renewals, returns, preferences and outages: one digest a day, never in the quiet hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from chassis import clock
from chassis.database.db import Database
from chassis.ids import new_id
from rangkiang.circulation.v1.events_pb2 import LoanDueSoon, LoanOpened, LoanOverdue, LoanRenewed, LoanReturned
from rangkiang.members.v1.events_pb2 import MembershipExpiring
from services.notifications.channels.port import Outcome
from services.notifications.preferences import Answer, replace_answers
from services.notifications.sending.queue import WAITING_KINDS, next_moment
from services.notifications.service import SERVICE
from services.notifications.tables import (
    Attempt,
    ChannelDay,
    LoanMark,
    Member,
    Message,
    Notice,
    Preference,
    RefusedAddress,
)
from services.notifications.templates.kinds import KINDS
from tests.fakes.notices import ACCEPTED, AWAY, FakeChannel, loan_copy
from tests.migrated import copied_database
from tests.services.notifications.conftest import (
    JAYAPURA,
    JAYAPURA_BRANCH,
    PADANG,
    PADANG_BRANCH,
    TEST,
    Office,
    add_institutions,
)

DIGESTS = tuple(kind.name for kind in KINDS.values() if not kind.goes_at_once)
START = datetime(2026, 11, 20, 23, 50, tzinfo=UTC)  # 06.50 in Padang, 08.50 in Jayapura
ENDED = {"sent", "dropped", "print", "failed", "unknown"}
OUTCOMES = {
    "accepted": ACCEPTED,
    "away": AWAY,
    "refused": Outcome("permanent", reason="REFUSED"),
    "bad address": Outcome("permanent", reason="NO_SUCH_MAILBOX", is_address_bad=True),
    "no answer": Outcome("unknown", reason="NO_ANSWER"),
    "closed": Outcome("temporary", reason="CIRCUIT_OPEN", retry_after_seconds=90),
}
PLACES = {
    PADANG: (PADANG_BRANCH, ZoneInfo("Asia/Jakarta")),
    JAYAPURA: (JAYAPURA_BRANCH, ZoneInfo("Asia/Jayapura")),
}

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("lend"), st.integers(0, 2), st.integers(-20, 5)),
        st.tuples(st.just("warned"), st.integers(0, 2), st.integers(1, 20)),
        st.tuples(st.sampled_from(["renew", "move", "return", "due soon", "overdue", "late due soon"]),
                  st.integers(0, 9)),
        st.tuples(st.just("prefer"), st.integers(0, 2), st.sampled_from(["all", "overdue", "due_soon"]),
                  st.sampled_from(["all", "email", "sms"]), st.booleans()),
        st.tuples(st.just("channel"), st.integers(0, 1), st.sampled_from(sorted(OUTCOMES))),
        st.tuples(st.just("members"), st.booleans()),
        st.tuples(st.just("crash")),
        st.tuples(st.just("expiring"), st.integers(0, 2)),
        st.tuples(st.just("evening"), st.integers(0, 2), st.sampled_from(["away", "refused", "closed"])),
        st.tuples(st.just("wait"), st.sampled_from([1, 20, 20, 60, 60, 7 * 60, 11 * 60, 24 * 60])),
    ),
    min_size=3,
    max_size=12,
)  # fmt: skip


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database that each example empties: a new one would compile each statement again."""
    with copied_database(SERVICE, tmp_path_factory.mktemp("any")) as database:
        add_institutions(database)
        yield database


def empty(database: Database) -> None:
    with database.transaction(TEST) as session:
        for table in (Attempt, Notice, Message, LoanMark, Preference, RefusedAddress, ChannelDay, Member):
            session.execute(delete(table))


class Story:
    """A library with two members in Padang and one in Jayapura, whose channels and members come and go."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.moment = START
        self.members: list[tuple[UUID, UUID]] = []
        for institution in (PADANG, PADANG, JAYAPURA):
            phone = f"+628123456{len(self.members):03d}"
            member = office.owners.add(email=f"{new_id().hex}@example.org", phone=phone)
            self.members.append((member, institution))
        self.loans: list[dict[str, object]] = []
        self.expiries = 0

    def tell(self, step: tuple[object, ...]) -> None:
        match step:
            case ("lend", int(who), int(days)):
                member, institution = self.members[who]
                loan = {"member": member, "institution": institution, "id": new_id(), "version": 1, "is_open": True,
                        "due": (self.moment + timedelta(days=days)).date()}  # fmt: skip
                self.loans.append(loan)
                self.deliver(LoanOpened, loan)
            case ("warned", int(who), int(days)):
                self.tell(("lend", who, -days))
                self.deliver(LoanOverdue, self.loans[-1], step=1)
            case ("renew", int(which)) if loan := self._loan(which):
                loan["version"] += 1
                loan["due"] = (self.moment + timedelta(days=7)).date()
                self.deliver(LoanRenewed, loan)
            case ("move", int(which)) if loan := self._loan(which):
                loan["version"] += 1
                loan["due"] = max(loan["due"], self.moment.date()) + timedelta(days=1)
                self.deliver(LoanRenewed, loan, moved=True)
            case ("return", int(which)) if loan := self._loan(which):
                loan["version"] += 1
                loan["is_open"] = False
                self.deliver(LoanReturned, loan)
            case ("due soon" | "late due soon" as kind, int(which)) if self.loans:
                loan = self.loans[which % len(self.loans)]
                if loan["is_open"] or kind == "late due soon":
                    self.deliver(LoanDueSoon, loan, days=1)
            case ("overdue", int(which)) if loan := self._loan(which):
                self.deliver(LoanOverdue, loan, step=(1, 7, 14, 30)[which % 4])
            case ("expiring", int(who)):
                member, institution = self.members[who]
                self.expiries += 1
                ends_on = (self.moment + timedelta(days=30 + self.expiries)).date().isoformat()
                event = MembershipExpiring(member_id=str(member), institution_id=str(institution), expires_on=ends_on)
                with clock.frozen(self.moment):
                    self.office.deliver(event, institution=institution)
            case ("evening", int(who), str(name)):
                self.refuse_in_the_evening(who, name)
            case _:
                self.change(step)
        # What only changes the surroundings is seen with the next event.
        if step[0] not in ("prefer", "channel", "members"):
            self.send()

    def refuse_in_the_evening(self, who: int, name: str) -> None:
        """Overdue notices at 19.50, while no channel takes them; the channels are back within the quiet hours."""
        zone = PLACES[self.members[who][1]][1]
        local = (self.moment + timedelta(days=1)).astimezone(zone)
        self.moment = local.replace(hour=19, minute=50).astimezone(UTC)
        for which in range(len(self.office.channels)):
            self.change(("channel", which, name))
        self.tell(("warned", who, 3))
        self.tell(("expiring", who))
        for which in range(len(self.office.channels)):
            self.change(("channel", which, "accepted"))
        self.tell(("wait", 20))
        self.tell(("wait", 60))

    def change(self, step: tuple[object, ...]) -> None:
        """Change what is around the loans: preferences, channels, members, the sender's process, the clock."""
        match step:
            case ("prefer", int(who), str(kind), str(channel), bool(allowed)):
                member, institution = self.members[who]
                with self.office.database.transaction(TEST) as session:
                    replace_answers(session, member, institution, [Answer(kind, channel, allowed)])
            case ("channel", int(which), str(name)):
                self.office.channels[which].outcome = OUTCOMES[name]
            case ("members", bool(is_away)):
                self.office.owners.is_away = is_away
            case ("crash",):
                self.office.sender = self.office.new_sender()
                self.office.sender.recover()
            case ("wait", int(minutes)):
                self.moment += timedelta(minutes=minutes)

    def deliver(self, event: type, loan: dict, **values: object) -> None:
        branch, zone = PLACES[loan["institution"]]
        body = loan_copy(
            loan["member"], loan["institution"], loan_id=loan["id"], version=loan["version"], due_on=loan["due"],
            branch_id=branch, state="on_loan" if loan["is_open"] else "in",
        )  # fmt: skip
        zones = {"zone": str(zone)} if event in (LoanDueSoon, LoanOverdue) else {}
        with clock.frozen(self.moment):
            for _ in range(2):
                self.office.deliver(event(loan=body, **values, **zones), institution=loan["institution"])

    def send(self) -> None:
        """Send what is due. Does nothing while members is away."""
        with clock.frozen(self.moment):
            if not self.office.owners.is_away:
                self.office.send(rounds=200)

    def send_all(self) -> None:
        """Let days go by until nothing waits: from one moment at which there is work to the next."""
        for _ in range(200):
            self.send()
            with self.office.database.reading(TEST) as session:
                moment = next_moment(session, self.moment)
            if moment is None:
                return
            self.moment = max(moment, self.moment + timedelta(seconds=1))
        raise AssertionError("notices wait for ever")

    def seen(self) -> Iterator[str]:
        """Name how each notice ended, and what kept it."""
        tried = Counter(message.id for channel in self.office.channels for _, message in channel.tried)
        for notice in self.office.notices():
            yield notice.reason or notice.state
            if notice.kind in DIGESTS and notice.due_at - notice.made_at > timedelta(hours=1):
                yield "put off in the quiet hours"
            if notice.state == "sent" and tried[str(notice.message_id)] > 1:
                yield "after an outage"

    def _loan(self, which: int) -> dict | None:
        loans = [loan for loan in self.loans if loan["is_open"]]
        return loans[which % len(loans)] if loans else None


@pytest.fixture(scope="module")
def ends() -> Iterator[Counter[str]]:
    """How notices ended in all examples: what the steps are about has happened at least once."""
    ends: Counter[str] = Counter()
    yield ends
    assert ends.keys() >= {"sent", "LOAN_RETURNED", "LOAN_RENEWED", "DUE_DATE_MOVED", "NOT_WANTED",
                           "NO_SUCH_MAILBOX", "NO_ANSWER", "put off in the quiet hours", "after an outage"}  # fmt: skip


@given(steps=STEPS)
@example(steps=[("evening", 0, "away")])
@example(steps=[("evening", 2, "closed")])
# One digest a day: a second reason on the same day, in the same hour and later.
@example(steps=[("warned", 0, 3), ("warned", 0, 5), ("wait", 60), ("warned", 0, 9), ("wait", 24 * 60)])
# Returned and renewed while a reminder waits for the channel.
@example(steps=[("channel", 0, "away"), ("channel", 1, "away"), ("warned", 0, 3), ("return", 0), ("wait", 60)])
@example(steps=[("channel", 0, "away"), ("channel", 1, "away"), ("warned", 2, 3), ("renew", 0), ("wait", 60)])
# A due date that moves while a reminder waits, is told, moves again and is returned before that is told.
@example(
    steps=[
        ("lend", 0, 3),
        ("channel", 0, "away"),
        ("channel", 1, "away"),
        ("due soon", 0),
        ("move", 0),
        ("wait", 60),
        ("channel", 0, "accepted"),
        ("wait", 1440),
        ("move", 0),
        ("return", 0),
        ("wait", 1440),
    ]
)
@example(steps=[("prefer", 1, "overdue", "all", False), ("warned", 1, 3)])
@example(steps=[("channel", 0, "bad address"), ("channel", 1, "bad address"), ("warned", 0, 3)])
@example(steps=[("channel", 0, "no answer"), ("lend", 0, 3), ("crash",)])
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
def test_one_digest_a_day_outside_the_quiet_hours_and_each_reason_ends_well(
    database: Database, ends: Counter[str], steps: list
) -> None:
    empty(database)
    office = Office(database, channels=[FakeChannel("smtp"), FakeChannel("sms", "phone")])
    story = Story(office)
    for step in steps:
        story.tell(step)
    # Everybody is back.
    office.owners.is_away = False
    for channel in office.channels:
        channel.outcome = ACCEPTED
    story.send_all()
    check(story)
    ends.update(story.seen())


def check(story: Story) -> None:
    office = story.office
    zones = {member: PLACES[institution][1] for member, institution in story.members}
    people = {contact.email: member for member, contact in office.owners.people.items()}
    people |= {contact.phone: member for member, contact in office.owners.people.items()}
    digests: Counter[tuple[UUID, date]] = Counter()
    for channel in office.channels:
        for moment, message in channel.tried:
            member = people[message.address]
            if message.kind in (*DIGESTS, *WAITING_KINDS):
                local = moment.astimezone(zones[member])
                assert 7 <= local.hour < 20, f"{message.kind} at {local}"
        for moment, message in channel.sent:
            if message.kind in DIGESTS:
                member = people[message.address]
                digests[member, moment.astimezone(zones[member]).date()] += 1
    assert not [key for key, count in digests.items() if count > 1]
    for notice in office.notices():
        assert notice.state in ENDED, (notice.kind, notice.state, notice.due_at)
        assert notice.reason or notice.state == "sent"
    # Each message reached its member once.
    ids = Counter(message.id for channel in office.channels for _, message in channel.sent)
    assert not [message_id for message_id, count in ids.items() if count > 1]
