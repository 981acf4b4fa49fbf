"""Processes of the toys that die, as by kill -9, at a named point.

python -m tests.toys.dying act|relay|handlers POINT     the local bus' parts, and the acts and relays of both buses
tests.toys.dying:KITCHEN with DYING_AT=POINT            a kitchen for `python -m chassis.bus.nameko`
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

import tests.toys.house as house_module
from chassis import outbox
from chassis.bus import amqp, local
from chassis.db import Database
from chassis.service import Resources
from chassis.settings import environment_with, load
from tests.toys.house import House
from tests.toys.kitchen import handlers
from tests.toys.kitchen.service import SERVICE as KITCHEN_SERVICE
from tests.toys.pantry.service import SERVICE as PANTRY_SERVICE


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
    return sys.modules["__main__"] if hasattr(sys.modules["__main__"], "FactConsumer") else local


def _bus(arm: Callable[..., None], name: str) -> None:
    for adapter in (local.LocalBus, amqp.AmqpBus):
        arm(adapter, name)


def _in_publish() -> None:
    before(local, "_add")
    before(amqp, "_put", call=2)


POINTS: dict[str, Callable[[], None]] = {
    "act.before_commit": lambda: after(house_module, "fill"),
    "relay.before_publish": lambda: _bus(before, "publish"),
    "relay.in_publish": _in_publish,
    "relay.after_publish": lambda: _bus(after, "publish"),
    "relay.before_mark_commits": lambda: after(outbox, "_mark"),
    "relay.after_mark": lambda: after(outbox.Relay, "step"),
    "handler.before_effect": lambda: before(handlers, "cook"),
    "handler.after_effect": lambda: after(handlers, "cook"),
    "handler.after_commit": lambda: after(_in_handle(), "handle"),
    # A handler that failed, on the local bus and on RabbitMQ.
    "handler.before_put_off": lambda: before(local.Deliveries, "_put_off"),
    "handler.after_put_off": lambda: after(local.Deliveries, "_put_off"),
    "handler.before_move": lambda: before(amqp.Publisher, "send"),
    "handler.after_move": lambda: after(amqp.Publisher, "send"),
}


def house_of_settings() -> House:
    """The house that this process's settings name."""
    settings = load()
    return House(
        *(
            Resources(settings=settings, database=Database(settings.database(service.name)), service=service)
            for service in (PANTRY_SERVICE, KITCHEN_SERVICE)
        )
    )


def main(role: str, point: str) -> None:
    house = house_of_settings()
    if point == "act.after_commit":
        house.pantry.database.after_commit(die)
    else:
        POINTS[point]()
    if role == "act":
        house.fill("papaya")
    elif role == "relay":
        house.run_relay(house.pantry, threading.Event())
    else:
        house.run_handlers(house.kitchen, threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
else:
    point = environment_with().get("DYING_AT", "")
    if point:
        POINTS[point]()

KITCHEN = KITCHEN_SERVICE
