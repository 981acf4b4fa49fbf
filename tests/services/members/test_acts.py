"""Any order of acts on members: every number finds whom a model expects, and nothing of an erased member is left."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select

from chassis.ids import new_id
from rangkiang.members.v1 import cards_pb2
from rangkiang.members.v1 import people_pb2 as wire
from services.members.tables import Institution, Member, Tombstone
from tests.services.members.conftest import TEST, Office
from tests.services.members.desk import Desk, reasons

_names = itertools.count()


def unique_name() -> str:
    """A name that no other member has, of letters alone."""
    digits = f"{next(_names):05}"
    return f"Budi {''.join(chr(97 + int(digit)) for digit in digits)}x"


class Acts(RuleBasedStateMachine):
    """Acts of a desk in an institution of its own; the model has numbers, versions and merges."""

    office: Office
    members = Bundle("members")
    merges = Bundle("merges")

    def __init__(self) -> None:
        super().__init__()
        institution = new_id()
        values = {
            "code": institution.hex[:20],
            "name_id": "x",
            "name_en": "x",
            "kind": "public",
            "zone": "Asia/Jakarta",
        }
        with self.office.database.transaction(TEST) as session:
            session.add(Institution(id=institution, version=1, **values))
        self.institution = institution
        self.desk = Desk(self.office, institution=institution)
        self.names: dict[str, str] = {}
        self.versions: dict[str, int] = {}
        self.numbers: dict[str, str] = {}  # number -> who has it
        self.into: dict[str, str] = {}  # merged -> kept
        self.moved: dict[str, tuple[str, list[str]]] = {}  # merge -> (merged, its numbers)
        self.blocked: dict[str, int] = {}
        self.erased: set[str] = set()
        # What the last step has checked: all of it is checked again at the end.
        self.checked_numbers: set[tuple[str, str]] = set()
        self.checked_names: set[tuple[str, str, bool]] = set()

    def is_open(self, member: str) -> bool:
        return member not in self.erased and member not in self.into

    def expect(self, member: str, call: Any) -> Any:
        """Call for an open member; for any other one it is refused."""
        if self.is_open(member):
            return call()
        assert reasons(call) == ["MEMBER_NOT_FOUND" if member in self.erased else "MEMBER_MERGED"]
        return None

    def grown(self, member: str, version: int) -> None:
        assert version == self.versions[member] + 1
        self.versions[member] = version

    @rule(target=members)
    def register(self) -> str:
        name = unique_name()
        new = self.desk.register(name)
        self.names[new.id], self.versions[new.id], self.numbers[new.number] = name, 1, new.id
        self.blocked[new.id] = 0
        return str(new.id)

    @rule(member=members)
    def change(self, member: str) -> None:
        name = unique_name()
        changed = self.expect(member, lambda: self.desk.change(member, self.versions[member], name=name))
        if changed is not None:
            self.grown(member, changed.version)
            self.names[member] = name

    @rule(member=members)
    def change_an_earlier_version(self, member: str) -> None:
        if self.is_open(member):
            wrong = self.versions[member] - 1
            assert reasons(lambda: self.desk.change(member, wrong, name="Ani")) == ["VERSION_OUTDATED"]

    @rule(member=members, reason=st.sampled_from(["conduct", "lost_item"]))
    def block(self, member: str, reason: str) -> None:
        request = wire.BlockMemberRequest(id=member, reason=reason)
        reply = self.expect(member, lambda: self.desk.call("BlockMember", request))
        if reply is not None:
            self.grown(member, reply.version)
            self.blocked[member] += reason == "lost_item"

    @rule(member=members)
    def end_all_blocks(self, member: str) -> None:
        if self.is_open(member):
            for block in self.desk.get(member).blocks:
                request = wire.EndBlockRequest(id=member, block_id=block.id)
                self.grown(member, self.desk.call("EndBlock", request).version)
            self.blocked[member] = 0

    @rule(member=members, act=st.sampled_from(["lost", "damaged", "alias"]))
    def card(self, member: str, act: str) -> None:
        code = f"RFID-{next(_names)}"
        request = cards_pb2.IssueCardRequest(id=member, act=act, alias=wire.Alias(kind="rfid", code=code))
        reply = self.expect(member, lambda: self.desk.call("IssueCard", request))
        if reply is not None:
            self.grown(member, reply.version)
            self.numbers[code if act == "alias" else reply.number] = member

    @rule(target=merges, kept=members, merged=members)
    def merge(self, kept: str, merged: str) -> Any:
        request = wire.MergeMembersRequest(id=kept, merged_id=merged)
        if not (self.is_open(kept) and self.is_open(merged)) or kept == merged:
            assert reasons(lambda: self.desk.call("MergeMembers", request))
            return multiple()
        reply = self.desk.call("MergeMembers", request)
        self.grown(kept, reply.version)
        self.versions[merged] += 1
        self.into[merged] = kept
        own = [number for number, member in self.numbers.items() if member == merged]
        self.numbers.update(dict.fromkeys(own, kept))
        self.moved[reply.merge_id] = (merged, own)
        self.blocked[kept] += self.blocked[merged]
        return str(reply.merge_id)

    @rule(merge=consumes(merges))
    def undo(self, merge: str) -> None:
        merged, own = self.moved[merge]
        kept = self.into.get(merged, "")
        request = wire.UndoMergeRequest(id=kept, merge_id=merge)
        if merged in self.erased or not self.is_open(kept):
            assert reasons(lambda: self.desk.call("UndoMerge", request))
            return
        self.grown(kept, self.desk.call("UndoMerge", request).version)
        self.versions[merged] += 1
        del self.into[merged]
        self.numbers.update(dict.fromkeys(own, merged))
        for member in (kept, merged):
            self.blocked[member] = sum(block.reason == "lost_item" for block in self.desk.get(member).blocks)

    @rule(member=members)
    def erase(self, member: str) -> None:
        request = wire.EraseMemberRequest(id=member)
        if self.is_open(member) and self.blocked[member]:
            assert set(reasons(lambda: self.desk.call("EraseMember", request))) == {"ERASURE_OPEN_BLOCK"}
            return
        if self.expect(member, lambda: self.desk.call("EraseMember", request)) is None:
            return
        gone = {member}
        while more := {merged for merged, kept in self.into.items() if kept in gone} - gone:
            gone |= more
        self.erased |= gone
        self.numbers = {number: owner for number, owner in self.numbers.items() if owner not in gone}

    @invariant()
    def numbers_that_an_act_has_changed_find_their_member(self) -> None:
        for number, member in self.numbers.items() - self.checked_numbers:
            self.expect_number(number, member)
        self.checked_numbers = set(self.numbers.items())

    @invariant()
    def names_that_an_act_has_changed_are_found_until_their_member_is_merged_or_erased(self) -> None:
        names = {(member, name, self.is_open(member)) for member, name in self.names.items()}
        for _, name, is_open in names - self.checked_names:
            self.expect_name(name, is_open=is_open)
        self.checked_names = names

    def expect_number(self, number: str, member: str) -> None:
        assert self.desk.call("Scan", cards_pb2.ScanRequest(code=number)).member.id == member

    def expect_name(self, name: str, *, is_open: bool) -> None:
        names = self.desk.names(name)
        # A search that finds nobody finds other names that sound alike.
        assert names == [name] if is_open else name not in names

    def teardown(self) -> None:
        for number, member in self.numbers.items():
            self.expect_number(number, member)
        for member, name in self.names.items():
            self.expect_name(name, is_open=self.is_open(member))
        with self.office.database.reading(TEST) as session:
            own = Member.institution_id == self.institution
            rows = session.scalars(select(Member).where(own)).all()
            assert {str(row.id) for row in rows if row.erased_at} == self.erased
            assert {str(row.id): row.version for row in rows if not row.erased_at} == {
                member: version for member, version in self.versions.items() if member not in self.erased
            }
            assert not [row for row in rows if row.erased_at and (row.name or row.number or row.sealed)]
            buried = select(func.count()).select_from(Tombstone).where(Tombstone.institution_id == self.institution)
            assert session.scalar(buried) == len(self.erased)


@pytest.mark.hypothesis
def test_acts_in_any_order(office: Office) -> None:
    """20 runs of 20 acts on SQLite, 6 on PostgreSQL, where each act takes longer."""
    Acts.office = office
    runs = 20 if office.database.is_sqlite else 6
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Acts,
        settings=settings(
            max_examples=runs,
            stateful_step_count=20,
            # Shrinking a failure would take minutes.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
