"""Signing in with a card number of several institutions, and on a browser that has signed in before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import delete

from chassis import clock
from chassis.ids import new_id
from gateway import sessions
from services.members.sign_in import passwords
from services.members.tables import Account, FailedAttempts
from tests.fakes.accounts import PASSWORD, PKS, TEST, Staff, add_institution, add_staff, new_user
from tests.fakes.running import running
from tests.web.visitors import Visitor, visitor

OTHER = UUID(int=0xE0)


@pytest.fixture
def reader(address: str) -> Iterator[Visitor]:
    with visitor(address) as reader:
        yield reader


@pytest.fixture
def shared_number(address: str) -> str:
    """A card number that two institutions have, with the same password."""
    add_institution()
    add_institution(OTHER, "SMPN1")
    number = f"kartu-{os.urandom(4).hex()}"
    for institution in (PKS, OTHER):
        add_reader(number, institution)
    return number


def add_reader(number: str, institution: UUID) -> None:
    members = running["members"]
    with members.database.transaction(TEST) as session:
        session.add(
            Account(
                id=new_id(), institution_id=institution, user=number, name="Reader", is_member=True,
                password_hash=passwords.hash_password(PASSWORD), password_at=clock.now(), totp_secret=b"",
                totp_counter=0, created_at=clock.now(), last_sign_in_at=None, closed_at=None, roles_version=1,
                roles_at=None,
            )
        )  # fmt: skip


def enter(reader: Visitor, user: str, password: str = PASSWORD) -> httpx.Response:
    reader.open("/sign-in?back=/browse")
    return reader.send("/sign-in", {"user": user, "password": password}, follow=False)


def test_a_number_of_two_institutions_is_followed_by_a_choice_of_the_institution(
    reader: Visitor, shared_number: str
) -> None:
    assert enter(reader, shared_number).status_code == 200
    assert "Several institutions have this card number." in reader.text
    assert PASSWORD not in reader.response.text
    options = reader.page.xpath("//select[@name='institution']/option/@value")
    assert sorted(options) == ["", "PKS", "SMPN1"]
    # Without a choice the page asks again.
    reader.send("/sign-in", {"institution": ""}, follow=False)
    assert "Several institutions have this card number." in reader.text
    response = reader.send("/sign-in", {"institution": "SMPN1"}, follow=False)
    assert (response.status_code, response.headers["location"]) == (303, "/browse")


def test_a_wrong_choice_of_the_institution_leads_back_to_the_password(reader: Visitor, shared_number: str) -> None:
    enter(reader, shared_number)
    reader.send("/sign-in", {"institution": "NONE"}, follow=False)
    assert reader.response.status_code == 401
    assert reader.form("/sign-in")["user"] == shared_number
    assert "password" in {field.name for field in reader.page.forms[-1].inputs}


def test_the_api_names_the_institutions_and_takes_one(address: str, shared_number: str) -> None:
    with httpx.Client(base_url=f"{address}/api/v1", verify=False) as http:
        body = {"user": shared_number, "password": PASSWORD}
        problem = http.post("/sign-in", json=body)
        assert (problem.status_code, problem.json()["reason"]) == (401, "SIGN_IN_INSTITUTION_NEEDED")
        assert problem.json()["facts"]["institutions"] == ["PKS", "SMPN1"]
        signed_in = http.post("/sign-in", json={**body, "institution": "PKS"}).json()
        token = {"Authorization": f"Bearer {signed_in['access_token']}"}
        assert http.get("/account", headers=token).json()["institution"] == "PKS"


def paused_for_strangers(staff: Staff, address: str) -> None:
    """Fail so often that the account pauses for all unknown devices."""
    with httpx.Client(base_url=f"{address}/api/v1", verify=False) as http:
        reasons = [""]
        while reasons[-1] != "SIGN_IN_PAUSED":
            body = {"user": staff.user, "password": "wrong password"}
            reasons.append(http.post("/sign-in", json=body).json()["reason"])


@pytest.fixture
def staff(address: str) -> Iterator[Staff]:
    yield add_staff(new_user("desk"), "desk")
    # All tests have one address.
    with running["members"].database.transaction(TEST) as session:
        session.execute(delete(FailedAttempts))


def test_a_browser_that_has_signed_in_is_not_delayed_by_failures_of_others(
    reader: Visitor, staff: Staff, address: str
) -> None:
    assert enter(reader, staff.user).status_code == 303
    cookie = next(cookie for cookie in reader.http.cookies.jar if cookie.name == sessions.HTTP_COOKIE + sessions.DEVICE)
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.expires is not None
    reader.open("/")
    reader.send("/sign-out")
    with clock.frozen(clock.now()):
        paused_for_strangers(staff, address)
        with visitor(address) as stranger:
            assert enter(stranger, staff.user).status_code == 429
        assert enter(reader, staff.user).status_code == 303


def test_a_program_keeps_its_device_from_one_sign_in_to_the_next(staff: Staff, address: str) -> None:
    with httpx.Client(base_url=f"{address}/api/v1", verify=False) as http, clock.frozen(clock.now()):
        body = {"user": staff.user, "password": PASSWORD}
        device = http.post("/sign-in", json=body).json()["device"]
        paused_for_strangers(staff, address)
        assert http.post("/sign-in", json=body).status_code == 429
        assert http.post("/sign-in", json={**body, "device": str(uuid4())}).status_code == 429
        assert http.post("/sign-in", json={**body, "device": device}).status_code == 200


def test_a_shared_computer_is_not_known_afterwards(reader: Visitor, staff: Staff) -> None:
    reader.open("/sign-in")
    response = reader.send("/sign-in", {"user": staff.user, "password": PASSWORD, "shared": "1"}, follow=False)
    assert response.status_code == 303
    assert sessions.HTTP_COOKIE + sessions.DEVICE not in reader.http.cookies


def test_a_number_of_four_institutions_offers_all_of_them(reader: Visitor, shared_number: str) -> None:
    for n in (8, 9):
        add_institution(UUID(int=0xE0 + n), f"LIB{n}")
        add_reader(shared_number, UUID(int=0xE0 + n))
    enter(reader, shared_number)
    assert "KOTASOLOK" in reader.page.xpath("//select[@name='institution']/option/@value")
