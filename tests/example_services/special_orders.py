"""Services of orders whose handlers inspect their process, record their trace, are slow, or kill their worker."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace

import psycopg.waiting
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from chassis.context import Context
from chassis.metrics import telemetry
from chassis.service import Consumer
from rangkiang.catalog.v1.events_pb2 import RecordsChanged
from tests.example_services.orders.service import SERVICE
from tests.example_services.orders.tables import placed_orders
from tests.example_services.proto.examples_pb2 import ArticleReceived

SLOW_SECONDS = 0.5


def inspect_process(session: Session, _fact: ArticleReceived, context: Context) -> None:
    """Place an order for each property of this process."""
    properties = {
        "green sockets": sys.modules["eventlet.patcher"].is_monkey_patched("socket"),
        "green psycopg": psycopg.waiting.wait is psycopg.waiting.wait_select,
        "grpc": any(name == "grpc" or name.startswith("grpc.") for name in sys.modules),
    }
    for name in [name for name, is_true in properties.items() if is_true]:
        session.execute(insert(placed_orders).values(name=name, institution="", actor=""))


def record_trace(session: Session, event: ArticleReceived, context: Context) -> None:
    """Place an order named by the current trace."""
    session.execute(insert(placed_orders).values(name=telemetry.traceparent(), institution="", actor=""))


def place_order_slowly(session: Session, event: ArticleReceived, context: Context) -> None:
    session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": SLOW_SECONDS})
    session.execute(insert(placed_orders).values(name=event.name, institution="", actor=""))


def place_order_or_kill_worker(session: Session, event: ArticleReceived, context: Context) -> None:
    """Kill the worker for an article whose name begins with `poison`, while it is busy with others."""
    if event.name.startswith("poison"):
        os.kill(os.getpid(), signal.SIGKILL)
    place_order_slowly(session, event, context)


def note_source(session: Session, event: RecordsChanged, context: Context) -> None:
    """Place an order named by the source of an import."""
    session.execute(insert(placed_orders).values(name=event.source, institution="", actor=""))


LOOKING, TRACING, SLOW, POISONED = (
    replace(
        SERVICE, consumers=(Consumer("place_order", ArticleReceived, f"tests.example_services.special_orders:{name}"),)
    )
    for name in (
        "inspect_process",
        "record_trace",
        "place_order_slowly",
        "place_order_or_kill_worker",
    )
)
IDLE = replace(SERVICE, consumers=())
LISTENING = replace(
    SERVICE,
    consumers=(Consumer("note_source", RecordsChanged, "tests.example_services.special_orders:note_source"),),
)
