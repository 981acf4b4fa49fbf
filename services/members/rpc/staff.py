"""RPCs for administrators: staff and their roles, clients of other systems."""

from __future__ import annotations

from dataclasses import replace

import grpc
from google.protobuf.message import Message
from sqlalchemy.orm import Session

from chassis import audit, rpc
from chassis.context import Context, system
from chassis.database.db import Database
from chassis.database.idempotency import once
from chassis.ids import parse_id
from chassis.rpc import timestamp
from chassis.rpc.client import Stubs
from chassis.rpc.methods import reads, writes
from rangkiang.catalog.v1.catalog_pb2 import GetSandboxRequest
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub
from rangkiang.members.v1 import staff_pb2 as wire
from services.members import institutions
from services.members.keys import Keys
from services.members.people.store import NewMember, register
from services.members.roles import MANAGER
from services.members.settings import MembersSettings
from services.members.sign_in import accounts, clients
from services.members.sign_in.accounts import Staff
from services.members.sign_in.sessions import held_scopes
from services.members.sign_in.usage import LIMITS, default_limits, set_limits
from services.members.tables import Client

ALL_INSTITUTIONS = system("user-names")
# Invented people.
SANDBOX_MEMBERS = (
    {"name": "Siti Contohwati", "category": "umum"},
    {"name": "Budi Contohan", "category": "umum"},
    {"name": "Rani Percobaan", "category": "umum"},
)


class StaffMethods:
    """The part of the servicer for administrators."""

    _database: Database
    _keys: Keys
    _stubs: Stubs
    _settings: MembersSettings

    @reads
    def ListStaff(self, _request: wire.ListStaffRequest, session: Session, _caller: Context) -> wire.ListStaffReply:
        staff = accounts.list_staff(session)
        return wire.ListStaffReply(staff=[_member(person) for person in staff])

    @reads
    def NameStaff(self, request: wire.NameStaffRequest, session: Session, _caller: Context) -> wire.NameStaffReply:
        return wire.NameStaffReply(names=accounts.names_of_staff(session, request.ids))

    @reads
    def GetStaff(self, request: wire.GetStaffRequest, session: Session, _caller: Context) -> wire.GetStaffReply:
        return wire.GetStaffReply(member=_member(accounts.get_staff(session, request.id)))

    def AddStaff(self, request: wire.AddStaffRequest, context: grpc.ServicerContext) -> wire.AddStaffReply:
        caller = rpc.context(context)

        def add() -> wire.AddStaffReply:
            person = accounts.add_staff(
                session,
                institution_id=parse_id(caller.institution),
                user=request.user,
                name=request.name,
                role_codes=list(request.roles),
                context=caller,
                granter=caller.scopes,
            )
            with self._database.reading(ALL_INSTITUTIONS) as everywhere:  # does not see the new account yet
                accounts.refuse_taken_name(everywhere, person.account.user)
            facts = {"roles": person.roles}
            audit.record(session, caller, "members.add_staff", kind="account", object_id=person.account.id, facts=facts)
            return wire.AddStaffReply(member=_member(person), link=accounts.make_link(session, person.account))

        with self._database.transaction(caller) as session:
            return once(session, caller, request, wire.AddStaffReply, add, keep_reply=False)

    @writes
    def SetRoles(self, request: wire.SetRolesRequest, session: Session, caller: Context) -> wire.SetRolesReply:
        person = accounts.set_roles(session, request.id, list(request.roles), version=request.version, context=caller)
        facts = {"roles": person.roles}
        audit.record(session, caller, "members.set_roles", kind="account", object_id=person.account.id, facts=facts)
        return wire.SetRolesReply(member=_member(person))

    def MakeLink(self, request: wire.MakeLinkRequest, context: grpc.ServicerContext) -> wire.MakeLinkReply:
        caller = rpc.context(context)

        def make() -> wire.MakeLinkReply:
            person, link = accounts.renew_link(session, request.id, context=caller)
            audit.record(session, caller, "members.make_link", kind="account", object_id=person.account.id)
            return wire.MakeLinkReply(member=_member(person), link=link)

        with self._database.transaction(caller) as session:
            return once(session, caller, request, wire.MakeLinkReply, make, keep_reply=False)

    @reads
    def ListClients(
        self, _request: wire.ListClientsRequest, session: Session, _caller: Context
    ) -> wire.ListClientsReply:
        listed = clients.list_clients(session)
        return wire.ListClientsReply(clients=[client_message(client) for client in listed])

    @reads
    def GetClient(self, request: wire.GetClientRequest, session: Session, _caller: Context) -> wire.GetClientReply:
        client = clients.get_client(session, request.id)
        minute, requests, records = default_limits(client, self._settings)
        plan = wire.UsagePlan(requests_a_minute=minute, requests_a_day=requests, records_a_day=records)
        return wire.GetClientReply(client=client_message(client), default_plan=plan)

    def AddClient(self, request: wire.AddClientRequest, context: grpc.ServicerContext) -> wire.AddClientReply:
        caller = rpc.context(context)

        def add() -> wire.AddClientReply:
            client, secret = clients.add_client(
                session,
                institution_id=parse_id(caller.institution),
                name=request.name,
                role=request.role,
                context=caller,
                granter=caller.scopes,
            )
            limits = limits_in(request)
            set_limits(client, limits)
            facts = {"name": client.name, "role": client.role} | limits
            audit.record(session, caller, "members.add_client", kind="client", object_id=client.id, facts=facts)
            return wire.AddClientReply(client=client_message(client), secret=secret)

        with self._database.transaction(caller) as session:
            return once(session, caller, request, wire.AddClientReply, add, keep_reply=False)

    def AddSandboxClient(
        self, request: wire.AddSandboxClientRequest, context: grpc.ServicerContext
    ) -> wire.AddSandboxClientReply:
        caller = rpc.context(context)
        # Only the catalogue knows which institutions are sandboxes, and its event may not be here yet.
        catalog = self._stubs.of("catalog", CatalogStub)
        institution = catalog.GetSandbox(GetSandboxRequest(id=request.institution_id)).institution
        own, owner = replace(caller, institution=institution.id), parse_id(institution.id)

        def add() -> wire.AddSandboxClientReply:
            institutions.copy_institutions(session, [institution])
            client, secret = clients.add_client(
                session, institution_id=owner, name="sandbox", role=MANAGER, context=own, granter=None
            )
            numbers = [
                str(register(session, NewMember(fields), context=own, master=self._keys.master).number)
                for fields in SANDBOX_MEMBERS
            ]
            audit.record(session, own, "members.add_sandbox", kind="client", object_id=client.id)
            return wire.AddSandboxClientReply(client_id=str(client.id), client_secret=secret, members=numbers)

        # The caller's institution is another one.
        with self._database.transaction(replace(caller, institution=ALL_INSTITUTIONS.institution)) as session:
            return once(session, caller, request, wire.AddSandboxClientReply, add, keep_reply=False)

    @writes
    def RevokeClient(
        self, request: wire.RevokeClientRequest, session: Session, caller: Context
    ) -> wire.RevokeClientReply:
        client = clients.revoke_client(session, request.id)
        audit.record(session, caller, "members.revoke_client", kind="client", object_id=client.id)
        return wire.RevokeClientReply(client=client_message(client))

    @reads
    def ListScopes(self, request: wire.ListScopesRequest, session: Session, _caller: Context) -> wire.ListScopesReply:
        held = held_scopes(session, request.ids)
        holders = [wire.ScopeHolder(id=str(holder_id), scopes=sorted(scopes)) for holder_id, scopes in held.items()]
        return wire.ListScopesReply(holders=holders)


def _member(person: Staff) -> wire.StaffMember:
    account = person.account
    return wire.StaffMember(
        id=str(account.id),
        user=account.user,
        name=account.name,
        roles=person.roles,
        has_password=bool(account.password_hash),
        has_second_factor=bool(account.totp_secret),
        last_sign_in=timestamp(account.last_sign_in_at),
        version=account.roles_version,
    )


def client_message(client: Client) -> wire.Client:
    return wire.Client(
        id=str(client.id),
        name=client.name,
        role=client.role,
        added_at=timestamp(client.added_at),
        last_used_at=timestamp(client.last_used_at),
        revoked_at=timestamp(client.revoked_at),
        version=client.version,
        **{name: getattr(client, name) for name in LIMITS},
    )


def limits_in(request: Message) -> dict[str, int | None]:
    """Return the limits that a request has; 0 stands for the default of the role."""
    return {name: getattr(request, name) or None for name in LIMITS if request.HasField(name)}
