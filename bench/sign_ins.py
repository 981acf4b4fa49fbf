"""Searches while 50 people sign in.

Rounds without and with sign-ins alternate in one run, on one `up --workers 2`. Each of the 50 signs in with the right
password, and again as soon as the answer is there; whoever is refused because too many do types again after 0.2 s.
Searches are sent by 4 clients.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from bench import generate, parts
from chassis.context import system
from chassis.service import load
from chassis.settings import load as load_settings
from services.members.sign_in import accounts, passwords
from services.members.tables import Institution

PEOPLE, SEARCHERS, ROUNDS = 50, 4, 4
PASSWORD = "kopi jendela sungai"
FOLDER = Path("var") / "bench" / "sign-ins"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.sign_ins", description=__doc__)
    parser.add_argument("records", type=int, nargs="?", default=10_000)
    parser.add_argument("seconds", type=int, nargs="?", default=6, help="of each round")
    arguments = parser.parse_args()
    size, seconds = arguments.records, arguments.seconds
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    parts.import_file(FOLDER / "data", generate.write(FOLDER / "records.mrc", size), size)
    _add_people(FOLDER / "data")
    queries = generate.queries(2_000)
    # 54 clients of one address, and their closed connections that are still counted.
    with parts.up(FOLDER / "data", workers=2, CONNECTIONS_PER_ADDRESS="0") as server:
        _search(server.address, queries, seconds=2)
        alone: list[float] = []
        beside: list[float] = []
        answers: Counter[int] = Counter()
        for _ in range(ROUNDS):
            alone += _search(server.address, queries, seconds=seconds)
            stop = threading.Event()
            with ThreadPoolExecutor(PEOPLE) as people:
                running = [people.submit(_sign_in, server.address, number, stop) for number in range(PEOPLE)]
                try:
                    beside += _search(server.address, queries, seconds=seconds)
                finally:
                    stop.set()
            for client in running:
                answers += client.result()
    p95 = []
    for name, values in (("alone", alone), (f"while {PEOPLE} sign in", beside)):
        parts_of_100 = statistics.quantiles(values, n=100)
        p95.append(parts_of_100[94])
        print(
            f"search {name:18} p50 {parts_of_100[49]:6.1f} ms   p95 {p95[-1]:6.1f} ms   "
            f"p99 {parts_of_100[98]:6.1f} ms   longest {max(values):6.1f} ms   {len(values)} searches"
        )
    print(f"ratio of p95: {p95[1] / p95[0]:.2f}; sign-ins by status: {dict(answers)}; load {os.getloadavg()[0]:.1f}")


def _search(address: str, queries: list[str], *, seconds: float) -> list[float]:
    """Search with several clients for some time; return the milliseconds of each search."""
    end = time.monotonic() + seconds

    def client(number: int) -> list[float]:
        rng, times = random.Random(number), []
        while time.monotonic() < end:
            start = time.perf_counter()
            with urllib.request.urlopen(f"{address}/api/v1/search?q={quote(rng.choice(queries))}", timeout=30) as reply:
                json.load(reply)
            times.append((time.perf_counter() - start) * 1e3)
        return times

    with ThreadPoolExecutor(SEARCHERS) as clients:
        return [duration for times in clients.map(client, range(SEARCHERS)) for duration in times]


def _add_people(data: Path) -> None:
    settings = load_settings({"DATA": str(data)})
    bench, institution = system("bench"), UUID(int=1)
    password_hash = passwords.hash_password(PASSWORD)
    values = {"name_id": "", "name_en": "", "kind": "public", "zone": "Asia/Jakarta", "version": 1}
    with closing(load("members").open_database(settings)) as database, database.transaction(bench) as session:
        session.add(Institution(id=institution, code="BENCH", **values))
        session.flush()
        for number in range(PEOPLE):
            person = accounts.add_staff(
                session, institution_id=institution, user=f"user.{number}", name="User", role_codes=["desk"],
                context=bench, granter=None,
            )  # fmt: skip
            accounts.store_password(session, person.account, password_hash)


def _sign_in(address: str, number: int, stop: threading.Event) -> Counter[int]:
    """Sign in again and again; return how often each status was the answer."""
    statuses: Counter[int] = Counter()
    while not stop.is_set():
        body = json.dumps({"user": f"user.{number}", "password": PASSWORD}).encode()
        request = urllib.request.Request(
            f"{address}/api/v1/sign-in", body, {"Content-Type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                statuses[reply.status] += 1
        except urllib.error.HTTPError as problem:
            statuses[problem.code] += 1
            problem.close()
            stop.wait(0.2)
    return statuses


if __name__ == "__main__":
    main()
