"""The manifest of notifications."""

from __future__ import annotations

from chassis.institutions import SANDBOXES_AT, SANDBOXES_ZONE
from chassis.service import Consumer, Job, Projection, Service
from rangkiang.catalog.v1.events_pb2 import InstitutionsChanged, RecordChangesNumbered
from rangkiang.circulation.v1.events_pb2 import (
    LoanDueSoon,
    LoanOpened,
    LoanOverdue,
    LoanRenewed,
    LoanReturned,
    SuspensionEnded,
    SuspensionStarted,
)
from rangkiang.members.v1.events_pb2 import (
    MemberErased,
    MemberRegistered,
    MembersChanged,
    MembershipExpiring,
    SlipIssued,
)
from services.notifications.tables import Table

SERVICE = Service(
    name="notifications",
    tables=Table.metadata,
    migrations="services.notifications.migrations",
    settings="services.notifications.settings:NotificationsSettings",
    protected_tables=(
        "branches",
        "sending_rules",
        "members",
        "loan_marks",
        "messages",
        "notices",
        "attempts",
        "preferences",
        "push_devices",
        "refused_addresses",
        "channel_days",
        "template_versions",
        "staff_addresses",
        "conversations",
        "conversation_messages",
        "webhooks",
        "webhook_facts",
    ),
    rpc="services.notifications.rpc:servicer",
    adder="rangkiang.notifications.v1.notifications_pb2_grpc:add_NotificationsServicer_to_server",
    commands="services.notifications.commands:app",
    checks=(
        "services.notifications.checks:notices",
        "services.notifications.checks:master_key",
        "services.notifications.checks:channels",
        "services.notifications.checks:sign_ins",
        "services.notifications.checks:partners",
    ),
    metrics=("services.notifications.checks:samples",),
    after_restore=("services.notifications.jobs:settle_restored",),
    erasures="services.notifications.members:erasures",
    setting_files="services.notifications.channels.opening:setting_files",
    consumers=(
        Consumer("institutions", InstitutionsChanged, "services.notifications.handlers:copy_institutions"),
        Consumer("records", RecordChangesNumbered, "services.notifications.handlers:follow_records"),
        Consumer("members", MembersChanged, "services.notifications.handlers:copy_members"),
        Consumer("member-erased", MemberErased, "services.notifications.handlers:erase_member"),
        Consumer("loan-opened", LoanOpened, "services.notifications.handlers:follow_loans", takes_many=True),
        Consumer("loan-renewed", LoanRenewed, "services.notifications.handlers:follow_loans", takes_many=True),
        Consumer("loan-returned", LoanReturned, "services.notifications.handlers:follow_loans", takes_many=True),
        Consumer("loan-due-soon", LoanDueSoon, "services.notifications.handlers:follow_loans", takes_many=True),
        Consumer("loan-overdue", LoanOverdue, "services.notifications.handlers:follow_loans", takes_many=True),
        Consumer("suspension-started", SuspensionStarted, "services.notifications.handlers:create_suspension_notice"),
        Consumer("suspension-ended", SuspensionEnded, "services.notifications.handlers:end_suspension"),
        Consumer("member-registered", MemberRegistered, "services.notifications.handlers:create_welcome_notice"),
        Consumer("slip-issued", SlipIssued, "services.notifications.handlers:create_password_code_notice"),
        Consumer("membership-expiring", MembershipExpiring, "services.notifications.handlers:create_expiry_notice"),
    ),
    projections=(
        Projection(
            name="institutions",
            owner="catalog",
            store="services.notifications.institutions:copy_institutions",
            is_empty="services.notifications.institutions:is_empty",
        ),
        Projection(
            name="members",
            owner="members",
            store="services.notifications.merging:copy_members",
            erase="services.notifications.handlers:erase_known_member",
            is_empty="services.notifications.members:is_empty",
        ),
    ),
    jobs=(
        Job(name="sender", run="services.notifications.rpc.sending:send_notices", lease="sender"),
        Job(name="answering", run="services.notifications.rpc.answering:answer_messages", lease="answering"),
        Job(name="webhooks", run="services.notifications.rpc.webhooks:deliver_events", lease="webhooks"),
        Job(
            name="forgetting",
            run="services.notifications.jobs:forget_old_rows",
            lease="forgetting",
            every_seconds=86_400,
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
