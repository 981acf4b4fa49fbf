"""Processes of the example services that kill themselves with SIGKILL at a named point.

python -m tests.example_services.kill_points act|relay|handlers POINT    for acts and relays, and the local bus
tests.example_services.kill_points:ORDERS with KILL_AT=POINT                  for workers of orders on RabbitMQ
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
from chassis.bus import amqp, local, local_delivery, outbox
from chassis.database.db import Database
from chassis.service import Resources
from chassis.settings import environment_with, load
from tests.commits import after_commit
from tests.example_services.installation import Installation
from tests.example_services.orders import handlers
from tests.example_services.orders.service import SERVICE as ORDERS_SERVICE
from tests.example_services.stock.service import SERVICE as STOCK_SERVICE


def kill_process(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_before(owner: Any, name: str, *, call: int = 1) -> None:
    """Kill the process when `owner.name` is called for the n-th time."""
    function = getattr(owner, name)
    calls = 0

    @wraps(function)
    def killing(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == call:
            kill_process()
        return function(*args, **kwargs)

    setattr(owner, name, killing)


def kill_after(owner: Any, name: str) -> None:
    """Kill the process after `owner.name`, before it returns to its caller."""
    function = getattr(owner, name)

    @wraps(function)
    def killing(*args: Any, **kwargs: Any) -> Any:
        function(*args, **kwargs)
        kill_process()

    setattr(owner, name, killing)


def _in_handle() -> Any:
    """The module that calls handle(): in a worker the main module."""
    return sys.modules["__main__"] if hasattr(sys.modules["__main__"], "EventConsumer") else local_delivery


def _bus(kill_at: Callable[..., None], name: str) -> None:
    for adapter in (local.LocalBus, amqp.AmqpBus):
        kill_at(adapter, name)


def _in_publish() -> None:
    kill_before(local, "insert_ignore")
    kill_before(amqp, "_put", call=2)


POINTS: dict[str, Callable[[], None]] = {
    "act.before_commit": lambda: kill_after(installation_module, "receive"),
    "relay.before_publish": lambda: _bus(kill_before, "publish"),
    "relay.in_publish": _in_publish,
    "relay.after_publish": lambda: _bus(kill_after, "publish"),
    "relay.before_mark_commits": lambda: kill_after(outbox, "_mark"),
    "relay.after_mark": lambda: kill_after(outbox.Relay, "step"),
    "handler.before_effect": lambda: kill_before(handlers, "place_order"),
    "handler.after_effect": lambda: kill_after(handlers, "place_order"),
    "handler.fifth": lambda: kill_before(handlers, "place_order", call=5),
    "handler.after_commit": lambda: kill_after(_in_handle(), "handle"),
    # After a handler failed, on the local bus and on RabbitMQ.
    "handler.before_put_off": lambda: kill_before(local_delivery.Deliveries, "_put_off"),
    "handler.after_put_off": lambda: kill_after(local_delivery.Deliveries, "_put_off"),
    "handler.before_move": lambda: kill_before(amqp.Publisher, "send"),
    "handler.after_move": lambda: kill_after(amqp.Publisher, "send"),
}


def installation_of_settings() -> Installation:
    """The installation of this process's settings."""
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
        after_commit(installation.stock.database, kill_process)
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
    point = environment_with().get("KILL_AT", "")
    if point:
        POINTS[point]()

ORDERS = ORDERS_SERVICE
