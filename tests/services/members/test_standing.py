"""Memberships are renewed, blocked, merged, separated and erased; other services get events."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from chassis import clock
from chassis.context import system
from chassis.database.db import Database
from chassis.ids import new_id
from chassis.service import Erasure, Resources
from chassis.settings import load
from rangkiang.circulation.v1.events_pb2 import LoanCopy
from rangkiang.members.v1 import cards_pb2, events_pb2
from rangkiang.members.v1 import people_pb2 as wire
from services.members.jobs import erase_again
from services.members.people import erasure, events
from services.members.people.categories import end_of, seeds_of
from services.members.people.loans import copy_loans
from services.members.service import SERVICE
from services.members.tables import Member, Tombstone
from tests.migrated import every_row, stored_bytes
from tests.services.members.conftest import PKS, TEST, UNAND, Office
from tests.services.members.desk import Desk, error_of, reasons

UMUM = seeds_of("public")[3]


def renew(desk: Desk, member_id: str, **more: str) -> Any:
    return desk.call("RenewMembership", wire.RenewMembershipRequest(id=member_id, **more))


def block(desk: Desk, member_id: str, reason: str = "lost_item", **more: str) -> Any:
    return desk.call("BlockMember", wire.BlockMemberRequest(id=member_id, reason=reason, **more))


def merge(desk: Desk, kept: str, merged: str) -> Any:
    return desk.call("MergeMembers", wire.MergeMembersRequest(id=kept, merged_id=merged))


def undo(desk: Desk, kept: str, merge_id: str) -> Any:
    return desk.call("UndoMerge", wire.UndoMergeRequest(id=kept, merge_id=merge_id))


def erase(desk: Desk, member_id: str) -> Any:
    return desk.call("EraseMember", wire.EraseMemberRequest(id=member_id))


def scanned(desk: Desk, code: str) -> str:
    return str(desk.call("Scan", cards_pb2.ScanRequest(code=code)).member.id)


def bodies(office: Office) -> list[tuple[str, dict[str, Any]]]:
    with office.database.reading(TEST) as session:
        rows = session.execute(text("SELECT type, body FROM outbox ORDER BY id")).all()
    return [(row.type.rpartition(".")[2], json.loads(row.body)) for row in rows]


def test_a_renewal_begins_at_the_end_or_today(office: Office) -> None:
    desk = Desk(office)
    new = desk.register()
    today = clock.now().date()
    first = end_of(UMUM, today)
    assert first is not None
    assert renew(desk, new.id).expires_on == str(end_of(UMUM, first))
    with clock.frozen(clock.now() + timedelta(days=4_000)):
        desk = Desk(office)
        assert renew(desk, new.id).expires_on == str(end_of(UMUM, clock.now().date()))
        assert reasons(lambda: renew(desk, new.id, expires_on="2020-01-01")) == ["END_DATE_PASSED"]
        assert reasons(lambda: renew(desk, new.id, category="lembaga")) == ["RESPONSIBLE_MISSING"]
        assert reasons(lambda: renew(desk, new.id, category="raja", expires_on="x")) == [
            "END_DATE_INVALID", "CATEGORY_UNKNOWN",
        ]  # fmt: skip
        assert renew(desk, new.id, category="pegawai").version == 4


def test_a_block_is_in_force_until_its_day_or_until_staff_end_it(office: Office) -> None:
    desk = Desk(office)
    new = desk.register()
    today = clock.now().date()
    with_end = block(desk, new.id, "conduct", ends_on=str(today + timedelta(days=3)))
    without = block(desk, new.id, "lost_item", note="Two books")
    assert [member_block.reason for member_block in desk.get(new.id).blocks] == ["conduct", "lost_item"]
    assert desk.find("siti").members[0].is_blocked
    with clock.frozen(clock.now() + timedelta(days=4)):
        desk = Desk(office)
        assert [member_block.reason for member_block in desk.get(new.id).blocks] == ["lost_item"]
        ended = desk.call("EndBlock", wire.EndBlockRequest(id=new.id, block_id=without.block_id))
        assert desk.call("EndBlock", wire.EndBlockRequest(id=new.id, block_id=without.block_id)) == ended
        assert not desk.find("siti").members[0].is_blocked
    assert (with_end.version, without.version, ended.version) == (2, 3, 4)
    assert bodies(office)[3][1]["members"][0]["blocks"] == [
        {"reason": "conduct", "ends_on": str(today + timedelta(days=3))}, {"reason": "lost_item"},
    ]  # fmt: skip
    desk = Desk(office)
    assert reasons(lambda: block(desk, new.id, "anger", ends_on="x")) == [
        "MEMBER_FIELD_NOT_A_CHOICE", "END_DATE_INVALID",
    ]  # fmt: skip
    assert reasons(lambda: block(desk, new.id, ends_on="2020-01-01")) == ["END_DATE_PASSED"]
    end = wire.EndBlockRequest(id=new.id, block_id=new.id)
    assert reasons(lambda: desk.call("EndBlock", end)) == ["BLOCK_NOT_FOUND"]
    assert reasons(lambda: block(Desk(office, "desk"), new.id)) == ["SCOPE_NEEDED"]


def test_merged_members_are_found_by_all_numbers_and_separated_again(office: Office) -> None:
    desk = Desk(office)
    kept = desk.register("Muhammad Yusuf", phone="081266001122")
    request = wire.RegisterMemberRequest(
        number="LAMA-7", evidence=["ktp"], aliases=[wire.Alias(kind="nim", code="0012")]
    )
    merged = desk.register("Moh. Jusuf Datuak", request=request, phone="081266007788", nik="1372015203880001")
    ward = desk.register("Zaki", category="anak", guardian=wire.Guardian(member_id=merged.id))
    block(desk, merged.id)
    reply = merge(desk, kept.id, merged.id)
    assert {scanned(desk, code) for code in (kept.number, "LAMA-7", "0012")} == {kept.id}
    assert desk.names("yusuf") == ["Muhammad Yusuf"]
    assert desk.find(phone="081266007788").total == 0
    member = desk.get(kept.id)
    assert (len(member.blocks), len(member.evidence), member.merges[0].merged_id) == (1, 1, merged.id)
    assert desk.get(merged.id).merged_into == kept.id
    assert desk.get(ward.id).guardian.member_id == kept.id
    assert reasons(lambda: desk.change(merged.id, 3, name="Ali")) == ["MEMBER_MERGED"]
    assert reasons(lambda: undo(desk, merged.id, reply.merge_id)) == ["MEMBER_MERGED"]
    undo(desk, kept.id, reply.merge_id)
    assert [scanned(desk, code) for code in (kept.number, "LAMA-7", "0012")] == [kept.id, merged.id, merged.id]
    again = desk.get(merged.id)
    assert (again.number, again.name, len(again.blocks), again.contact.nik) == (
        "LAMA-7", "Moh. Jusuf Datuak", 1, "1372015203880001",
    )  # fmt: skip
    assert desk.find(phone="081266007788").members[0].id == merged.id
    assert desk.names("datuak") == ["Moh. Jusuf Datuak"]
    assert desk.get(ward.id).guardian.member_id == merged.id
    assert not desk.get(kept.id).blocks
    assert reasons(lambda: undo(desk, kept.id, reply.merge_id)) == ["MERGE_NOT_FOUND"]


def test_some_members_cannot_be_merged(office: Office) -> None:
    desk = Desk(office)
    ali = desk.register("Ali")
    school = desk.register("SDN 1 Solok", category="lembaga", responsible=wire.Responsible(name="Yusmaniar"))
    assert reasons(lambda: merge(desk, ali.id, ali.id)) == ["MERGE_WITH_ITSELF"]
    assert reasons(lambda: merge(desk, ali.id, ali.id.upper())) == ["MERGE_WITH_ITSELF"]
    assert reasons(lambda: merge(desk, ali.id, school.id)) == ["MERGE_OF_OTHER_KIND"]
    foreign = Desk(office, institution=UNAND).register("Ali", category="dosen")
    assert reasons(lambda: merge(desk, ali.id, foreign.id)) == ["MEMBER_NOT_FOUND"]
    assert reasons(lambda: merge(Desk(office, "desk"), ali.id, school.id)) == ["SCOPE_NEEDED"]


def test_an_undone_merge_gives_back_no_nik_that_the_kept_member_has_now(office: Office) -> None:
    desk = Desk(office)
    kept, merged = desk.register("Ali"), desk.register("Aly", nik="1372015203880001")
    reply = merge(desk, kept.id, merged.id)
    desk.change(kept.id, reply.version, nik="1372015203880001")
    assert reasons(lambda: undo(desk, kept.id, reply.merge_id)) == ["NIK_IN_USE"]


def test_erasure_is_refused_while_something_is_open(office: Office) -> None:
    desk = Desk(office)
    new = desk.register()
    desk.register("Zaki", category="anak", guardian=wire.Guardian(member_id=new.id))
    first, _second = block(desk, new.id, "lost_item"), block(desk, new.id, "conduct")
    with office.database.transaction(TEST) as session:
        for _ in range(2):
            loan = LoanCopy(loan_id=str(new_id()), institution_id=str(PKS), member_id=new.id, state_version=1)
            copy_loans(session, [(loan, True)])
    error = error_of(lambda: erase(desk, new.id))
    assert [(refusal.reason, refusal.facts) for refusal in error.refusals] == [
        ("ERASURE_OPEN_LOANS", {"count": 2}),
        ("ERASURE_OPEN_BLOCK", {"block": first.block_id, "reason": "lost_item"}),
        ("ERASURE_GUARDIAN", {"count": 1}),
    ]
    assert desk.get(new.id).name == "Siti Rahma"


def test_an_erased_member_leaves_a_count_and_nothing_else(office: Office) -> None:
    desk = Desk(office)
    request = wire.RegisterMemberRequest(
        number="LAMA-7",
        evidence=["ktp"],
        consents=[wire.Consent(purpose="history", text_version="1", given=True, how="desk")],
    )
    new = desk.register(
        "Siti Rahma", request=request, nik="1372015203880001", phone="081266001122", address="Jl. Pandan 4",
        birth_place="Solok", note="Calls first", school="SMAN 1", occupation="Guru",
    )  # fmt: skip
    other = desk.register("Siti Rahmah Dewi")
    merge(desk, new.id, other.id)
    code = desk.call("MakeSlip", cards_pb2.MakeSlipRequest(id=new.id)).code
    office.stub.UseSlip(cards_pb2.UseSlipRequest(number="LAMA-7", code=code, password="lampu perahu kemarau"))
    erase(desk, new.id)
    assert [reasons(lambda member=member: desk.get(member.id)) for member in (new, other)] == [["MEMBER_NOT_FOUND"]] * 2
    assert reasons(lambda: erase(desk, new.id)) == ["MEMBER_NOT_FOUND"]
    assert desk.find("siti").total == desk.find(phone="081266001122").total == desk.find("LAMA-7").total == 0
    assert scanned(desk, "LAMA-7") == ""
    assert reasons(lambda: office.sign_in("LAMA-7", "lampu perahu kemarau")) == ["SIGN_IN_FAILED"]
    personal = ("Rahma", "Pandan", "Solok", "Calls", "SMAN", "Guru", "LAMA-7", other.number)
    with office.database.reading(TEST) as session:
        row = session.execute(select(func.count().label("members"), func.count(Member.erased_at).label("erased"))).one()
        assert (row.members, row.erased) == (2, 2)
        empty = session.execute(select(Member.category, Member.wrapped_key, Member.sealed)).all()
        assert {(value.category, bytes(value.wrapped_key), bytes(value.sealed)) for value in empty} == {
            ("umum", b"", b"")
        }
        for table in (
            "members",
            "cards",
            "member_words",
            "member_lookups",
            "accounts",
            "evidence",
            "consents",
            "merges",
        ):
            rows = session.execute(every_row(table)).all()
            assert not [word for word in personal if word.lower() in repr(rows).lower()], table
    erased = [body for kind, body in bodies(office) if kind == "MemberErased"]
    assert {member["id"] for member in erased} == {new.id, other.id}
    assert desk.register("Siti Rahma", request=request, nik="1372015203880001").number == "LAMA-7"


def test_a_restored_database_forgets_again_who_was_erased(office: Office) -> None:
    desk = Desk(office)
    new, other = desk.register("Siti Rahma"), desk.register("Ali")
    erased = [Tombstone(member_id=UUID(new.id), institution_id=UUID(new.id), version=5, at=clock.now())]
    restore = system("restore")
    with office.database.transaction(restore) as session:
        assert erasure.replay(session, erased, context=restore) == 1
    with office.database.transaction(restore) as session:
        assert erasure.replay(session, erasure.tombstones(session), context=restore) == 0
        assert [tombstone.version for tombstone in erasure.tombstones(session)] == [5]
    assert reasons(lambda: desk.get(new.id)) == ["MEMBER_NOT_FOUND"]
    assert desk.get(other.id).name == "Ali"


def test_a_snapshot_has_every_member_and_who_was_erased(office: Office, monkeypatch: Any) -> None:
    monkeypatch.setattr(events, "MOST_MEMBERS", 2)
    desk = Desk(office)
    members = [desk.register(name) for name in ("Ali", "Umar", "Usman")]
    members.append(Desk(office, institution=UNAND).register("Hasan", category="dosen"))
    erase(desk, members[1].id)
    pages: list[events_pb2.SnapshotReply] = []
    while not pages or pages[-1].cursor:
        with office.database.reading(TEST) as session:
            pages.append(events.snapshot(session, pages[-1].cursor if pages else ""))
    seen = [member.id for page in pages for member in page.members]
    assert seen == sorted(saved_member.id for saved_member in members if saved_member != members[1])
    assert list(pages[-1].erased_ids) == [members[1].id]
    assert reasons(lambda: desk.call("Snapshot", events_pb2.SnapshotRequest())) == ["SERVICE_ONLY"]


def test_a_fact_has_at_most_500_members(office: Office) -> None:
    with office.database.transaction(TEST) as session:
        empty = dict.fromkeys(("category", "kelurahan", "sex", "group"), "")
        members = [Member(id=new_id(), institution_id=UNAND, version=1, birth_year=0, **empty) for _ in range(501)]
        events.emit_changed(session, members, system("x"))
    assert [len(body["members"]) for _, body in bodies(office)] == [500, 1]


def test_regions_and_age_bands_name_nobody() -> None:
    from services.members.people.rules import age_band

    assert [events.region_of(code) for code in ("1372011001", "137201", "13", "")] == ["13.72.01", "13.72.01", "13", ""]
    assert [age_band(year, 2026) for year in (0, 2026, 2021, 2020, 2009, 2008, 1966, 1965, 1900)] == [
        "", "0-5", "0-5", "6-12", "13-17", "18-25", "41-60", "61+", "61+",
    ]  # fmt: skip


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_restore_erases_again_whom_the_database_in_use_has_erased(office: Office, tmp_path: Path) -> None:
    """`restored` stands for a backup of before the erasure; the settings name the database in use."""
    desk = Desk(office)
    new = desk.register("Siti Rahma")
    copy = sqlite3.connect(tmp_path / "restored.db")
    with sqlite3.connect(office.database.url.database or "") as source:
        source.backup(copy)
    copy.close()
    erase(desk, new.id)
    settings = load({"DATABASE_URL": str(office.database.url)})
    with closing(Database(f"sqlite:///{tmp_path}/restored.db", protected_tables=SERVICE.protected_tables)) as restored:
        with restored.reading(TEST) as session:
            assert session.get_one(Member, UUID(new.id)).name == "Siti Rahma"
        erase_again(Resources(settings=settings, database=restored, service=SERVICE))
        with restored.reading(TEST) as session:
            member = session.get_one(Member, UUID(new.id))
        assert (member.name, member.sealed, member.erased_at is not None) == ("", b"", True)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_an_erasure_that_circulation_knows_is_done_again_when_the_database_in_use_is_damaged(
    office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    new, other = Desk(office).register("Siti Rahma"), Desk(office).register("Yusuf")
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"no database" * 1000)
    settings = load({"DATABASE_URL": f"sqlite:///{damaged}"})
    erasure_row = Erasure(UUID(new.id), PKS, 7)
    erase_again(Resources(settings=settings, database=office.database, service=SERVICE, erasures=(erasure_row,)))
    with office.database.reading(TEST) as session:
        member = session.get_one(Member, UUID(new.id))
        assert (member.name, member.wrapped_key, member.version) == ("", b"", 7)
        assert session.get_one(Member, UUID(other.id)).name == "Yusuf"
    assert [record.message for record in caplog.records if "tombstones" in record.message] == ["tombstones_unreadable"]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_files_of_an_erased_member_have_neither_name_nor_key(office: Office) -> None:
    with office.database.transaction(TEST) as session:
        # As SQLite does where its build does not decide otherwise; writers have one connection.
        session.execute(text("PRAGMA secure_delete = OFF"))
    desk = Desk(office)
    for letter in "abcdefgh":
        desk.register(f"Nur {letter * 3}")
    new = desk.register("Rahmaniar Sikumbang", address="Jl. Pandan 4")
    with office.database.reading(TEST) as session:
        key = session.get_one(Member, UUID(new.id)).wrapped_key
    assert stored_bytes(office.database).count(key) >= 1
    erase(desk, new.id)
    left = stored_bytes(office.database)
    assert key not in left
    assert b"Sikumbang" not in left
    assert b"sikumbang" not in left
