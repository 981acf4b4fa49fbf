"""Members at the desk: registered, refused with every reason, changed, found, and hidden from other institutions."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from sqlalchemy import column, delete, select, text, update
from sqlalchemy import table as sqlalchemy_table
from sqlalchemy.exc import DBAPIError

from chassis import clock
from chassis.audit.hash_chain import Sealer
from chassis.audit.verification import verify
from chassis.database.db import Database
from chassis.errors import Outdated
from rangkiang.members.v1 import cards_pb2, events_pb2
from rangkiang.members.v1 import people_pb2 as wire
from services.members.people import categories, rules, values
from services.members.tables import Member
from tests.conditions import eventually
from tests.migrated import every_row
from tests.services.members.conftest import PKS, TEST, UNAND, Office
from tests.services.members.desk import Desk, error_of, reasons

SEALED = {
    "nik": "1372015203880001",
    "phone": "0812 6600 1122",
    "email": "Siti@Example.org",
    "address": "Jl. Pandan 4\nSolok",
    "birth_date": "1988-03-12",
}
STORED = SEALED | {"phone": "+6281266001122", "email": "Siti@example.org"}


def contact(member: Any) -> dict[str, str]:
    return {name: getattr(member.contact, name) for name in SEALED}


def queued_events(office: Office, kind: str = "MembersChanged") -> list[dict[str, Any]]:
    """The events of a kind in the outbox, the oldest first."""
    with office.database.reading(TEST) as session:
        rows = session.execute(text("SELECT body FROM outbox WHERE type LIKE :kind ORDER BY id"), {"kind": f"%{kind}"})
        return [json.loads(row.body) for row in rows]


def test_a_registered_member_is_read_with_sealed_values_by_those_who_may(office: Office) -> None:
    desk = Desk(office, "desk")
    new = desk.register("Hj. Siti Rahma, S.Pd.", occupation="Guru", kelurahan="13.72.01.1001", sex="female", **SEALED)
    assert (new.number, new.version, new.category) == ("1000000018", 1, "umum")
    member = desk.get(new.id)
    assert (member.title_before, member.name, member.title_after) == ("Hj.", "Siti Rahma", "S.Pd.")
    assert (member.birth_year, member.kelurahan, member.occupation) == (1988, "1372011001", "Guru")
    assert contact(member) == STORED
    assert member.expires_on == categories.end_of(categories.seeds_of("public")[3], clock.now().date()).isoformat()  # type: ignore[union-attr]
    assert [(card.code, card.kind, card.state) for card in member.cards] == [("1000000018", "card", "active")]


def test_an_event_has_neither_name_nor_sealed_values(office: Office) -> None:
    new = Desk(office).register("Siti Rahma", kelurahan="1372011001", sex="female", group="XI IPA 2", **SEALED)
    (event,) = queued_events(office)
    (member,) = event["members"]
    born = clock.now().year - 1988
    assert member["age_band"] == next(b for b in ("26-40", "41-60") if int(b[:2]) <= born <= int(b[3:]))
    assert (member["numbers"], member["region"], member["group"]) == ([new.number], "13.72.01", "XI IPA 2")
    assert set(member) <= {field.name for field in events_pb2.MemberCopy.DESCRIPTOR.fields}
    assert not [value for value in (*STORED.values(), *SEALED.values(), "Rahma") if value in json.dumps(event)]


def test_no_table_has_a_sealed_value_in_the_clear(office: Office) -> None:
    desk = Desk(office)
    new = desk.register(guardian=wire.Guardian(name="Rahmawati", phone="0813 1111 2222"), **SEALED)
    desk.change(new.id, 1, phone="0812 6600 9999", nik="1372015203880002")
    secrets = [*STORED.values(), "6281311112222", "6281266009999", "1372015203880002", "12-03-1988"]
    with office.database.reading(TEST) as session:
        sqlite = "SELECT name FROM sqlite_master WHERE type = 'table'"
        postgresql = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        tables = session.scalars(text(sqlite if office.database.is_sqlite else postgresql)).all()
        for table in tables:
            rows = session.execute(every_row(table)).all()
            assert not [secret for secret in secrets for row in rows if secret in repr(tuple(row))], table


def test_a_desk_without_members_contact_reads_no_sealed_value(office: Office) -> None:
    new = Desk(office).register(**SEALED)
    office_worker = Desk(office, "desk")
    scopes = {"members.read"}
    from chassis.security.auth import Principal

    office_worker.token = office.keys.sign(
        Principal(id="x", institution=str(PKS), session=str(uuid.uuid4()), scopes=frozenset(scopes))
    )
    assert not office_worker.get(new.id).HasField("contact")
    assert reasons(lambda: office_worker.find(phone="081266001122")) == ["SCOPE_NEEDED"]
    assert office_worker.find("081266001122", by_contact=True).total == 0


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"name": "  "}, ["MEMBER_NAME_MISSING"]),
    ({"name": "12345"}, ["MEMBER_NAME_WITHOUT_LETTERS"]),
    ({"name": "Siti\x07"}, ["MEMBER_FIELD_UNREADABLE"]),
    ({"name": "S" * 201}, ["MEMBER_FIELD_TOO_LONG"]),
    ({"nik": "137201520388000"}, ["NIK_INVALID"]),
    ({"nik": "1,37E+15"}, ["NIK_INVALID"]),
    ({"nik": "٠٣٧٢٠١٥٢٠٣٨٨٠٠٠١"}, ["NIK_INVALID"]),
    ({"phone": "12"}, ["PHONE_INVALID"]),
    ({"phone": "halo"}, ["PHONE_INVALID"]),
    ({"email": "siti@"}, ["EMAIL_INVALID"]),
    ({"birth_date": "2024-02-30"}, ["BIRTH_DATE_INVALID"]),
    ({"birth_date": "2999-01-01"}, ["BIRTH_DATE_INVALID"]),
    ({"birth_date": "12/03/1988"}, ["BIRTH_DATE_INVALID"]),
    ({"sex": "x"}, ["MEMBER_FIELD_NOT_A_CHOICE"]),
    ({"language": "fr"}, ["MEMBER_FIELD_NOT_A_CHOICE"]),
    ({"kelurahan": "13.72.1"}, ["KELURAHAN_INVALID"]),
    ({"expires_on": "tomorrow"}, ["END_DATE_INVALID"]),
    ({"category": "raja"}, ["CATEGORY_UNKNOWN"]),
    ({"category": "lembaga"}, ["RESPONSIBLE_MISSING"]),
    ({"category": "anak"}, ["GUARDIAN_MISSING"]),
    ({"category": "pelajar", "school": "SMAN 1"}, ["GUARDIAN_MISSING"]),
    ({"category": "pelajar", "school": "SMAN 1", "group": "XI"}, []),
    ({"category": "anak", "guardian": wire.Guardian(name="Rahma")}, []),
    ({"category": "anak", "guardian": wire.Guardian(member_id=str(uuid.uuid4()))}, ["GUARDIAN_UNKNOWN"]),
    ({"nik": "1", "phone": "1", "category": "x"}, ["NIK_INVALID", "PHONE_INVALID", "CATEGORY_UNKNOWN"]),
    ({"phone": "1", "category": "lembaga"}, ["PHONE_INVALID", "RESPONSIBLE_MISSING"]),
]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_every_wrong_value_is_refused_by_name(office: Office) -> None:
    desk = Desk(office)
    for number, (wrong, expected) in enumerate(WRONG):
        fields = {"name": f"Siti {chr(97 + number) * 4}", **wrong}
        assert reasons(lambda fields=fields: desk.register(**fields)) == expected, fields
    assert len(queued_events(office)) == sum(not expected for _, expected in WRONG)


def test_refusals_hold_no_value(office: Office) -> None:
    error = error_of(lambda: Desk(office).register(nik="137201520388", phone="77", email="siti@@", birth_date="31"))
    shown = json.dumps([[refusal.facts, refusal.sentence.id, refusal.sentence.en] for refusal in error.refusals])
    assert len(error.refusals) == 4
    assert not [value for value in ("137201520388", "77", "siti@@", '"31"') if value in shown]


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("081266001122", "+6281266001122"),
        ("81266001122", "+6281266001122"),
        ("6281266001122", "+6281266001122"),
        ("+62 812-6600-1122", "+6281266001122"),
        ("(0752) 71234", "+6275271234"),
        ("+60 12 345 6789", "+60123456789"),
    ],
)
def test_phone_numbers_are_e164(typed: str, stored: str) -> None:
    assert values.phone(typed) == stored


@pytest.mark.parametrize(
    ("born", "category", "is_child"),
    [("2010-11-27", 3, True), ("2008-11-26", 3, False), ("2008-11-27", 3, True), ("", 0, True), ("", 3, False)],
)
def test_a_member_is_a_child_by_age_or_category(born: str, category: int, is_child: bool) -> None:
    seeds = categories.seeds_of("public")
    assert rules.MemberInputs("", {"birth_date": born}, seeds[category], date(2026, 11, 26)).is_child == is_child


@pytest.mark.parametrize(
    ("begin", "end"), [(date(2024, 2, 29), date(2026, 2, 28)), (date(2026, 1, 31), date(2028, 1, 31))]
)
def test_a_membership_ends_after_the_months_of_its_category(begin: date, end: date) -> None:
    assert categories.end_of(categories.seeds_of("public")[3], begin) == end


def test_each_institution_has_its_own_categories_and_numbers(office: Office) -> None:
    first, second = Desk(office), Desk(office, institution=UNAND)
    codes = [category.code for category in second.call("ListCategories", wire.ListCategoriesRequest()).categories]
    assert codes == ["mahasiswa", "dosen", "tendik", "alumni", "tamu-mitra"]
    number = first.register().number, second.register(category="dosen").number
    assert [digit[:9] for digit in number] == ["100000001", "101000001"]


def test_a_change_names_what_another_has_changed(office: Office) -> None:
    desk = Desk(office)
    new = desk.register(**SEALED)
    member = desk.change(new.id, 1, name="Dra. Siti Rahma Dewi", phone="0812 6600 7788", occupation="Guru")
    assert (member.version, member.name, member.title_before) == (2, "Siti Rahma Dewi", "Dra.")
    assert contact(member) == STORED | {"phone": "+6281266007788"}
    error = error_of(lambda: desk.change(new.id, 1, occupation="Petani"))
    assert isinstance(error, Outdated)
    assert (error.facts["version"], error.facts["changed"]) == (2, ["name", "occupation", "phone", "title_before"])
    assert desk.names("siti dewi") == ["Siti Rahma Dewi"]
    assert desk.names("", phone="081266007788") == ["Siti Rahma Dewi"]
    assert desk.names("", phone="081266001122") == []
    cleared = desk.change(new.id, 2, phone="", occupation="")
    assert (cleared.contact.phone, cleared.occupation, cleared.contact.nik) == ("", "", SEALED["nik"])
    assert desk.change(new.id, 3, occupation="").version == 3
    assert [event["members"][0]["version"] for event in queued_events(office)] == ["1", "2", "3"]


def test_the_audit_has_acts_and_looks_without_personal_values(office: Office) -> None:
    desk = Desk(office)
    new = desk.register(**SEALED)
    desk.change(new.id, 1, phone="0812 6600 7788")
    desk.get(new.id)
    office.database.close()
    with office.database.reading(TEST) as session:
        rows = session.execute(text("SELECT act, actor, object, facts, sealed FROM audit_acts ORDER BY number")).all()
    assert [row.act for row in rows] == ["members.register", "members.change", "members.read"]
    assert {(row.actor, row.object) for row in rows} == {(desk.actor, new.id)}
    assert json.loads(rows[1].facts) == {"changed": ["phone"], "version": 2}
    assert rows[1].sealed
    # More digits than an identifier has by chance.
    assert not [digits for digits in ("66001122", "66007788") if digits in repr(rows)]


def test_searches_and_scans_leave_a_look_without_what_was_typed(office: Office) -> None:
    desk = Desk(office)
    siti = desk.register(**SEALED)
    desk.register("Siti Aisyah")
    nik = SEALED["nik"]
    for search in (
        {"q": "siti"},
        {"q": "siti", "limit": 1, "cursor": desk.find("siti", limit=1).cursor},
        {"nik": nik},
        {"q": nik},
        {"q": "081266001122", "by_contact": True},
    ):
        desk.find(**search)
    assert reasons(lambda: desk.find(nik="123")), "a refused search shows nobody"
    assert not desk.find("").members
    for code in (siti.number, "9788979914481"):
        desk.call("Scan", cards_pb2.ScanRequest(code=code))
    office.database.close()
    with office.database.reading(TEST) as session:
        rows = session.execute(
            text("SELECT act, kind, object, facts FROM audit_acts WHERE act NOT LIKE '%register' ORDER BY number")
        ).all()
    of_pks = ("members.search", "institution", str(PKS))
    of_siti = ("members.search", "member", siti.id)
    assert [(*row[:3], json.loads(row.facts)) for row in rows] == [
        (*of_pks, {"by": ["q"], "shown": 1}),
        (*of_pks, {"by": ["q"], "shown": 2}),
        (*of_pks, {"by": ["q"], "shown": 1, "is_continued": True}),
        (*of_siti, {"by": ["nik"], "shown": 1}),
        (*of_pks, {"by": ["q"], "shown": 0}),
        (*of_siti, {"by": ["phone"], "shown": 1}),
        ("members.scan", "member", siti.id, {}),
    ]
    assert not [typed for typed in (nik, "66001122", "siti") if typed in repr(rows).lower()]
    eventually(Sealer(office.database).step)
    sealed = verify(office.database)
    assert (sealed.rows, sealed.wrong) == (9, [])


def test_search_finds_by_any_spelling_order_and_beginning(office: Office) -> None:
    desk = Desk(office)
    request = wire.RegisterMemberRequest(aliases=[wire.Alias(kind="nisn", code="0051234567")])
    desk.register(
        "Drs. Muhammad Yusuf, M.Pd.", request=request, category="pelajar", school="SMAN 1 Solok", group="XI A"
    )
    desk.register("Siti Aisyah")
    desk.register("Yusni Marlina")
    yusuf = ["Muhammad Yusuf"]
    for query in ("moh. jusuf", "yusuf muhammad", "M. Yusuf", "mochamad", "yusup", "muh yus", "0051234567", "00512345",
                  "sman 1 solok", "xi a sman", "Drs. Yusuf"):  # fmt: skip
        assert desk.names(query) == yusuf, query
    assert desk.names("yus") == ["Muhammad Yusuf", "Yusni Marlina"]
    assert desk.names("1000000018") == yusuf
    for query in ("", "   ", "%", "_", "yusuf siti", "zzz", "'; --", "\x00"):
        assert desk.names(query) == [], query


def test_a_long_list_has_pages(office: Office) -> None:
    desk = Desk(office)
    for letter in "abcdefg":
        desk.register(f"Nur {letter * 3}")
    seen: list[str] = []
    cursor = ""
    while True:
        page = desk.find("nur", limit=3, cursor=cursor)
        assert page.total == 7
        seen += [member.name for member in page.members]
        cursor = page.cursor
        if not cursor:
            break
    assert seen == [f"Nur {letter * 3}" for letter in "abcdefg"]
    assert reasons(lambda: desk.find("nur", cursor="Zm9v")) == ["CURSOR_INVALID"]


def test_likely_duplicates_are_shown_until_they_are_confirmed(office: Office) -> None:
    desk = Desk(office)
    first = desk.register("Muhammad Yusuf", birth_date="1988-03-12", phone="0812 6600 1122")
    error = error_of(lambda: desk.register("Drs. Moh. Jusuf", birth_date="1988-03-12"))
    assert error.reasons == {"MEMBER_LIKELY_DUPLICATE"}
    assert error.facts == {
        "member": first.id, "number": first.number, "score": 90, "reasons": ["same_birth_date", "same_name"],
    }  # fmt: skip
    request = wire.RegisterMemberRequest(confirmed_duplicates=[first.id])
    desk.register("Drs. Moh. Jusuf", request=request, birth_date="1988-03-12")
    # Another person of that name, and a child with the parent's phone, are none.
    desk.register("Muhammad Yusuf", birth_date="1995-01-01")
    desk.register("Aulia Rahman", phone="0812 6600 1122")
    assert reasons(lambda: desk.register("Aulia Rahmani", phone="0812 6600 1122")) == ["MEMBER_LIKELY_DUPLICATE"]
    assert Desk(office, institution=UNAND).register("Moh. Yusuf", category="dosen", birth_date="1988-03-12").id


def test_words_that_find_nobody_are_searched_as_they_sound(office: Office) -> None:
    desk = Desk(office)
    desk.register("Fatimah Zahra")
    desk.register("Syarif Dzakir")
    for query, name in (
        ("fatima zahro", "Fatimah Zahra"), ("zahrah", "Fatimah Zahra"), ("sharif", "Syarif Dzakir"),
        ("zakir sarif", "Syarif Dzakir"),
    ):  # fmt: skip
        assert [member.name for member in desk.find(query).members] == [name], query
    assert desk.find("fatima rahman").total == 0


def test_numbers_and_niks_belong_to_one_member(office: Office) -> None:
    desk = Desk(office)
    first = desk.register("Ali", nik=SEALED["nik"], request=wire.RegisterMemberRequest(number="0012"))
    assert first.number == "0012"
    taken = wire.RegisterMemberRequest(number=" 0012 ", aliases=[wire.Alias(kind="rfid", code="0012")])
    error = error_of(lambda: desk.register("Umar", nik=SEALED["nik"], request=taken))
    assert [(refusal.reason, refusal.facts["member"]) for refusal in error.refusals] == [
        ("NIK_IN_USE", first.id), ("CARD_NUMBER_IN_USE", first.id),
    ]  # fmt: skip
    other = desk.register("Usman")
    assert reasons(lambda: desk.change(other.id, 1, nik=SEALED["nik"])) == ["NIK_IN_USE"]
    assert desk.change(first.id, 1, nik=SEALED["nik"], occupation="Guru").version == 2


def test_a_repeated_registration_is_done_once(office: Office) -> None:
    desk = Desk(office)
    first, second = desk.register(key="k"), desk.register(key="k")
    assert first == second
    assert desk.find("siti").total == 1


def test_another_institution_finds_nothing(office: Office) -> None:
    new = Desk(office).register(**SEALED)
    other = Desk(office, institution=UNAND)
    assert reasons(lambda: other.get(new.id)) == ["MEMBER_NOT_FOUND"]
    assert reasons(lambda: other.change(new.id, 1, name="Ani")) == ["MEMBER_NOT_FOUND"]
    guardian = wire.Guardian(member_id=new.id)
    assert reasons(lambda: other.register(category="dosen", guardian=guardian)) == ["GUARDIAN_UNKNOWN"]
    for query in ({"q": "siti"}, {"q": new.number}, {"nik": SEALED["nik"]}, {"phone": SEALED["phone"]}):
        assert other.find(**query).total == 0
    for unknown in ("", "x", str(uuid.uuid4()), "' OR 1=1 --"):
        assert reasons(lambda unknown=unknown: other.get(unknown)) == ["MEMBER_NOT_FOUND"]


def test_members_are_listed_by_their_ids_in_their_own_institution_alone(office: Office) -> None:
    desk = Desk(office)
    ids = [desk.register("Zaki").id, desk.register("Ali").id]
    request = wire.ListMembersRequest(ids=[*ids, ids[0], str(uuid.uuid4())])
    assert [(member.id, member.name) for member in desk.call("ListMembers", request).members] == [
        (ids[0], "Zaki"),
        (ids[1], "Ali"),
    ]
    assert not Desk(office, institution=UNAND).call("ListMembers", request).members


def test_raw_sql_reads_and_changes_no_row_of_another_institution(office: Office) -> None:
    new = Desk(office).register(**SEALED)
    from chassis.context import Context

    other = Context(institution=str(UNAND))
    tables = ("members", "cards", "member_words", "member_lookups", "categories")
    with office.database.transaction(other) as session:
        for table in tables:
            assert session.execute(every_row(table)).all() == [], table
            session.execute(delete(sqlalchemy_table(table)))
        session.execute(update(Member).values(name="x"))
    assert Desk(office).get(new.id).name == "Siti Rahma"


def test_two_desks_at_once_register_a_person_once(office: Office) -> None:
    desk = Desk(office)
    desk.register("Umar")
    names = [f"Ali {letter * 3}" for letter in "abcdef"]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda name: reasons(lambda: desk.register(name, nik=SEALED["nik"])), names))
    assert sorted(answers) == [[], *[["NIK_IN_USE"]] * 5]


def test_an_error_of_the_database_shows_no_value(database: Database) -> None:
    with database.reading(TEST) as session, pytest.raises(DBAPIError) as raised:
        session.execute(select(column("no_column")).where(Member.name == "Siti Rahma"))
    assert "no_column" in str(raised.value)
    assert "Rahma" not in str(raised.value)
