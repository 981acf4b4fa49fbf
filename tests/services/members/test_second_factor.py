"""Second factors of managers, one-time links that show a second factor once, and sessions of shared computers."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import update

from chassis import clock
from rangkiang.members.v1 import sign_in_pb2 as wire
from services.members.sign_in import accounts
from services.members.tables import Account, AccountRole
from tests.services.members.conftest import PASSWORD, TEST, Office
from tests.services.members.desk import error_of
from tests.services.members.test_sign_in import refusal

managers_need_a_code = pytest.mark.parametrize(
    "more_settings", [{"MANAGER_SECOND_FACTOR": "on"}], indirect=True, ids=["managers"]
)


@managers_need_a_code
def test_a_manager_without_a_code_sets_it_up_at_the_next_sign_in_if_the_setting_says_so(office: Office) -> None:
    office.staff("rani", "desk")
    with office.database.transaction(TEST) as session:
        session.execute(update(AccountRole).values(role="manager"))
    raised = error_of(lambda: office.sign_in("rani"))
    assert raised.reason == "TOTP_NEW"
    link = str(raised.facts["link"]).removeprefix("/sign-in/link/")
    assert refusal(lambda: office.sign_in("rani", "wrong")) == "SIGN_IN_FAILED"
    use = wire.UseLinkRequest(link=link, password=PASSWORD, totp="000000")
    assert refusal(lambda: office.stub.UseLink(use)) == "TOTP_WRONG"
    office.totp["rani"] = pyotp.parse_uri(office.stub.GetLink(wire.GetLinkRequest(link=link)).totp_uri)
    use.totp = office.code("rani")
    office.stub.UseLink(use)
    assert refusal(lambda: office.sign_in("rani")) == "TOTP_REQUIRED"
    with clock.frozen(clock.now() + timedelta(seconds=60)):
        assert office.sign_in("rani", totp=office.code("rani")).account.has_second_factor


def test_a_manager_needs_no_code_unless_the_setting_says_so(office: Office) -> None:
    office.staff("rani", "manager")
    assert not office.sign_in("rani").account.has_second_factor


@managers_need_a_code
def test_a_new_manager_sets_the_code_up_with_the_first_link(office: Office) -> None:
    office.staff("rani", "manager")
    assert refusal(lambda: office.sign_in("rani")) == "TOTP_REQUIRED"


@managers_need_a_code
def test_nobody_sets_up_the_code_of_an_administrator_with_a_password_alone(office: Office) -> None:
    office.staff("siti", "manager", "administrator")
    with office.database.transaction(TEST) as session:
        session.execute(update(Account).values(totp_secret=b""))
    raised = error_of(lambda: office.sign_in("siti"))
    assert (raised.reason, raised.facts) == ("TOTP_NOT_SET", {})


def test_a_link_shows_a_second_factor_once(office: Office) -> None:
    rani = office.staff("rani", "administrator")
    with office.database.transaction(TEST) as session:
        link = accounts.make_link(session, accounts.staff_account(session, rani))
    request = wire.GetLinkRequest(link=link)
    first, second = (pyotp.parse_uri(office.stub.GetLink(request).totp_uri) for _ in range(2))
    assert isinstance(first, pyotp.TOTP)
    assert isinstance(second, pyotp.TOTP)
    assert first.secret != second.secret
    repeated = office.stub.GetLink(wire.GetLinkRequest(link=link, is_repeat=True))
    assert (repeated.totp_uri, repeated.needs_totp) == ("", True)
    use = wire.UseLinkRequest(link=link, password=PASSWORD, totp=first.at(clock.now()))
    assert refusal(lambda: office.stub.UseLink(use)) == "TOTP_WRONG"
    use.totp = second.at(clock.now())
    assert office.stub.UseLink(use).user == "rani"


def test_a_link_of_an_administrator_whose_page_was_not_opened_sets_no_password(office: Office) -> None:
    rani = office.staff("rani", "administrator")
    with office.database.transaction(TEST) as session:
        link = accounts.make_link(session, accounts.staff_account(session, rani))
    use = wire.UseLinkRequest(link=link, password="lampu perahu kemarau", totp=office.code("rani"))
    assert refusal(lambda: office.stub.UseLink(use)) == "TOTP_WRONG"


def test_on_a_shared_computer_a_session_ends_after_ten_minutes_without_a_request(office: Office) -> None:
    office.staff("budi", "desk")
    own, shared = office.sign_in("budi"), office.sign_in("budi", is_shared_computer=True)

    def renewal(signed_in: wire.SignInReply) -> str:
        return refusal(lambda: office.stub.RenewToken(wire.RenewTokenRequest(session=signed_in.session)))

    with clock.frozen(clock.now() + timedelta(minutes=9)):
        assert (renewal(own), renewal(shared)) == ("", "")
    with clock.frozen(clock.now() + timedelta(minutes=18)):
        assert (renewal(own), renewal(shared)) == ("", "")
    with clock.frozen(clock.now() + timedelta(minutes=28, seconds=1)):
        assert (renewal(own), renewal(shared)) == ("", "SESSION_ENDED")
