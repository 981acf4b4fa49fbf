"""Searches by several words: beginnings of one letter, and rows of a release that had no letters."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from chassis import clock
from chassis.database.db import Database
from rangkiang.members.v1 import people_pb2 as wire
from services.members.people import drafts, names, search
from tests.services.members.conftest import PKS, TEST, Office
from tests.services.members.desk import Desk, reasons

UNKNOWN = UUID(int=5)
PEOPLE = ("Siti Rahma", "Sri Ramadhani", "Muhammad Yusuf", "Maya Sari", "Ahmad Siddiq", "Éva Ñiguez", "Åsa 1")
WORDS = st.text("ab1éñ", min_size=1, max_size=4)


@pytest.fixture
def desk(office: Office) -> Desk:
    desk = Desk(office)
    for name in PEOPLE:
        desk.register(name, school="SMAN 12 Solok", group="X IPA 3")
    return desk


@given(words=st.lists(WORDS, min_size=1, max_size=6), prefix=WORDS)
def test_each_word_of_a_member_has_its_first_letters(words: list[str], prefix: str) -> None:
    letters, wanted = names.letters_of(words), names.letters_of([prefix])
    assert 0 < letters < 2**63
    has_word = any(word.startswith(prefix) for word in words)
    if has_word:
        assert letters & wanted == wanted
    if names.is_one_letter(prefix):
        assert has_word == (letters & wanted == wanted)


def test_every_beginning_of_every_word_finds_its_member(desk: Desk) -> None:
    queries = [
        " ".join(word[:length] for word in reversed(name.split()))
        for name, length in itertools.product(PEOPLE, (1, 2, 3, 9))
    ]
    queries += ["s m", "s r 12", "sman 1 x 3", "x y", "ra 3 sma", "e 1 n", "sm ra mu", "a a"]
    results = {query: desk.names(query) for query in queries}
    for name, length in itertools.product(PEOPLE, (1, 2, 3, 9)):
        assert name in results[" ".join(word[:length] for word in reversed(name.split()))]
    assert results["s r 12"] == ["Siti Rahma", "Sri Ramadhani"]
    assert results["x y"] == ["Muhammad Yusuf"]


def store_members(office: Office, members: list[str]) -> list[UUID]:
    """Store members with these names. Returns their ids."""
    at, master = clock.now(), office.keys.master
    rows = [
        drafts.draft({"name": name}, institution_id=PKS, master=master, at=at, expires_on=None, hashes={})
        for name in members
    ]
    for number, row in enumerate(rows):
        row.member["number"] = f"T{number}"
    with office.database.transaction(TEST) as session:
        drafts.write(session, rows)
    return [row.member["id"] for row in rows]


def test_a_changed_name_changes_the_letters(desk: Desk) -> None:
    (member,) = desk.find("maya s").members
    desk.change(member.id, 1, name="Maya Qadri")
    assert desk.names("m q") == ["Maya Qadri"]


def test_members_who_come_after_a_frequent_beginning_was_counted_are_found(
    office: Office, desk: Desk, database: Database
) -> None:
    store_members(office, [f"Siti Sari Surya {number}" for number in range(400)])
    # 1,206 words begin with s, so the number is kept: it is now older than the next members.
    result = desk.find("s 77")
    assert [member.name for member in result.members] == ["Siti Sari Surya 77"]
    many = desk.find("s su", limit=50)
    assert (many.total, many.has_more, len(many.members)) == (200, True, 50)
    for number in range(3):
        desk.register(f"Sutan Qadri {number}")
    assert desk.names("qa s") == desk.names("s qadr") == [f"Sutan Qadri {number}" for number in range(3)]
    assert desk.names("s 77") == ["Siti Sari Surya 77"]


def test_a_list_longer_than_one_statement_keeps_its_order(office: Office, database: Database) -> None:
    ids = store_members(office, [f"Anggota {number}" for number in range(120)])[::-1]
    with database.reading(TEST) as session:
        assert [member.id for member in search.load(session, ids)] == ids
        assert search.load(session, []) == []
        assert [member.id for member in search.load(session, [ids[0], UNKNOWN, ids[-1]])] == [ids[0], ids[-1]]


def test_a_list_of_what_changed_since_a_time_has_merged_and_erased_members_too(desk: Desk) -> None:
    kept, merged, erased, quiet = (desk.register(f"Contoh {number}") for number in range(4))
    since = Timestamp()
    since.FromDatetime(clock.now())
    desk.change(kept.id, kept.version, school="SMAN 1 Padang")
    desk.call("MergeMembers", wire.MergeMembersRequest(id=kept.id, merged_id=merged.id))
    desk.call("EraseMember", wire.EraseMemberRequest(id=erased.id))
    first = desk.find(updated_since=since, limit=1)
    pages = [first]
    while pages[-1].cursor and len(pages) < 9:
        pages.append(desk.find(updated_since=since, limit=1, cursor=pages[-1].cursor))
    hits = {member.id: member for page in pages for member in page.members}
    assert (first.total, len(pages), quiet.id in hits) == (3, 3, False)
    assert {key: (hit.state, hit.merged_into, bool(hit.name)) for key, hit in hits.items()} == {
        kept.id: ("current", "", True),
        merged.id: ("merged", kept.id, True),
        erased.id: ("erased", "", False),
    }
    times = [member.updated_at.ToDatetime() for page in pages for member in page.members]
    assert times == sorted(times)
    assert reasons(lambda: desk.find("contoh", updated_since=since)) == ["SEARCH_BY_CHANGE_ONLY"]
    assert reasons(lambda: desk.find(updated_since=since, cursor=desk.find("contoh", limit=1).cursor)) == [
        "CURSOR_INVALID"
    ]
