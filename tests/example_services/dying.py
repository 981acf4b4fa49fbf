"""Processes of the example services that die, as by kill -9, at a named point.

python -m tests.example_services.dying act|relay|handlers POINT    parts of the local bus; acts and relays of both buses
tests.example_services.dying:ORDERS with DYING_AT=POINT            the service of orders for chassis.bus.nameko
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import tests.example_services.installation as installation_module
from chassis import outbox
from chassis.bus import amqp, local
from chassis.db import Database
from chassis.service import Resources
from chassis.settings import environment_with, load
from tests.example_services.installation import Installation
from tests.example_services.orders import handlers
from tests.example_services.orders.service import SERVICE as ORDERS_SERVICE
from tests.example_services.stock.service import SERVICE as STOCK_SERVICE


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, *, call: int = 1) -> None:
    """Die when `owner.name` is called for the n-th time."""
    whole = getattr(owner, name)
    calls = 0

    @wraps(whole)
    def dying(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            die()
        return whole(*args, **named)

    setattr(owner, name, dying)


def after(owner: Any, name: str) -> None:
    """Die when `owner.name` has done its work, before its caller hears of it."""
    whole = getattr(owner, name)

    @wraps(whole)
    def dying(*args: Any, **named: Any) -> Any:
        whole(*args, **named)
        die()

    setattr(owner, name, dying)


def _in_handle() -> Any:
    """The module that calls handle(): the worker's is the main one."""
    return sys.modules["__main__"] if hasattr(sys.modules["__main__"], "EventConsumer") else local


def _bus(arm: Callable[..., None], name: str) -> None:
    for adapter in (local.LocalBus, amqp.AmqpBus):
        arm(adapter, name)


def _in_publish() -> None:
    before(local, "_add")
    before(amqp, "_put", call=2)


POINTS: dict[str, Callable[[], None]] = {
    "act.before_commit": lambda: after(installation_module, "receive"),
    "relay.before_publish": lambda: _bus(before, "publish"),
    "relay.in_publish": _in_publish,
    "relay.after_publish": lambda: _bus(after, "publish"),
    "relay.before_mark_commits": lambda: after(outbox, "_mark"),
    "relay.after_mark": lambda: after(outbox.Relay, "step"),
    "handler.before_effect": lambda: before(handlers, "place_order"),
    "handler.after_effect": lambda: after(handlers, "place_order"),
    "handler.after_commit": lambda: after(_in_handle(), "handle"),
    # A handler that failed, on the local bus and on RabbitMQ.
    "handler.before_put_off": lambda: before(local.Deliveries, "_put_off"),
    "handler.after_put_off": lambda: after(local.Deliveries, "_put_off"),
    "handler.before_move": lambda: before(amqp.Publisher, "send"),
    "handler.after_move": lambda: after(amqp.Publisher, "send"),
}


def installation_of_settings() -> Installation:
    """The installation that this process's settings name."""
    settings = load()
    return Installation(
        *(
            Resources(settings=settings, database=Database(settings.database(service.name)), service=service)
            for service in (STOCK_SERVICE, ORDERS_SERVICE)
        )
    )


def main(role: str, point: str) -> None:
    installation = installation_of_settings()
    if point == "act.after_commit":
        installation.stock.database.after_commit(die)
    else:
        POINTS[point]()
    if role == "act":
        installation.receive("papaya")
    elif role == "relay":
        installation.run_relay(installation.stock, threading.Event())
    else:
        installation.run_handlers(installation.orders, threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
else:
    point = environment_with().get("DYING_AT", "")
    if point:
        POINTS[point]()

ORDERS = ORDERS_SERVICE
