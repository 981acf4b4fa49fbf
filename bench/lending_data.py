"""Data of a lending benchmark: a catalogue that is imported, its items in circulation, borrowers and past loans.

The import, the index and circulation's copy of the items go through the product. Borrowers with their cards and past
loans are rows that are written into circulation's tables; members and notifications know none of these borrowers.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import func, select

from bench import generate, parts
from bench.lending_rows import BENCH, add_borrowers, add_past_loans
from bench.parts import RANGKIANG
from chassis.bus.local import deliveries
from chassis.bus.outbox import outbox, unpublished_rows
from chassis.database.db import Database
from chassis.service import load
from chassis.settings import load as load_settings
from services.catalog.marc import iso2709
from services.catalog.tables import IndexQueue, Item, LendingRules
from services.circulation.tables import Borrower, Branch, Copy, Institution, Loan

CODE, BRANCH = "PKS", "PST"
SERVICES = ("catalog", "members", "circulation")
LONGEST_WAIT_SECONDS = 3_600


class Edition(NamedTuple):
    """A running edition: the address of its gateway, the environment of its commands, and its first processes."""

    address: str
    environment: Mapping[str, str]
    pids: Sequence[int]


@contextmanager
def running_cluster(cluster: Any) -> Iterator[Edition]:
    """Start a cluster of tests.servers.cluster, and stop it afterwards."""
    try:
        cluster.start()
        yield Edition(cluster.address, cluster.environment, [process.pid for process in cluster.processes.values()])
    finally:
        cluster.stop()


def run_command(environment: Mapping[str, str], *words: str) -> Any:
    """Run a command of the operator. Returns its line of JSON."""
    result = subprocess.run(
        [*RANGKIANG, *words, "--json"], env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise SystemExit(f"{' '.join(words)}: {result.stdout[-500:]} {result.stderr[-500:]}")
    return json.loads(result.stdout.splitlines()[-1])


def open_database(name: str, edition: Edition) -> Database:
    return load(name).open_database(load_settings(dict(edition.environment)))


def import_catalogue(folder: Path, environment: Mapping[str, str], arguments: argparse.Namespace) -> None:
    """Import the catalogue into migrated databases. Circulation copies its items when the edition starts."""
    start = time.perf_counter()
    institutions = folder / "institutions.toml"
    institutions.write_text(INSTITUTION_FILE)
    run_command(environment, "institutions", "load", str(institutions))
    file = folder / "records.mrc"
    file.write_bytes(b"".join(iso2709.encode(record) for record in generate.records(arguments.records)))
    run_command(environment, "import", str(file), "--source", "BENCH", "--new-source", "--institution", CODE)
    file.unlink()
    print(f"imported {arguments.records:,} records in {time.perf_counter() - start:.0f} s", flush=True)


INSTITUTION_FILE = """
[[institution]]
code = "PKS"
kind = "public"
zone = "Asia/Jakarta"
name = { id = "Perpustakaan", en = "Library" }
""" + "".join(
    f"""
[[institution.branch]]
code = "{code}"
kind = "branch"
name = {{ id = "{code}", en = "{code}" }}
"""
    for code in ("PST", "TJH", "KLL")
)


def fill(edition: Edition, arguments: argparse.Namespace) -> None:
    """Wait until circulation has the items, and give it the borrowers and past loans that it has not yet."""
    start = time.perf_counter()
    with ExitStack() as stack:
        databases = {name: stack.enter_context(closing(open_database(name, edition))) for name in SERVICES}
        while not _is_copied(databases):
            if time.perf_counter() - start > LONGEST_WAIT_SECONDS:
                raise SystemExit("circulation has not all items")
            time.sleep(1)
        database = databases["circulation"]
        with database.reading(BENCH) as session:
            institution = session.scalars(select(Institution.id).where(Institution.code == CODE)).one()
            branch = session.scalars(
                select(Branch.id).where(Branch.institution_id == institution, Branch.code == BRANCH)
            ).one()
            copies = list(session.scalars(select(Copy.id)))
            borrowers = list(session.scalars(select(Borrower.id)))
            past = session.scalar(select(func.count()).select_from(Loan)) or 0
        borrowers = borrowers or add_borrowers(database, institution, arguments.members)
        add_past_loans(
            database, arguments.past - past, institution=institution, branch=branch, copies=copies, borrowers=borrowers
        )
    seconds = time.perf_counter() - start
    sizes = f"{len(copies):,} items, {len(borrowers):,} members, {arguments.past:,} past loans"
    print(f"filled in {seconds:.0f} s: {sizes}", flush=True)


def _is_copied(databases: Mapping[str, Database]) -> bool:
    """Whether circulation and the index have all, and no event or rule waits. Acts are measured after that."""
    with databases["catalog"].reading(BENCH) as session:
        items = session.scalar(select(func.count()).select_from(Item))
        unpublished = session.scalar(select(func.count()).select_from(outbox).where(unpublished_rows))
        unindexed = session.scalar(select(func.count()).select_from(IndexQueue))
        unfollowed = session.scalar(
            select(func.count()).select_from(LendingRules).where(LendingRules.refreshed_to.is_not(None))
        )
    with databases["circulation"].reading(BENCH) as session:
        copies = session.scalar(select(func.count()).select_from(Copy))
        waiting = session.scalar(select(func.count()).select_from(deliveries))
    return items == copies and not (unpublished or unindexed or unfollowed or waiting)


def _wait_for_rules(edition: Edition) -> None:
    with closing(open_database("catalog", edition)) as database:
        parts.wait_until(lambda: _has_followed_rules(database))


def _has_followed_rules(database: Database) -> bool:
    with database.reading(BENCH) as session:
        return list(session.scalars(select(LendingRules.refreshed_to))) == [None]


def prepare_folder(folder: Path, arguments: argparse.Namespace) -> None:
    """Make the data of the embedded edition in a new folder, which another run takes with `--data`."""
    unfinished = folder.with_name(folder.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    data = unfinished / "var"
    environment = {**os.environ, "DATA": str(data)}
    parts.migrate(environment)
    import_catalogue(unfinished, environment, arguments)
    with parts.up(data, workers=1) as server:
        fill(Edition(server.address, environment, [server.pid]), arguments)
    # The catalogue gets the lending rules when the services start with institutions, and compares every record then.
    with parts.up(data, workers=1) as server:
        _wait_for_rules(Edition(server.address, environment, [server.pid]))
    unfinished.rename(folder)


def copy_folder(folder: Path, data: Path) -> None:
    """Copy prepared data, so that each run begins with the same."""
    start = time.perf_counter()
    if not (folder / "var").is_dir():
        raise SystemExit(f"{folder} has no data: make it with --prepare")
    subprocess.run(["cp", "-a", "--reflink=auto", str(folder / "var"), str(data)], check=True)
    os.sync()  # the copy is not written to the disk while acts wait for it
    print(f"copied {folder} in {time.perf_counter() - start:.0f} s", flush=True)


def barcodes_of(database: Database) -> list[str]:
    """Return barcodes of the desk's branch, in a mixed order."""
    with database.reading(BENCH) as session:
        query = select(Copy.barcode).join(Branch, Branch.id == Copy.branch_id).where(Branch.code == BRANCH)
        return sorted(session.scalars(query), key=lambda barcode: barcode[::-1])


def count_members(database: Database) -> int:
    with database.reading(BENCH) as session:
        return session.scalar(select(func.count()).select_from(Borrower)) or 0
