"""The rows that the sender reads do not grow with old notices and refused addresses."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import create_engine, text

from chassis import clock
from services.notifications.institutions import local_day
from services.notifications.sending.queue import find_work, read_sending_data, read_work
from tests.services.notifications.conftest import TEST
from tests.services.notifications.test_sender import MORNING, remind


def test_only_days_that_can_decide_are_read_however_many_digests_a_member_got(office):
    member = office.owners.add()
    for days in (0, 40, 80):
        moment = MORNING + timedelta(days=days)
        with clock.frozen(moment):
            remind(office, member, due_on=moment.date() + timedelta(days=3))
            office.send()
    with clock.frozen(moment):
        remind(office, member, due_on=moment.date() + timedelta(days=3))
    with office.database.reading(TEST) as session:
        data = read_sending_data(session, read_work(session, find_work(session, moment)), moment)
    assert list(data.sent_days) == [(member, local_day(moment, "Asia/Jakarta"))]


def test_refused_addresses_of_members_are_found_in_an_index(office):
    is_sqlite = office.database.reader.dialect.name == "sqlite"
    member = office.owners.add()
    value = f"x'{member.hex}'" if is_sqlite else f"'{member}'"
    engine = create_engine(office.database.url)
    with engine.connect() as connection:
        if not is_sqlite:
            # A table of a few rows is read as a whole, unless that is made expensive.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
        query = f"{explain} SELECT address_hash FROM refused_addresses WHERE member_id = {value}"
        plan = " ".join(str(row) for row in connection.exec_driver_sql(query))
    engine.dispose()
    assert "refused_addresses_member" in plan, plan
