"""Accession numbers and barcodes: by the pattern, without gaps or doubles, whoever is killed."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from chassis import clock
from chassis.audit import acts
from chassis.context import Context
from chassis.database.db import Database
from chassis.errors import Invalid
from chassis.ids import new_id
from services.catalog.cataloguing.accession_numbers import (
    USUAL_PATTERN,
    check_pattern,
    get_rules,
    put_rules,
    write_number,
)
from services.catalog.cataloguing.register.entries import list_gaps
from services.catalog.items.barcodes import with_check_digit
from services.catalog.tables import Accession, Institution, Item, Record
from tests.builders import book
from tests.conftest import CHECKOUT
from tests.programs import start_program
from tests.services.catalog.conftest import Importer
from tests.services.catalog.items.test_added_items import add, refusal
from tests.services.catalog.items.test_edits import caller
from tests.services.catalog.killed_cataloguers import ACTS, ITEMS

__all__ = ["caller"]


def put(database: Database, caller: Context, pattern: str, version: int) -> int:
    with database.transaction(caller) as session:
        return put_rules(session, pattern, version=version, context=caller).version


@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        (USUAL_PATTERN, "00042/PKS/H/2026"),
        ("{seq:4}/{source}/{year}", "0042/H/2026"),
        ("{seq}", "42"),
        ("PERPUS-{seq:1}", "PERPUS-42"),
    ],
)
def test_a_number_is_written_by_the_pattern(pattern: str, number: str) -> None:
    check_pattern(pattern)
    assert write_number(pattern, sequence=42, institution="PKS", source="gift", year=2026) == number


@pytest.mark.parametrize(
    "pattern", ["", "{year}", "{seq}{seq}", "{seq}/{branch}", "{year:2}/{seq}", "{seq}}", " {seq}"]
)
def test_a_pattern_needs_one_sequence_and_known_fields(pattern: str) -> None:
    with pytest.raises(Invalid, match="ACCESSION_PATTERN_INVALID"):
        check_pattern(pattern)


@given(st.text("0123456789", min_size=1, max_size=20), st.data())
def test_the_check_digit_finds_each_wrong_digit(digits: str, data: st.DataObject) -> None:
    barcode = with_check_digit(digits)
    place = data.draw(st.integers(0, len(digits) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != digits[place]]))
    changed = barcode[:place] + wrong + barcode[place + 1 :]
    assert with_check_digit(changed[:-1]) != changed


def test_the_check_digit_is_that_of_luhn() -> None:
    assert with_check_digit("7992739871") == "79927398713"


def test_a_pattern_with_the_year_begins_again_each_year_and_others_go_on(database: Database, caller: Context) -> None:
    with clock.frozen(datetime(2026, 12, 31, 16, 59, tzinfo=UTC)):
        assert [item.accession_number for item in add(database, caller, count=2)][1] == "00002/PKS/H/2026"
    # 1 January in the zone of the institution.
    with clock.frozen(datetime(2026, 12, 31, 17, 1, tzinfo=UTC)):
        assert add(database, caller)[0].accession_number == "00001/PKS/H/2027"
    assert put(database, caller, "{seq}", 0) == 1
    assert [add(database, caller)[0].accession_number for _ in range(2)] == ["1", "2"]
    assert refusal(put, database, caller, "{seq:3}", 0).reason == "VERSION_OUTDATED"
    with database.reading(caller) as session:
        assert get_rules(session, context=caller).pattern == "{seq}"


def test_a_pattern_whose_numbers_may_be_too_long_is_refused(database: Database, caller: Context) -> None:
    with database.transaction(caller) as session:
        session.execute(update(Institution).values(code="P" * 32))
    problem = refusal(put, database, caller, "{institution}{institution}{institution}{institution}{seq}", 0)
    assert problem.reason == "ACCESSION_NUMBER_TOO_LONG"
    assert put(database, caller, "{institution}{institution}{seq}", 0) == 1


def test_a_number_that_an_earlier_pattern_has_given_is_left_out_with_a_reason(
    database: Database, caller: Context
) -> None:
    with clock.frozen(datetime(2026, 12, 1, 5, tzinfo=UTC)):
        put(database, caller, "{year}{seq}", 0)
        assert [item.accession_number for item in add(database, caller, count=2)] == ["20261", "20262"]
        put(database, caller, "2026{seq}", 1)
        assert [item.accession_number for item in add(database, caller, count=2)] == ["20263", "20264"]
    with database.reading(caller) as session:
        facts = session.scalars(select(acts.c.facts).where(acts.c.act == "catalog.skip_numbers")).one()
    assert "20261" in str(facts)
    assert "20262" in str(facts)


def test_a_long_run_of_numbers_that_imports_brought_is_one_gap(database: Database, caller: Context) -> None:
    day = "2026-12-01"
    with database.transaction(caller) as session:
        record = session.scalars(select(Record.number)).first()
        of_each = {
            "institution_id": UUID(caller.institution), "record_number": record, "series": "import", "entered_on": day,
            "acquired_on": day, "source": "gift", "fund": "", "supplier": "", "document": "", "currency": "IDR",
            "asset_code": "",
        }  # fmt: skip
        imported = [*range(1, 1501), *range(1502, 1504), 1507]
        rows = [of_each | {"item_id": new_id(), "number": str(n), "sequence": n} for n in imported]
        session.execute(insert(Accession), rows)
    put(database, caller, "{seq}", 0)
    with clock.frozen(datetime(2026, 12, 1, 5, tzinfo=UTC)):
        assert [item.accession_number for item in add(database, caller, count=3)] == ["1501", "1504", "1505"]
        assert [item.accession_number for item in add(database, caller, count=2)] == ["1506", "1508"]
    with database.reading(caller) as session:
        gaps = [(gap.first, gap.last) for gap in list_gaps(session, context=caller)[0]]
        facts = session.scalars(select(acts.c.facts).where(acts.c.act == "catalog.skip_numbers")).all()
    assert gaps == [(1, 1500), (1502, 1503), (1507, 1507)]
    assert max(len(str(each)) for each in facts) < 100


def test_a_new_barcode_is_none_that_an_import_has_brought(
    database: Database, caller: Context, import_: Importer
) -> None:
    (first,) = add(database, caller)
    following = with_check_digit(f"{first.barcode[:5]}{int(first.barcode[5:13]) + 1:08}")
    import_([book("2", items=[("PST", following)])])
    (second,) = add(database, caller)
    assert second.barcode == with_check_digit(f"{first.barcode[:5]}{int(first.barcode[5:13]) + 2:08}")


@pytest.mark.timeout(240)
def test_twenty_cataloguers_add_items_at_once_and_some_are_killed_without_gaps_or_doubles(
    database: Database, caller: Context, import_: Importer
) -> None:
    import_([book(str(number), f"Kaba {number}", items=[("PST", f"S{number}")]) for number in range(1, 6)])
    with database.reading(caller) as session:
        before = set(session.scalars(select(Item.id)))
        records = ",".join(map(str, session.scalars(select(Record.id))))
    url = database.url.render_as_string(hide_password=False)
    program, processes = "tests.services.catalog.killed_cataloguers:main", []
    for kill_at in ("3", "0", "6", "0", "1"):  # of processes with four cataloguers each
        words = [url, caller.institution, records, "4", kill_at]
        processes.append(start_program(words, program=program, env=os.environ, cwd=CHECKOUT))
    codes = [process.wait(timeout=200) for process in processes]
    assert codes == [-signal.SIGKILL, 0, -signal.SIGKILL, 0, -signal.SIGKILL]
    with database.reading(caller) as session:
        entries = session.scalars(select(Accession).order_by(Accession.sequence)).all()
        items = {item.id: item for item in session.scalars(select(Item)) if item.id not in before}
    assert [entry.sequence for entry in entries] == list(range(1, len(entries) + 1))
    assert len({entry.number for entry in entries}) == len(entries)
    assert {entry.item_id for entry in entries} == items.keys()
    assert len({item.barcode for item in items.values()}) == len(items)
    assert len(items) % ITEMS == 0
    assert 2 * 4 * ACTS * ITEMS <= len(items) < 5 * 4 * ACTS * ITEMS
