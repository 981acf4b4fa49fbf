"""Decorators of a servicer's methods: each opens the transaction of a call, in the database of the servicer."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message
from sqlalchemy.orm import Session

from chassis import rpc
from chassis.context import Context
from chassis.database.idempotency import once

Request = TypeVar("Request", bound=Message)
Reply = TypeVar("Reply", bound=Message)
# Called as method(self, request, session, caller).
Method = Callable[[Any, Request, Session, Context], Reply]
Served = Callable[[Any, Request, grpc.ServicerContext], Reply]


def reads(method: Method[Request, Reply]) -> Served[Request, Reply]:
    """Run a method with a session that reads."""

    @wraps(method)
    def serve(self: Any, request: Request, context: grpc.ServicerContext) -> Reply:
        caller = rpc.context(context)
        with self._database.reading(caller) as session:
            return method(self, request, session, caller)

    return serve


def writes(method: Method[Request, Reply]) -> Served[Request, Reply]:
    """Run a method in a transaction, which commits when the method returns."""

    @wraps(method)
    def serve(self: Any, request: Request, context: grpc.ServicerContext) -> Reply:
        caller = rpc.context(context)
        with self._database.transaction(caller) as session:
            return method(self, request, session, caller)

    return serve


def writes_once(method: Method[Request, Reply]) -> Served[Request, Reply]:
    """Run a method in a transaction, once for each Idempotency-Key; a repeated call gets the stored reply."""
    reply_type: type[Reply] = inspect.get_annotations(method, eval_str=True)["return"]

    @wraps(method)
    def serve(self: Any, request: Request, context: grpc.ServicerContext) -> Reply:
        caller = rpc.context(context)
        with self._database.transaction(caller) as session:
            return once(session, caller, request, reply_type, partial(method, self, request, session, caller))

    return serve
