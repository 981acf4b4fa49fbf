"""Staff, their roles and links, and clients: given within one's own rights, and ended."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pyotp
import pytest
from sqlalchemy import select, text

from chassis import clock
from chassis.errors import Conflict, Forbidden, Invalid, NotFound, Outdated
from chassis.rpc.client import sync_channel
from chassis.security.auth import Principal
from rangkiang.members.v1 import sign_in_pb2 as wire
from rangkiang.members.v1 import staff_pb2
from rangkiang.members.v1.members_pb2_grpc import MembersStub
from services.members.roles import scopes_of
from services.members.sign_in import accounts, clients
from services.members.tables import Account, Client
from tests.services.members.conftest import PKS, TEST, UNAND, Office, account, bearer, refusal


def test_nobody_gives_a_role_beyond_their_own(office: Office) -> None:
    office.staff("siti", "administrator")
    manager = office.staff("mona", "manager")
    with clock.frozen(clock.now() + timedelta(seconds=60)):
        token = office.sign_in("siti", totp=office.code("siti")).token
    weak = office.keys.sign(
        Principal(manager, str(PKS), manager, frozenset({"staff.manage", "clients.manage", "account", "members.read"}))
    )
    add = staff_pb2.AddStaffRequest(user="rani", name="Rani", roles=["administrator"])
    with pytest.raises(Forbidden, match="ROLE_NOT_YOURS"):
        office.stub.AddStaff(add, metadata=[*bearer(weak), ("idempotency-key", "k-1")])
    client = staff_pb2.AddClientRequest(name="opac", role="manager")
    with pytest.raises(Forbidden, match="ROLE_NOT_YOURS"):
        office.stub.AddClient(client, metadata=[*bearer(weak), ("idempotency-key", "k-2")])
    with pytest.raises(Invalid, match="ROLE_UNKNOWN"):
        office.stub.AddStaff(
            staff_pb2.AddStaffRequest(user="rani", name="Rani", roles=["member"]),
            metadata=[*bearer(token), ("idempotency-key", "k-3")],
        )
    own = staff_pb2.SetRolesRequest(id=account(office, token).id, roles=["desk"])
    with pytest.raises(Forbidden, match="ROLES_ARE_YOUR_OWN"):
        office.stub.SetRoles(own, metadata=bearer(token))
    close = staff_pb2.SetRolesRequest(id=manager, roles=[], version=1)
    assert office.stub.SetRoles(close, metadata=bearer(token)).member.version == 2
    assert refusal(lambda: office.sign_in("mona")) == "SIGN_IN_FAILED"


def test_roles_are_replaced_only_as_they_were_read(office: Office) -> None:
    office.staff("siti", "administrator")
    budi = office.staff("budi", "desk")
    with clock.frozen(clock.now() + timedelta(seconds=60)):
        token = office.sign_in("siti", totp=office.code("siti")).token
    replace = staff_pb2.SetRolesRequest(id=budi, roles=["cataloguer"], version=1)
    assert list(office.stub.SetRoles(replace, metadata=bearer(token)).member.roles) == ["cataloguer"]
    replace.roles[:] = ["manager"]
    for version in (0, 1):
        replace.version = version
        with pytest.raises(Outdated) as raised:
            office.stub.SetRoles(replace, metadata=bearer(token))
        assert (raised.value.facts["version"], raised.value.facts["changed"]) == (2, ["roles"])
    [person] = [account for account in office.stub.ListStaff(staff_pb2.ListStaffRequest(), metadata=bearer(token)).staff
                if account.id == budi]  # fmt: skip
    assert (list(person.roles), person.version) == (["cataloguer"], 2)


def test_a_new_link_sets_a_password_and_a_second_factor_and_voids_earlier_links(office: Office) -> None:
    office.staff("siti", "administrator")
    rani = office.staff("rani", "administrator")
    stranger = office.staff("andi", "desk", institution=UNAND)
    with clock.frozen(clock.now() + timedelta(seconds=60)):
        token = office.sign_in("siti", totp=office.code("siti")).token

    def make(account_id: str, key: str, token: Any = token) -> str:
        request = staff_pb2.MakeLinkRequest(id=account_id)
        return str(office.stub.MakeLink(request, metadata=[*bearer(token), ("idempotency-key", key)]).link)

    first, second = make(rani, "l-1"), make(rani, "l-2")
    assert refusal(lambda: office.stub.GetLink(wire.GetLinkRequest(link=first))) == "LINK_INVALID"
    offered = office.stub.GetLink(wire.GetLinkRequest(link=second))
    with clock.frozen(clock.now() + timedelta(seconds=60)):
        assert office.sign_in("rani", totp=office.code("rani")).account.user == "rani"
        office.totp["rani"] = pyotp.parse_uri(offered.totp_uri)
        use = wire.UseLinkRequest(link=second, password="lampu perahu kemarau", totp=office.code("rani"))
        assert office.stub.UseLink(use).user == "rani"
        assert refusal(lambda: office.sign_in("rani", totp=office.code("rani"))) == "SIGN_IN_FAILED"
    weak = office.keys.sign(Principal(stranger, str(PKS), stranger, frozenset({"staff.manage"})))
    own = account(office, token).id
    refused = [refusal(lambda: make(rani, "l-3", weak)), refusal(lambda: make(own, "l-4")),
               refusal(lambda: make(stranger, "l-5"))]  # fmt: skip
    assert refused == ["ROLE_NOT_YOURS", "LINK_IS_YOUR_OWN", "STAFF_NOT_FOUND"]
    close = staff_pb2.SetRolesRequest(id=rani, roles=[], version=1)
    office.stub.SetRoles(close, metadata=bearer(token))
    assert refusal(lambda: make(rani, "l-6")) == "STAFF_NOT_FOUND"
    with office.database.reading(TEST) as session:
        acts = session.scalars(text("SELECT act FROM audit_acts WHERE act = 'members.make_link'")).all()
    assert len(acts) == 2


def test_staff_of_another_institution_do_not_exist(office: Office) -> None:
    stranger = office.staff("andi", "desk", institution=UNAND)
    office.staff("siti", "administrator")
    with clock.frozen(clock.now() + timedelta(seconds=60)):
        token = office.sign_in("siti", totp=office.code("siti")).token
    staff = office.stub.ListStaff(staff_pb2.ListStaffRequest(), metadata=bearer(token)).staff
    assert [person.user for person in staff] == ["siti"]
    with pytest.raises(NotFound, match="STAFF_NOT_FOUND"):
        office.stub.SetRoles(staff_pb2.SetRolesRequest(id=stranger, roles=["desk"]), metadata=bearer(token))
    with pytest.raises(Conflict, match="USER_NAME_TAKEN"):
        office.stub.AddStaff(
            staff_pb2.AddStaffRequest(user="siti", name="Siti", roles=["desk"]),
            metadata=[*bearer(token), ("idempotency-key", "k-2")],
        )


def test_names_of_staff_are_those_of_the_institution_and_of_closed_accounts_too(office: Office) -> None:
    stranger, own = office.staff("andi", "desk", institution=UNAND), office.staff("siti", "cataloguer")
    token = office.keys.sign(Principal(own, str(PKS), own, frozenset({"items.read"})))
    with office.database.transaction(TEST) as session:
        session.get_one(Account, UUID(own)).closed_at = clock.now()
    request = staff_pb2.NameStaffRequest(ids=[stranger, own, "system:test"])
    assert dict(office.stub.NameStaff(request, metadata=bearer(token)).names) == {own: "Siti"}


def test_a_client_gets_tokens_until_it_is_revoked(office: Office) -> None:
    office.staff("siti", "administrator")
    with clock.frozen(clock.now() + timedelta(seconds=60)):
        token = office.sign_in("siti", totp=office.code("siti")).token
    added = office.stub.AddClient(
        staff_pb2.AddClientRequest(name="opac", role="desk"), metadata=[*bearer(token), ("idempotency-key", "k-1")]
    )
    request = wire.IssueTokenRequest(client_id=added.client.id, client_secret=added.secret)
    assert account(office, office.stub.IssueToken(request).token).user == "opac"
    wrong = wire.IssueTokenRequest(client_id=added.client.id, client_secret="invented")
    assert refusal(lambda: office.stub.IssueToken(wrong)) == "CLIENT_REFUSED"
    unknown = wire.IssueTokenRequest(client_id="nobody", client_secret=added.secret)
    assert refusal(lambda: office.stub.IssueToken(unknown)) == "CLIENT_REFUSED"
    for _ in range(2):
        office.stub.RevokeClient(staff_pb2.RevokeClientRequest(id=added.client.id), metadata=bearer(token))
    assert refusal(lambda: office.stub.IssueToken(request)) == "CLIENT_REFUSED"


def test_notifications_reads_the_scopes_of_open_accounts_and_of_clients(office: Office) -> None:
    manager, left, demoted = (office.staff(name, "manager") for name in ("budi", "ani", "tono"))
    with office.database.transaction(TEST) as session:
        for name in ("kampus", "lama"):
            client, _ = clients.add_client(
                session, institution_id=UNAND, name=name, role="partner", context=TEST, granter=None
            )
        clients.revoke_client(session, str(client.id))
        own = session.scalar(select(Client.id).where(Client.name == "kampus"))
        granter = replace(TEST, scopes=scopes_of(["administrator"]))
        accounts.set_roles(session, left, [], version=1, context=granter)
        accounts.set_roles(session, demoted, ["desk"], version=1, context=granter)
    ids = [manager, left, demoted, str(own), str(client.id), str(uuid.uuid4()), "klien"]
    request = staff_pb2.ListScopesRequest(ids=ids)
    assert refusal(lambda: office.stub.ListScopes(request)) == "SERVICE_ONLY"
    stub = MembersStub(sync_channel("inproc:members", office.settings, caller="notifications"))
    assert {holder.id: set(holder.scopes) for holder in stub.ListScopes(request).holders} == {
        manager: scopes_of(["manager"]),
        demoted: scopes_of(["desk"]),
        str(own): {"webhooks.manage", "facts.loans", "facts.records", "usage.own"},
    }
