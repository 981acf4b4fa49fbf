"""Doctor's findings about members: the master key and its copy on paper."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import update

from chassis import clock
from chassis.service import Resources
from services.members import checks
from services.members.service import SERVICE
from services.members.settings import MembersSettings
from services.members.tables import Account, MasterKey
from tests.services.members.conftest import TEST, Office


def finding(office: Office) -> tuple[bool, str, bool]:
    """Whether doctor calls the master key well, what it says, and whether there is something to do."""
    (master,) = checks.master_key(Resources(settings=office.settings, database=office.database, service=SERVICE))
    return master.ok, master.message.en, bool(master.advice.en)


def test_a_master_key_without_a_copy_on_paper_is_advice_at_once_and_an_error_after_two_days(office: Office) -> None:
    well, message, has_advice = finding(office)
    assert (well, has_advice) == (True, True)
    assert "no copy on paper" in message
    with clock.frozen(clock.now() + timedelta(days=2, seconds=1)):
        assert finding(office) == (False, message, True)
        with office.database.transaction(TEST) as session:
            session.execute(update(MasterKey).values(printed_at=clock.now()))
        well, message, has_advice = finding(office)
    assert (well, has_advice) == (True, False)
    assert "no copy" not in message


def test_a_master_key_that_is_missing_is_an_error(office: Office) -> None:
    path = office.settings.of(MembersSettings).master_key
    path.rename(path.with_suffix(".away"))
    well, message, _ = finding(office)
    assert not well
    assert str(path) in message


def test_without_staff_accounts_doctor_says_how_to_add_the_first(office: Office) -> None:
    with office.database.transaction(TEST) as session:
        session.execute(update(Account).values(closed_at=clock.now()))
    (finding,) = checks.administrators(Resources(settings=office.settings, database=office.database, service=SERVICE))
    assert finding.ok
    assert "rangkiang admin create" in finding.advice.en
