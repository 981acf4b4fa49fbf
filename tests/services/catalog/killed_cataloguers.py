"""Cataloguers who add items at once in one process, which may kill itself within a transaction.

python -m tests.services.catalog.killed_cataloguers DATABASE_URL INSTITUTION RECORDS CATALOGUERS KILL_AT
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from chassis.context import Context
from chassis.database.db import Database
from services.catalog.cataloguing import items
from services.catalog.cataloguing.items import Acquisition, add_items
from tests.example_services.kill_points import kill_before

ACTS, ITEMS = 4, 3  # of each cataloguer; of each act


def catalogue(database: Database, context: Context, record_id: str) -> None:
    for _ in range(ACTS):
        act = partial(
            add_items, record_id=record_id, count=ITEMS, branch="PKS/PST", acquisition=Acquisition("gift"),
            context=context,
        )  # fmt: skip
        database.run(context, act)


def main(url: str, institution: str, records: str, cataloguers: str, kill_at: str) -> None:
    """
    records  ids of records with commas, which the cataloguers take in turn
    kill_at  number of the act whose numbers are taken and not committed when the process ends; 0 for none
    """
    if int(kill_at):
        kill_before(items, "put_holdings", call=int(kill_at))
    database = Database(url)
    context = Context(institution=institution, actor="account-1")
    ids = records.split(",")
    with ThreadPoolExecutor(int(cataloguers)) as pool:
        acts = [pool.submit(catalogue, database, context, ids[n % len(ids)]) for n in range(int(cataloguers))]
        for act in acts:
            act.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
