"""Failed sign-ins delay only their browser or address; card numbers that several institutions have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis import clock
from chassis.errors import Error
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy
from rangkiang.members.v1 import cards_pb2, members_pb2, people_pb2, staff_pb2
from rangkiang.members.v1 import sign_in_pb2 as wire
from services.members.institutions import copy_institutions
from tests.services.members.conftest import PASSWORD, PKS, TEST, UNAND, Office, bearer
from tests.services.members.desk import Desk, error_of, reasons

NUMBER = "0001"
OTHER_PASSWORD = "lampu perahu kemarau"
HERE = "10.0.0.7"


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    """Stop the clock: a slow machine takes longer than the first pauses."""
    with clock.frozen(clock.now()):
        yield


def fail(office: Office, user: str, *, times: int, addresses: int = 6, **more: str) -> list[list[str]]:
    """Send wrong passwords from several addresses in turn; return the reasons."""
    return [
        reasons(lambda n=n: office.sign_in(user, "wrong", address=f"10.0.1.{n % addresses}", **more))  # type: ignore[misc]
        for n in range(times)
    ]


def reader(office: Office, institution: UUID, password: str, number: str = NUMBER) -> str:
    """Register a member with a card number of an earlier system, and set the password. Returns the member's id."""
    desk = Desk(office, institution=institution)
    category = "dosen" if institution == UNAND else "umum"
    request = people_pb2.RegisterMemberRequest(number=number)
    member = desk.register(category=category, request=request, name=f"Reader {uuid4().hex[:6]}")
    code = desk.call("MakeSlip", cards_pb2.MakeSlipRequest(id=member.id)).code
    office.stub.UseSlip(cards_pb2.UseSlipRequest(number=number, code=code, password=password, address=HERE))
    return str(member.id)


def seconds(call: Callable[[], Any]) -> int:
    """The length of a pause."""
    error = error_of(call)
    assert error.reason == "SIGN_IN_PAUSED"
    return int(error.facts["seconds"])


def test_strangers_pause_an_account_for_half_a_minute_at_most_and_its_known_device_not_at_all(office: Office) -> None:
    office.staff("budi", "desk")
    device = office.sign_in("budi", address=HERE).device
    assert fail(office, "budi", times=20) == [["SIGN_IN_FAILED"]] * 20
    start = clock.now()
    for n in range(8):
        with clock.frozen(start + timedelta(minutes=n + 1)):
            assert reasons(lambda n=n: office.sign_in("budi", "wrong", address=f"10.0.2.{n}")) == ["SIGN_IN_FAILED"]  # type: ignore[misc]
            assert seconds(lambda: office.sign_in("budi", address="10.0.0.8")) <= 31
            assert office.sign_in("budi", address=HERE, device=device).account.user == "budi"
    with clock.frozen(start + timedelta(minutes=8, seconds=31)):
        assert office.sign_in("budi", address="10.0.0.8").account.user == "budi"


def test_a_known_device_has_twenty_tries_an_hour(office: Office) -> None:
    office.staff("budi", "desk")
    device = office.sign_in("budi", address=HERE).device
    assert fail(office, "budi", times=21, device=device) == [["SIGN_IN_FAILED"]] * 20 + [["SIGN_IN_PAUSED"]]
    assert 3_590 <= seconds(lambda: office.sign_in("budi", device=device)) <= 3_601
    # They delay no other device.
    assert office.sign_in("budi", address="10.0.1.1").account.user == "budi"
    with clock.frozen(clock.now() + timedelta(minutes=61)):
        assert fail(office, "budi", times=2, device=device) == [["SIGN_IN_FAILED"]] * 2
        assert office.sign_in("budi", device=device).account.user == "budi"


def test_a_device_is_known_only_to_accounts_that_have_signed_in_on_it(office: Office) -> None:
    office.staff("budi", "desk")
    office.staff("rani", "desk")
    own = office.sign_in("rani", address=HERE).device
    number, proof = office.sign_in("budi", address=HERE).device.split(".")
    fail(office, "budi", times=20)
    forged = [own, f"{number}.{own.partition('.')[2]}", f"{own.partition('.')[0]}.{proof}", number, "x" * 600, "ü.ü"]
    for device in forged:
        assert fail(office, "budi", times=1, device=device) == [["SIGN_IN_PAUSED"]], device
    # A computer at the desk is known to everybody who has signed in on it.
    both = office.sign_in("rani", device=f"{number}.{proof}").device
    assert office.sign_in("budi", device=both).account.user == "budi"


def test_a_device_keeps_the_last_eight_accounts(office: Office) -> None:
    for n in range(9):
        office.staff(f"user{n}", "desk")
    device = ""
    for n in range(9):
        device = office.sign_in(f"user{n}", address=HERE, device=device).device
    for n in (0, 1):
        fail(office, f"user{n}", times=20, addresses=20)
    assert reasons(lambda: office.sign_in("user0", device=device)) == ["SIGN_IN_PAUSED"]
    assert office.sign_in("user1", device=device).account.user == "user1"


def test_clients_have_no_pause(office: Office) -> None:
    added = Desk(office, "administrator").call("AddClient", staff_pb2.AddClientRequest(name="opac", role="desk"))
    wrong = wire.IssueTokenRequest(client_id=added.client.id, client_secret="invented")
    for _ in range(70):
        assert reasons(lambda: office.stub.IssueToken(wrong)) == ["CLIENT_REFUSED"]
    right = wire.IssueTokenRequest(client_id=added.client.id, client_secret=added.secret)
    assert office.stub.IssueToken(right).token.token


@pytest.mark.parametrize("prefix", ["code/", "slip/", "client:", "both", "account"])
def test_a_card_number_cannot_reset_the_counters_of_an_administrator(office: Office, prefix: str) -> None:
    account_id = office.staff("siti", "administrator")
    for name in ("siti", account_id):
        reader(office, PKS, OTHER_PASSWORD, number=prefix + name)
    with clock.frozen(clock.now() + timedelta(seconds=60)):
        for _ in range(5):
            assert reasons(lambda: office.sign_in("siti", address=HERE, totp="000000")) == ["SIGN_IN_FAILED"]
            for name in ("siti", account_id):
                office.sign_in(prefix + name, OTHER_PASSWORD, address=HERE)
        right = office.code("siti")
        assert reasons(lambda: office.sign_in("siti", address=HERE, totp=right)) == ["SIGN_IN_PAUSED"]


def test_only_the_password_leads_to_the_pauses_of_codes(office: Office) -> None:
    office.staff("siti", "administrator")
    start = clock.now() + timedelta(minutes=1)
    with clock.frozen(start):
        device = office.sign_in("siti", address=HERE, totp=office.code("siti")).device
    for n in range(1, 41):  # with the password, 26 wrong codes cause a pause of 15 minutes
        with clock.frozen(start + timedelta(minutes=n)):
            stranger = reasons(lambda n=n: office.sign_in("siti", "wrong", address=f"10.0.2.{n}", totp="000000"))  # type: ignore[misc]
            assert stranger == ["SIGN_IN_FAILED"]
            assert office.sign_in("siti", address=HERE, totp=office.code("siti"), device=device).account.user == "siti"
    with clock.frozen(start + timedelta(minutes=40, seconds=31)):
        assert office.sign_in("siti", address="10.0.0.8", totp=office.code("siti")).account.user == "siti"


def test_codes_have_long_pauses_for_those_who_know_the_password_but_not_on_a_known_device(office: Office) -> None:
    office.staff("siti", "administrator")
    start = clock.now() + timedelta(seconds=60)
    with clock.frozen(start):
        device = office.sign_in("siti", address=HERE, totp=office.code("siti")).device
    for n in range(1, 27):
        with clock.frozen(start + timedelta(minutes=n)):
            reasons(lambda n=n: office.sign_in("siti", address=f"10.0.2.{n}", totp="000000"))  # type: ignore[misc]
    with clock.frozen(start + timedelta(minutes=27)):
        code = office.code("siti")
        assert reasons(lambda: office.sign_in("siti", address=HERE, totp=code)) == ["SIGN_IN_PAUSED"]
        # Otherwise a stolen password would be enough to keep its owner out.
        assert office.sign_in("siti", address=HERE, totp=code, device=device).account.user == "siti"
    with clock.frozen(start + timedelta(minutes=28)):
        guesses = [reasons(lambda: office.sign_in("siti", totp="000000", device=device)) for _ in range(21)]
        assert guesses[19:21] == [["SIGN_IN_FAILED"], ["SIGN_IN_PAUSED"]]


def test_a_device_is_known_until_the_password_changes(office: Office) -> None:
    office.staff("budi", "desk")
    signed_in = office.sign_in("budi", address=HERE)
    assert fail(office, "budi", times=1, device=signed_in.device) == [["SIGN_IN_FAILED"]]
    request = members_pb2.ChangePasswordRequest(password=PASSWORD, new_password=OTHER_PASSWORD)
    with clock.frozen(clock.now() + timedelta(seconds=1)):
        office.stub.ChangePassword(request, metadata=bearer(signed_in.token))
    fail(office, "budi", times=20)
    # Otherwise each of a thief's devices would have 20 tries of the new password in an hour.
    assert fail(office, "budi", times=1, device=signed_in.device) == [["SIGN_IN_PAUSED"]]


def test_strangers_do_not_pause_a_change_of_password(office: Office) -> None:
    office.staff("budi", "desk")
    token = office.sign_in("budi", address=HERE).token
    fail(office, "budi", times=20)
    request = members_pb2.ChangePasswordRequest(password=PASSWORD, new_password=OTHER_PASSWORD)
    office.stub.ChangePassword(request, metadata=bearer(token))


def test_a_card_number_of_two_institutions_signs_in_the_member_whose_password_it_is(office: Office) -> None:
    first, second = reader(office, PKS, PASSWORD), reader(office, UNAND, OTHER_PASSWORD)
    assert office.sign_in(NUMBER).account.id == first
    assert office.sign_in(NUMBER, OTHER_PASSWORD).account.id == second
    assert reasons(lambda: office.sign_in(NUMBER, "wrong")) == ["SIGN_IN_FAILED"]


def test_two_members_with_one_number_and_one_password_are_asked_for_their_institution(office: Office) -> None:
    own = {"PKS": reader(office, PKS, PASSWORD), "UNAND": reader(office, UNAND, PASSWORD)}
    error = error_of(lambda: office.sign_in(NUMBER))
    assert (error.reason, error.http_status) == ("SIGN_IN_INSTITUTION_NEEDED", 401)
    assert error.facts["institutions"] == ["PKS", "UNAND"]
    for code, member in own.items():
        assert office.sign_in(NUMBER, institution=code).account.id == member
        assert office.sign_in(NUMBER, institution=code.lower()).account.id == member
    assert reasons(lambda: office.sign_in(NUMBER, institution="NONE")) == ["SIGN_IN_FAILED"]


def test_a_number_of_four_institutions_needs_the_institution_before_passwords_are_compared(office: Office) -> None:
    more = {f"LIB{n}": uuid4() for n in (1, 2)}
    copies = [InstitutionCopy(id=str(key), version=1, code=code, kind="public", zone="Asia/Jakarta")
              for code, key in more.items()]  # fmt: skip
    with office.database.transaction(TEST) as session:
        copy_institutions(session, copies)
    for n, institution in enumerate((PKS, UNAND, *more.values())):
        reader(office, institution, f"{OTHER_PASSWORD} {n}")
    error = error_of(lambda: office.sign_in(NUMBER, f"{OTHER_PASSWORD} 2"))
    assert (error.reason, error.facts["institutions"]) == ("SIGN_IN_INSTITUTION_NEEDED", [])
    assert office.sign_in(NUMBER, f"{OTHER_PASSWORD} 3", institution="LIB2").account.institution == "LIB2"
    assert reasons(lambda: office.sign_in(NUMBER, f"{OTHER_PASSWORD} 3", institution="LIB1")) == ["SIGN_IN_FAILED"]


def test_the_password_of_another_institutions_member_resets_no_failures(office: Office) -> None:
    reader(office, PKS, PASSWORD)
    reader(office, UNAND, OTHER_PASSWORD)
    device = office.sign_in(NUMBER, OTHER_PASSWORD, address=HERE).device
    for _ in range(5):
        for more in ({}, {"institution": "PKS"}):
            reasons(lambda more=more: office.sign_in(NUMBER, "guess", address=HERE, device=device, **more))  # type: ignore[misc]
        reasons(lambda: office.sign_in(NUMBER, OTHER_PASSWORD, address=HERE, institution="UNAND"))
    assert reasons(lambda: office.sign_in(NUMBER, "guess", address=HERE)) == ["SIGN_IN_PAUSED"]


def test_the_owner_of_one_account_cannot_find_out_the_password_of_another_with_the_same_number(office: Office) -> None:
    """Who chooses a password that the other account has is asked for the institution; each try counts as a failure."""
    reader(office, PKS, PASSWORD)
    reader(office, UNAND, OTHER_PASSWORD)
    for _ in range(30):  # with the institution no other password is compared
        assert office.sign_in(NUMBER, OTHER_PASSWORD, address=HERE, institution="UNAND").session
    tries = [reasons(lambda n=n: office.sign_in(NUMBER, OTHER_PASSWORD, address=f"10.0.1.{n}")) for n in range(21)]  # type: ignore[misc]
    assert tries == [[]] * 20 + [["SIGN_IN_PAUSED"]]


def test_no_institution_gives_staff_a_user_name_of_another_or_of_a_card(office: Office) -> None:
    office.staff("siti", "desk")
    Desk(office).register(request=people_pb2.RegisterMemberRequest(number="Lama-7"))
    elsewhere = Desk(office, "administrator", institution=UNAND)
    for user, reason in (("siti", "USER_NAME_TAKEN"), ("lama-7", "USER_NAME_TAKEN"), ("x\0y", "USER_NAME_INVALID")):
        request = staff_pb2.AddStaffRequest(user=user, name="Siti", roles=["desk"])
        assert reasons(lambda request=request: elsewhere.call("AddStaff", request)) == [reason]  # type: ignore[misc]
    request = staff_pb2.AddStaffRequest(user="rani", name="Rani", roles=["desk"])
    assert elsewhere.call("AddStaff", request, key="once").member.user == "rani"
    with pytest.raises(Error, match="REPLY_NOT_KEPT"):
        elsewhere.call("AddStaff", request, key="once")
