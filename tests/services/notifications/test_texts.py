"""Texts of notices have existing addresses of the gateway and every variable of their kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from fastapi.routing import iter_route_contexts

from chassis import clock
from chassis.ids import new_id
from chassis.settings import Settings
from gateway.app import create_app
from rangkiang.circulation.v1.events_pb2 import SuspensionStarted
from rangkiang.members.v1.events_pb2 import MembershipExpiring, SlipIssued
from services.notifications.sending.owners import PasswordCode
from services.notifications.sending.sender import Sender
from services.notifications.sending.texts import ACCOUNT_PATH, LINK_PATH, PASSWORD_CODE_PATH
from services.notifications.templates.store import render
from tests.fakes.notices import loan_copy
from tests.services.notifications.conftest import JAYAPURA, JAYAPURA_BRANCH, Office

MORNING = datetime(2026, 11, 21, 2, tzinfo=UTC)


@pytest.fixture
def facts(office: Office) -> dict[str, dict[str, object]]:
    """The facts that templates get from the next rounds, by kind."""
    rendered: dict[str, dict[str, object]] = {}

    def render_and_keep(session, *, kind, facts, **others):
        rendered[kind] = dict(facts)
        return render(session, kind=kind, facts=facts, **others)

    office.sender = Sender(
        office.database, office.owners, office.channels, read_master=lambda: office.master, render=render_and_keep
    )
    return rendered


def test_links_in_notices_are_routes_of_the_gateway():
    settings = Settings(service_urls={"catalog": "dns:///127.0.0.1:1"})
    routes = {
        (method, route.path)
        for route in iter_route_contexts(create_app(settings).routes)
        for method in route.methods or ()
    }
    for method, path in (
        ("GET", ACCOUNT_PATH), ("GET", PASSWORD_CODE_PATH), ("POST", PASSWORD_CODE_PATH),
        ("GET", f"{LINK_PATH}{{link}}"), ("POST", f"{LINK_PATH}{{link}}"),
    ):  # fmt: skip
        assert (method, path) in routes


def test_a_code_says_until_when_it_works_in_the_zone_of_its_member(office, facts):
    member, code_id = office.owners.add(), new_id()
    office.owners.codes[str(code_id)] = PasswordCode("7KQX-M2TD", "A-1")
    event = SlipIssued(member_id=str(member), institution_id=str(JAYAPURA), slip_id=str(code_id))
    event.expires_at.FromDatetime(MORNING + timedelta(minutes=30))
    with clock.frozen(MORNING):
        office.deliver(event, institution=JAYAPURA)
        office.send()
    assert facts["slip"]["valid_until"] == "2026-11-21T11:30:00+09:00"
    (message,) = [message for _, message in office.channels[0].sent]
    assert "berlaku sampai Sabtu, 21 November 2026 pukul 11.30 WIT." in message.text


def test_a_suspension_and_the_end_of_a_membership_say_how_many_days(office, facts):
    loan = loan_copy(office.owners.add(), JAYAPURA, branch_id=JAYAPURA_BRANCH, state="in")
    expiring = MembershipExpiring(
        member_id=loan.member_id, institution_id=str(JAYAPURA), expires_on="2026-12-21", days=30
    )
    with clock.frozen(MORNING):
        office.deliver(SuspensionStarted(loan=loan, begins_on="2026-11-21", ends_on="2026-11-24", days=4))
        office.deliver(expiring, institution=JAYAPURA)
        office.send()
    assert facts["suspension_started"]["days"] == 4
    assert facts["membership_expiring"]["days"] == 30
