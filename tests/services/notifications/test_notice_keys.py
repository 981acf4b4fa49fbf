"""The master key of notifications: with another one nothing is sealed, notices wait, and doctor gives the reason."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from chassis import clock
from chassis.errors import Unavailable
from chassis.security.encryption import make_master_key
from services.notifications import checks, ledger
from services.notifications.checks import master_key
from services.notifications.keys import read_own_master
from services.notifications.sending.sender import Sender
from services.notifications.settings import NotificationsSettings
from services.notifications.tables import Member, Message
from services.notifications.templates.store import render
from tests.services.notifications.conftest import PADANG, TEST
from tests.services.notifications.test_sender import MORNING, lend, remind, sent


@pytest.fixture
def key_file(tmp_path):
    return tmp_path / "master-key"


@pytest.fixture
def office(office, key_file):
    """An office whose sender reads the key from its file, and which has sent a receipt with it."""
    office.master = make_master_key(key_file)
    office.sender = Sender(
        office.database,
        office.owners,
        office.channels,
        read_master=lambda: read_own_master(office.database, key_file),
        render=render,
    )
    with clock.frozen(MORNING):
        lend(office, office.owners.add())
        office.send()
    return office


def write_key(key_file, content):
    key_file.write_bytes(content)
    key_file.chmod(0o600)


def doctor(office, key_file):
    settings = NotificationsSettings(master_key_file=key_file)
    resources = SimpleNamespace(database=office.database, settings=SimpleNamespace(of=lambda _: settings))
    return [(finding.ok, finding.message.en) for finding in master_key(resources)]


@pytest.mark.parametrize("is_missing", [False, True])
def test_with_a_wrong_or_missing_master_key_everything_waits_and_doctor_says_so(office, key_file, is_missing):
    assert [ok for ok, _ in doctor(office, key_file)] == [True]
    right, reason = key_file.read_bytes(), "MASTER_KEY_MISSING" if is_missing else "MASTER_KEY_OTHER"
    key_file.unlink()
    if not is_missing:
        make_master_key(key_file)
    with clock.frozen(MORNING):
        # The second one has no key yet: with the wrong one its key would be lost.
        remind(office, office.owners.add())
        with pytest.raises(Unavailable, match=reason):
            office.send()
    assert [row.state for row in office.notices(kind="due_soon")] == ["waiting"]
    ((ok, message),) = doctor(office, key_file)
    assert not ok
    assert str(key_file) in message
    write_key(key_file, right)
    office.send_at(MORNING)
    assert len(sent(office)) == 2


def damage_key(office, member):
    with office.database.transaction(TEST) as session:
        session.get_one(Member, member).wrapped_key = b"x" * 60


def test_a_damaged_key_fails_the_notices_of_its_member_alone_and_sending_again_makes_a_new_one(office):
    damaged, other = office.owners.add(), office.owners.add()
    with clock.frozen(MORNING):
        for member in (damaged, other):
            lend(office, member)
        office.send()
        damage_key(office, damaged)
        for member in (damaged, other):
            remind(office, member)
        office.send()
    (failed,) = office.notices(kind="due_soon", member_id=damaged)
    assert (failed.state, failed.reason) == ("failed", "TEXT_KEY_DAMAGED")
    assert [row.state for row in office.notices(kind="due_soon", member_id=other)] == ["sent"]
    with clock.frozen(MORNING):
        ok = [finding.ok for finding in checks.notices(SimpleNamespace(database=office.database))]
    assert ok == [False]
    with clock.frozen(MORNING), office.database.transaction(TEST) as session:
        assert ledger.needs_key(session, PADANG, str(failed.id))
        ledger.resend(session, PADANG, str(failed.id), context=TEST, master=office.master)
    office.send_at(MORNING)
    (again,) = office.notices(kind="due_soon", member_id=damaged)
    with office.database.reading(TEST) as session:
        _, text = ledger.open_message(session, session.get(Message, again.message_id), office.master)
    assert "Merantau ke Deli" in text


def test_a_member_whose_contact_cannot_be_read_fails_alone(office):
    damaged, other = office.owners.add(is_unreadable=True), office.owners.add()
    with clock.frozen(MORNING):
        for member in (damaged, other):
            lend(office, member)
        office.send()
    states = {
        row.member_id: (row.state, row.reason)
        for person in (damaged, other)
        for row in office.notices(member_id=person)
    }
    assert states == {damaged: ("failed", "CONTACT_UNREADABLE"), other: ("sent", "")}
