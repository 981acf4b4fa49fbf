"""Acts with an Idempotency-Key in the stock's database, in this process or in a process of their own."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

from sqlalchemy import insert

from chassis.context import Context
from chassis.database.db import Database
from chassis.database.idempotency import once
from chassis.errors import Conflict
from chassis.ids import new_id
from tests.commits import after_commit
from tests.example_services.kill_points import kill_process
from tests.example_services.proto.notes_pb2 import WriteNoteReply, WriteNoteRequest
from tests.example_services.stock.tables import articles

CALLER = Context(actor="amak", session="s1", method="/examples.v1.Notes/KeepNote")


def write(database: Database, key: str, text: str, *, caller: Context = CALLER, act: Any = None, **options: Any) -> Any:
    """Add one article under a key; return the reply and whether it is that of an earlier call."""
    caller = replace(caller, key=key, trailers={})
    with database.transaction(caller) as session:

        def add() -> WriteNoteReply:
            session.execute(insert(articles).values(id=new_id(), name=text))
            if act is not None:
                act()
            return WriteNoteReply(length=time.monotonic_ns() % 2**31)

        reply = once(session, caller, WriteNoteRequest(text=text), WriteNoteReply, add, **options)
    return reply.length, bool(caller.trailers)


def write_in_the_end(database: Database, key: str, text: str) -> Any:
    """Do as clients should: repeat the call while the first one runs."""
    while True:
        try:
            return write(database, key, text)
        except Conflict:
            time.sleep(0.001)


def main(url: str, count: str, *more: str) -> None:
    """Do this number of acts; with one more word SIGKILL after each commit."""
    database = Database(url)
    if more:
        after_commit(database, kill_process)
    replies = [write_in_the_end(database, f"key-{number}", f"article {number}") for number in range(int(count))]
    print(json.dumps(replies))
