"""An orders whose handlers tell what sort of process they run in, or take their time."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace

import psycopg.waiting
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from chassis import telemetry
from chassis.context import Context
from chassis.service import Consumer
from tests.example_services.orders.service import SERVICE
from tests.example_services.orders.tables import placed_orders
from tests.example_services.proto.examples_pb2 import ArticleReceived

SLOW_SECONDS = 0.5


def look(session: Session, _fact: ArticleReceived, context: Context) -> None:
    """Orders named by what is true of this process."""
    truths = {
        "green sockets": sys.modules["eventlet.patcher"].is_monkey_patched("socket"),
        "green psycopg": psycopg.waiting.wait is psycopg.waiting.wait_select,
        "grpc": any(name == "grpc" or name.startswith("grpc.") for name in sys.modules),
    }
    for name in [truth for truth, holds in truths.items() if holds]:
        session.execute(insert(placed_orders).values(name=name, institution="", actor=""))


def trace(session: Session, fact: ArticleReceived, context: Context) -> None:
    """An order named by the trace it is placed in."""
    session.execute(insert(placed_orders).values(name=telemetry.traceparent(), institution="", actor=""))


def slowly(session: Session, fact: ArticleReceived, context: Context) -> None:
    session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": SLOW_SECONDS})
    session.execute(insert(placed_orders).values(name=fact.name, institution="", actor=""))


def deadly(_session: Session, _fact: ArticleReceived, _context: Context) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


LOOKING, TRACING, SLOW, DEADLY = (
    replace(SERVICE, consumers=(Consumer("place_order", ArticleReceived, f"tests.example_services.looking:{name}"),))
    for name in ("look", "trace", "slowly", "deadly")
)
IDLE = replace(SERVICE, consumers=())
