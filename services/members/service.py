"""The manifest of members."""

from __future__ import annotations

from chassis.service import Job, Service
from services.members.tables import Table

SERVICE = Service(
    name="members",
    tables=Table.metadata,
    migrations="services.members.migrations",
    settings="services.members.settings:MembersSettings",
    protected_tables=("accounts", "account_roles", "sessions", "clients", "links", "slips"),
    rpc="services.members.rpc:servicer",
    adder="rangkiang.members.v1.members_pb2_grpc:add_MembersServicer_to_server",
    commands="services.members.commands:app",
    jobs=(
        Job(
            name="forgetting",
            run="services.members.jobs:delete_old_rows",
            lease="forgetting",
            every_seconds=86_400,
        ),
    ),
)
