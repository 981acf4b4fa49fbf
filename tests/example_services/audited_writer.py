"""Processes that write audit rows until they are killed."""

from __future__ import annotations

import threading

from chassis.audit import record
from chassis.audit.access_log import AccessLog
from chassis.audit.hash_chain import Sealer
from chassis.context import Context
from chassis.database.db import Database

CALLER = Context(institution="SOLOK", actor="amak", session="s1", request_id="r1")


def act(database: Database, number: int) -> None:
    with database.transaction(CALLER) as session:
        record(session, CALLER, "members.register", kind="member", object_id=number, facts={"number": number})


def seal(database: Database) -> None:
    threading.Thread(target=Sealer(database).run, args=(threading.Event(),), daemon=True).start()
    number = 0
    while True:
        number += 1
        act(database, number)


def read(database: Database) -> None:
    access_log, number, pause = AccessLog(database), 0, threading.Event()
    while True:
        number += 1
        access_log.record(CALLER, "members.read", kind="member", object_id=number)
        print(number, flush=True)
        pause.wait(0.002)


def main(act: str, url: str) -> None:
    """Run one.

    act  "seal": acts, and the job that seals them; "read": reads; prints the number of each that was recorded
    """
    {"seal": seal, "read": read}[act](Database(url))
