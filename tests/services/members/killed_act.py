"""One act on a member in a process that is killed at one of its statements.

python -m tests.services.members.killed_act URL merge|erase MEMBER OTHER STATEMENT    0: after the commit; -1: never
"""

from __future__ import annotations

import sys
from typing import Any

from sqlalchemy import event

from chassis.context import Context
from chassis.database.db import Database
from services.members.people import erasure, merging
from services.members.service import SERVICE
from tests.commits import after_commit
from tests.example_services.kill_points import kill_process
from tests.services.members.conftest import PKS


def main(url: str, act: str, member: str, other: str, statement: str) -> None:
    database = Database(url, protected_tables=SERVICE.protected_tables)
    left = int(statement)
    if left == 0:
        after_commit(database, kill_process)

    def count(*_arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            kill_process()

    event.listen(database.writer, "after_cursor_execute", count)
    context = Context(institution=str(PKS), actor="amak")
    with database.transaction(context) as session:
        if act == "merge":
            merging.merge(session, member, other, context=context)
        else:
            erasure.erase(session, member, context=context)


if __name__ == "__main__":
    main(*sys.argv[1:])
