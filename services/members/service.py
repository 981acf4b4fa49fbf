"""The manifest of members."""

from __future__ import annotations

from chassis.institutions import SANDBOXES_AT, SANDBOXES_ZONE
from chassis.service import Consumer, Job, Projection, Service
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged
from rangkiang.circulation.v1.events_pb2 import LoanOpened, LoanRenewed, LoanReturned
from services.members.tables import Table

SERVICE = Service(
    name="members",
    tables=Table.metadata,
    migrations="services.members.migrations",
    settings="services.members.settings:MembersSettings",
    protected_tables=(
        "accounts",
        "account_roles",
        "sessions",
        "clients",
        "client_usage",
        "revoked_tokens",
        "links",
        "slips",
        "categories",
        "members",
        "cards",
        "member_words",
        "member_lookups",
        "evidence",
        "blocks",
        "consents",
        "data_requests",
        "expiry_steps",
        "member_loans",
        "merges",
        "tombstones",
    ),
    rpc="services.members.rpc:servicer",
    adder="rangkiang.members.v1.members_pb2_grpc:add_MembersServicer_to_server",
    commands="services.members.commands:app",
    sample="services.members.sample:load",
    consumers=(
        Consumer("institutions", InstitutionsChanged, "services.members.handlers:copy_institutions"),
        Consumer("loan-opened", LoanOpened, "services.members.handlers:copy_loans", takes_many=True),
        Consumer("loan-renewed", LoanRenewed, "services.members.handlers:copy_loans", takes_many=True),
        Consumer("loan-returned", LoanReturned, "services.members.handlers:copy_loans", takes_many=True),
    ),
    checks=(
        "services.members.checks:master_key",
        "services.members.checks:administrators",
        "services.members.checks:data_requests",
    ),
    projections=(
        Projection(
            name="institutions",
            owner="catalog",
            store="services.members.institutions:copy_institutions",
            is_empty="services.members.institutions:is_empty",
        ),
        Projection(
            name="loans",
            owner="circulation",
            fill="services.members.rpc.snapshots:copy_loans",
            is_empty="services.members.people.loans:is_empty",
            nightly=True,
        ),
    ),
    after_restore=("services.members.jobs:erase_again",),
    jobs=(
        Job(name="forgetting", run="services.members.jobs:delete_old_rows", lease="forgetting", every_seconds=86_400),
        Job(name="expiring", run="services.members.jobs:emit_expiring", lease="expiring", every_seconds=900),
        Job(
            name="sandbox-clients",
            run="services.members.jobs:revoke_sandbox_clients",
            lease="sandbox-clients",
            at="02:00",
            zone=SANDBOXES_ZONE,
        ),
        Job(
            name="sandboxes",
            run="chassis.institutions:delete_sandboxes",
            lease="sandboxes",
            at=SANDBOXES_AT,
            zone=SANDBOXES_ZONE,
        ),
    ),
)
