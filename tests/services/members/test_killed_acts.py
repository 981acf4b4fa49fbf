"""A process that dies in a merge or an erasure leaves all of it or nothing."""

from __future__ import annotations

import os
from typing import Any

import pytest

from rangkiang.members.v1 import people_pb2 as wire
from tests.conftest import CHECKOUT
from tests.migrated import every_row
from tests.programs import start_program
from tests.services.members.conftest import TEST, Office
from tests.services.members.desk import Desk

TABLES = (
    "members",
    "cards",
    "member_words",
    "member_lookups",
    "blocks",
    "merges",
    "tombstones",
    "outbox",
    "audit_acts",
)


def rows(office: Office) -> list[Any]:
    """All rows that the acts write."""
    with office.database.reading(TEST) as session:
        return [sorted(map(repr, session.execute(every_row(table)))) for table in TABLES]


def act(office: Office, name: str, member: str, other: str, *, statement: int) -> int:
    """Run an act in a process of its own. Returns its exit code: -9 when it was killed."""
    url = office.database.url.render_as_string(hide_password=False)
    words, program = [url, name, member, other, str(statement)], "tests.services.members.killed_act:main"
    return start_program(words, program=program, env=os.environ, cwd=CHECKOUT).wait(timeout=60)


@pytest.mark.parametrize("name", ["merge", "erase"])
def test_a_killed_act_is_done_or_not_done(office: Office, name: str) -> None:
    desk = Desk(office)
    member, other = desk.register("Siti Rahma", phone="081266001122"), desk.register("Muhammad Yusuf")
    desk.call("BlockMember", wire.BlockMemberRequest(id=other.id, reason="conduct"))
    before = rows(office)
    for statement in (3, 9, 15):
        assert act(office, name, member.id, other.id, statement=statement) == -9, statement
        assert rows(office) == before, statement
    assert act(office, name, member.id, other.id, statement=0) == -9
    assert rows(office) != before
    if name == "merge":
        assert desk.get(other.id).merged_into == member.id
        assert len(desk.get(member.id).blocks) == 1
    else:
        assert desk.find("siti").total == desk.find(phone="081266001122").total == 0
    assert desk.register("Ali").version == 1
