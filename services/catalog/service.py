"""The catalogue's manifest."""

from __future__ import annotations

from chassis.institutions import SANDBOXES_AT, SANDBOXES_ZONE
from chassis.service import Consumer, Job, Projection, Service
from rangkiang.circulation.v1.events_pb2 import CopyMoved, LoanOpened, LoanRenewed, LoanReturned, PoliciesChanged
from services.catalog.tables import Table

SERVICE = Service(
    name="catalog",
    tables=Table.metadata,
    migrations="services.catalog.migrations",
    settings="services.catalog.settings:CatalogSettings",
    rpc="services.catalog.rpc:servicer",
    adder="rangkiang.catalog.v1.catalog_pb2_grpc:add_CatalogServicer_to_server",
    preload="services.catalog.search.own_vocabulary:load_words",
    commands="services.catalog.commands:app",
    consumers=(
        Consumer("loans_opened", LoanOpened, "services.catalog.handlers:keep_states", takes_many=True),
        Consumer("loans_renewed", LoanRenewed, "services.catalog.handlers:keep_states", takes_many=True),
        Consumer("loans_returned", LoanReturned, "services.catalog.handlers:keep_states", takes_many=True),
        Consumer("copies_moved", CopyMoved, "services.catalog.handlers:keep_states", takes_many=True),
        Consumer("lending_rules", PoliciesChanged, "services.catalog.handlers:keep_rules"),
    ),
    projections=(
        Projection(
            name="item_states",
            owner="circulation",
            fill="services.catalog.rpc.snapshots:copy_states",
            is_empty="services.catalog.items.states:is_empty",
            nightly=True,
        ),
    ),
    checks=(
        "services.catalog.checks:index",
        "services.catalog.checks:imports",
        "services.catalog.checks:branches",
        "services.catalog.checks:works",
        "services.catalog.checks:search_disk",
        "services.catalog.checks:vocabulary",
        "services.catalog.checks:item_states",
        "services.catalog.checks:outside_sources",
    ),
    metrics=("services.catalog.checks:samples",),
    after_restore=("services.catalog.jobs:renew_epoch",),
    jobs=(
        Job(name="indexing", run="services.catalog.jobs:index", lease="index"),
        Job(name="tasks", run="services.catalog.jobs:run_tasks", lease="tasks"),
        Job(name="old_tasks", run="services.catalog.jobs:delete_old_tasks", lease="old_tasks", every_seconds=3_600),
        Job(
            name="forgetting", run="services.catalog.jobs:delete_old_searches", lease="forgetting", every_seconds=86_400
        ),
        # At each start too, which may be the first start of a release with more columns.
        Job(
            name="shelving",
            run="services.catalog.jobs:fill_shelves",
            lease="shelving",
            every_seconds=86_400,
            at_start=True,
        ),
        Job(
            name="works",
            run="services.catalog.jobs:complete_records",
            lease="works",
            every_seconds=3_600,
            at_start=True,
        ),
        # Every hour, because an older release may serve beside this one for a while.
        Job(
            name="change_numbers",
            run="services.catalog.jobs:number_changes",
            lease="change_numbers",
            every_seconds=3_600,
            at_start=True,
        ),
        Job(
            name="lending_rules",
            run="services.catalog.jobs:follow_rules",
            lease="lending_rules",
            every_seconds=60,
            at_start=True,
        ),
        Job(
            name="fast_adds", run="services.catalog.jobs:delete_empty_fast_adds", lease="fast_adds", every_seconds=3_600
        ),
        Job(
            name="headings", run="services.catalog.jobs:delete_unused_headings", lease="headings", every_seconds=86_400
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
