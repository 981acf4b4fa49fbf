"""The manifest of circulation."""

from __future__ import annotations

from chassis.institutions import SANDBOXES_AT, SANDBOXES_ZONE
from chassis.service import Consumer, Job, Projection, Service
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged, ItemsChanged
from rangkiang.members.v1.events_pb2 import MemberErased, MembersChanged
from services.circulation.tables import Table

SERVICE = Service(
    name="circulation",
    tables=Table.metadata,
    migrations="services.circulation.migrations",
    protected_tables=(
        "branches",
        "copies",
        "borrowers",
        "borrower_numbers",
        "loans",
        "suspensions",
        "daily_facts",
        "refusal_counts",
        "policy_versions",
        "branch_calendars",
        "branch_days",
        "reminder_nights",
    ),
    settings="services.circulation.settings:CirculationSettings",
    rpc="services.circulation.rpc:servicer",
    adder="rangkiang.circulation.v1.circulation_pb2_grpc:add_CirculationServicer_to_server",
    commands="services.circulation.commands:app",
    sample="services.circulation.sample:load",
    sample_after="members",
    checks=("services.circulation.checks:calendars", "services.circulation.checks:clock_jump"),
    erasures="services.circulation.borrowers:erasures",
    after_restore=("services.circulation.copies:renumber_states",),
    consumers=(
        Consumer("institutions", InstitutionsChanged, "services.circulation.handlers:copy_institutions"),
        Consumer("items", ItemsChanged, "services.circulation.handlers:copy_items"),
        Consumer("members", MembersChanged, "services.circulation.handlers:copy_members"),
        Consumer("member-erased", MemberErased, "services.circulation.handlers:erase_member"),
    ),
    projections=(
        Projection(
            name="institutions",
            owner="catalog",
            store="services.circulation.institutions:copy_institutions",
            is_empty="services.circulation.institutions:is_empty",
        ),
        Projection(
            name="items",
            owner="catalog",
            store="services.circulation.copies:copy_items",
            is_empty="services.circulation.copies:is_empty",
        ),
        Projection(
            name="members",
            owner="members",
            store="services.circulation.borrowers:copy_members",
            erase="services.circulation.handlers:erase_known_member",
            is_empty="services.circulation.borrowers:is_empty",
        ),
    ),
    jobs=(
        Job(
            name="forgetting",
            run="services.circulation.jobs:forget_borrowers",
            lease="forgetting",
            every_seconds=86_400,
        ),
        Job(
            name="closings", run="services.circulation.jobs:move_off_closed_days", lease="closings", every_seconds=3_600
        ),
        Job(name="open-days", run="services.circulation.jobs:keep_open_days", lease="open-days", every_seconds=3_600),
        # Reminders begin at 02:00 in each zone, so the job runs more often than once a day.
        Job(name="reminders", run="services.circulation.jobs:remind", lease="reminders", every_seconds=300),
        Job(
            name="sandboxes",
            run="chassis.institutions:delete_sandboxes",
            lease="sandboxes",
            at=SANDBOXES_AT,
            zone=SANDBOXES_ZONE,
        ),
    ),
)
