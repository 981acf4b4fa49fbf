"""Plans of clients, and the daily counts of what they request: added once, by day of Western Indonesian Time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from chassis import clock
from chassis.errors import Outdated
from chassis.rpc.client import sync_channel
from chassis.security.auth import Principal
from rangkiang.members.v1 import staff_pb2 as wire
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from services.members.roles import scopes_of
from services.members.sign_in import clients
from tests.services.members.conftest import PKS, TEST, UNAND, Office, bearer, refusal

SETTINGS = {"PARTNER_REQUESTS_A_MINUTE": "60", "PARTNER_REQUESTS_A_DAY": "500", "PARTNER_RECORDS_A_DAY": "9000"}
with_settings = pytest.mark.parametrize("more_settings", [SETTINGS], indirect=True)
NOON = datetime(2026, 12, 1, 5, 0, tzinfo=UTC)


def add_client(office: Office, name: str, role: str = "partner", institution: Any = PKS) -> str:
    with office.database.transaction(TEST) as session:
        client, _ = clients.add_client(
            session, institution_id=institution, name=name, role=role, context=TEST, granter=None
        )
        return str(client.id)


def administrator(office: Office) -> list[tuple[str, str]]:
    principal = Principal(str(PKS), str(PKS), str(PKS), scopes_of(["administrator"]))
    return bearer(office.keys.sign(principal))


def gateway(office: Office) -> Any:
    return MembersStub(sync_channel("inproc:members", office.settings, caller="gateway"))


def count(office: Office, key: str, *counts: wire.UsageCount, ids: tuple[str, ...] = ()) -> list[wire.UsagePlan]:
    request = wire.CountUsageRequest(counts=counts, client_ids=ids)
    return list(gateway(office).CountUsage(request, metadata=[("idempotency-key", key)]).plans)


def of_day(client_id: str, day: str, protocol: str = "sru", **numbers: int) -> wire.UsageCount:
    return wire.UsageCount(client_id=client_id, day=day, protocol=protocol, **numbers)


def rows(office: Office, month: str, **more: Any) -> list[tuple[str, str, str, int, int, int]]:
    caller = more.pop("caller", None) or administrator(office)
    reply = office.stub.ReportUsage(wire.ReportUsageRequest(month=month, **more), metadata=caller)
    return [(c.client, c.day, c.protocol, c.requests, c.records, c.refusals) for c in reply.counts]


@with_settings
def test_a_partner_has_the_default_plan_until_it_has_limits_of_its_own(office: Office) -> None:
    partner, desk = add_client(office, "onesearch"), add_client(office, "kiosk", "desk")
    plans = {plan.client_id: plan for plan in count(office, "k-1", ids=(partner, desk, "nobody"))}
    assert (plans[partner].requests_a_minute, plans[partner].requests_a_day, plans[partner].records_a_day) == (
        60, 500, 9_000,
    )  # fmt: skip
    assert (plans[desk].requests_a_minute, plans[desk].requests_a_day, plans[desk].records_a_day) == (0, 0, 0)
    change = wire.ChangeClientRequest(id=partner, version=1, requests_a_day=20, records_a_day=0)
    changed = office.stub.ChangeClient(change, metadata=administrator(office)).client
    assert (changed.requests_a_day, changed.records_a_day, changed.version) == (20, 0, 2)
    (plan,) = count(office, "k-2", ids=(partner,))
    assert (plan.requests_a_minute, plan.requests_a_day, plan.records_a_day) == (60, 20, 9_000)
    with pytest.raises(Outdated):
        office.stub.ChangeClient(change, metadata=administrator(office))


def test_a_batch_counts_once_and_batches_of_many_processes_are_summed(office: Office) -> None:
    partner = add_client(office, "onesearch")
    with clock.frozen(NOON):
        batch = of_day(partner, "2026-12-01", requests=3, records=30)
        for _ in range(2):
            (plan,) = count(office, "one", batch, ids=(partner,))
            assert (plan.day, plan.requests, plan.records) == ("2026-12-01", 3, 30)
        other = of_day(partner, "2026-12-01", "oai", requests=1, records=1_000, refusals=2)
        (plan,) = count(office, "two", batch, other, of_day("nobody", "2026-12-01", requests=9), ids=(partner,))
        assert (plan.requests, plan.records) == (7, 1_060)
        assert rows(office, "2026-12") == [
            ("onesearch", "2026-12-01", "oai", 1, 1_000, 2),
            ("onesearch", "2026-12-01", "sru", 6, 60, 0),
        ]


def test_a_day_ends_at_midnight_in_western_indonesia(office: Office) -> None:
    partner = add_client(office, "onesearch")
    with clock.frozen(datetime(2026, 12, 31, 16, 59, tzinfo=UTC)):
        (plan,) = count(office, "one", of_day(partner, "2026-12-31", requests=5), ids=(partner,))
        assert (plan.day, plan.requests) == ("2026-12-31", 5)
    with clock.frozen(datetime(2026, 12, 31, 17, 0, tzinfo=UTC)):
        (plan,) = count(office, "two", of_day(partner, "2027-01-01", requests=1), ids=(partner,))
        assert (plan.day, plan.requests) == ("2027-01-01", 1)
    assert rows(office, "2026-12") == [("onesearch", "2026-12-31", "sru", 5, 0, 0)]
    assert rows(office, "2027-01") == [("onesearch", "2027-01-01", "sru", 1, 0, 0)]


def test_a_statement_has_the_clients_of_the_institution_and_a_partner_sees_its_own(office: Office) -> None:
    own, other, stranger = (
        add_client(office, "onesearch"), add_client(office, "siakad"), add_client(office, "jauh", institution=UNAND)
    )  # fmt: skip
    count(office, "one", *(of_day(client, "2026-12-01", requests=1) for client in (own, other, stranger)))
    assert [row[0] for row in rows(office, "2026-12")] == ["onesearch", "siakad"]
    assert [row[0] for row in rows(office, "2026-12", client_id=other)] == ["siakad"]
    assert rows(office, "2026-12", client_id=stranger) == []
    partner = bearer(office.keys.sign(Principal(own, str(PKS), own, scopes_of(["partner"]))))
    assert [row[0] for row in rows(office, "2026-12", client_id=other, caller=partner)] == ["onesearch"]
    for month in ("2026-13", "2026-1", "", "0000-01", "2026-12-01"):
        assert refusal(lambda month=month: rows(office, month)) == "MONTH_INVALID"  # type: ignore[misc]
    assert rows(office, "9999-12") == []


def test_only_the_gateway_counts(office: Office) -> None:
    request = wire.CountUsageRequest(client_ids=[str(PKS)])
    metadata = [*administrator(office), ("idempotency-key", "k-1")]
    assert refusal(lambda: office.stub.CountUsage(request, metadata=metadata)) == "SERVICE_ONLY"


def test_a_revoked_client_has_no_plan_and_keeps_its_statement(office: Office) -> None:
    partner = add_client(office, "onesearch")
    count(office, "one", of_day(partner, "2026-12-01", requests=1))
    office.stub.RevokeClient(wire.RevokeClientRequest(id=partner), metadata=administrator(office))
    assert count(office, "two", ids=(partner,)) == []
    assert rows(office, "2026-12") == [("onesearch", "2026-12-01", "sru", 1, 0, 0)]
