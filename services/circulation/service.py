"""The manifest of circulation."""

from __future__ import annotations

from chassis.service import Service
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
    ),
    rpc="services.circulation.rpc:servicer",
    adder="rangkiang.circulation.v1.circulation_pb2_grpc:add_CirculationServicer_to_server",
)
