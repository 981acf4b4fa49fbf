"""Lending over HTTP: desks at the gateway of a whole edition, until the last effect is in catalogue and members.

    python -m bench.lending_http [--edition cluster] [--desks 8 32] [--workers 2] [--beside-import 100000]
    python -m bench.lending_http --prepare --data FOLDER     # makes data once; later runs take it with --data FOLDER
    python -m bench.lending_http --idle 60

The desks are threads of a process of their own, each with a connection and the token of a client. Every second act
returns what the first lent. Effects are there when the states of items in the catalogue, and the open loans in
members, are those of circulation. CPU time is that of all processes of the edition, without desks and databases.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from bench import generate, parts, thread_times
from bench.lending_data import (
    BRANCH,
    CODE,
    LONGEST_WAIT_SECONDS,
    SERVICES,
    Edition,
    barcodes_of,
    copy_folder,
    count_members,
    fill,
    import_catalogue,
    open_database,
    prepare_folder,
    run_command,
    running_cluster,
)
from bench.lending_rows import BENCH
from bench.parts import RANGKIANG
from chassis.database.db import Database
from chassis.ids import new_id_text
from services.catalog.marc import iso2709
from services.catalog.tables import ItemState
from services.circulation.tables import Copy, Loan
from services.members.tables import MemberLoan

TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    arguments = _parser().parse_args()
    print(f"load {os.getloadavg()[0]:.1f}; Python {sys.version.split()[0]}; {os.cpu_count()} cores", flush=True)
    if arguments.prepare and not arguments.data:
        raise SystemExit("--prepare needs --data")
    if arguments.prepare and arguments.edition == "embedded":
        prepare_folder(Path(arguments.data), arguments)
        return
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        environment, start = _edition(stack, Path(folder), arguments)
        if arguments.prepare or not arguments.data:
            import_catalogue(Path(folder), environment, arguments)
        edition = stack.enter_context(start())
        if arguments.prepare or not arguments.data:
            fill(edition, arguments)
        if arguments.prepare:
            return
        databases = {name: stack.enter_context(closing(open_database(name, edition))) for name in SERVICES}
        if arguments.idle:
            _idle(edition, arguments.idle)
            return
        barcodes, members = barcodes_of(databases["circulation"]), count_members(databases["circulation"])
        token = fetch_token(edition)
        for desks in arguments.desks:
            with _importing(Path(folder), edition, arguments.beside_import):
                _measure(edition, databases, token(), barcodes, members=members, desks=desks, arguments=arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.lending_http", description=__doc__.partition("\n\n    ")[0])
    parser.add_argument("--edition", choices=("embedded", "cluster"), default="embedded")
    parser.add_argument("--desks", nargs="+", type=int, default=[8, 32])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2, help="processes of `up`")
    parser.add_argument("--members", type=int, default=100_000)
    parser.add_argument("--records", type=int, default=200_000, help="of one or two items: 300,000 items")
    parser.add_argument("--past", type=int, default=1_000_000, help="loans that were returned")
    parser.add_argument("--beside-import", type=int, default=0, help="import so many other records at the same time")
    parser.add_argument(
        "--data", help="prepared data: a folder, which is copied; in the cluster a prefix of databases, which are used"
    )
    parser.add_argument("--prepare", action="store_true", help="make that data, and end")
    parser.add_argument("--profile", action="store_true", help="print the CPU time of each thread too")
    parser.add_argument("--idle", type=int, default=0, help="measure so many seconds without any request, and end")
    return parser


def _edition(
    stack: ExitStack, folder: Path, arguments: argparse.Namespace
) -> tuple[Mapping[str, str], Callable[[], Any]]:
    """Return the environment of commands, and what starts the edition. Its databases are migrated."""
    changes = thread_times.naming_threads() if arguments.profile else {}
    if arguments.edition == "embedded":
        data = folder / "var"
        environment = {**os.environ, "DATA": str(data)}
        if arguments.data:
            copy_folder(Path(arguments.data), data)
        else:
            parts.migrate(environment)
        return environment, lambda: _embedded(data, workers=arguments.workers, changes=changes)
    from tests import servers
    from tests.servers import state
    from tests.servers.cluster import Cluster

    state.refuse_settings_of_tests()
    cluster = Cluster(prefix=arguments.data or "bench_lending_")
    cluster.environment |= {"RATE_LIMIT": "0", "REQUESTS_AT_ONCE": "0", "LOG_LEVEL": "WARNING", **changes}
    if arguments.prepare or not arguments.data:
        for service in cluster.ports:
            servers.drop_database(cluster.prefix + service)
    if not arguments.data:
        stack.callback(cluster.remove)
    cluster.migrate()
    return cluster.environment, lambda: running_cluster(cluster)


@contextmanager
def _embedded(data: Path, *, workers: int, changes: Mapping[str, str]) -> Iterator[Edition]:
    with parts.up(data, workers=workers, **changes) as server:
        yield Edition(server.address, {**os.environ, "DATA": str(data)}, [server.pid])


def fetch_token(edition: Edition) -> Callable[[], str]:
    name = f"desks-{new_id_text()[-12:]}"  # of each run, because data of the cluster is used again
    client = run_command(edition.environment, "client", "create", name, "--institution", CODE, "--role", "desk")

    def fetch() -> str:
        request = urllib.request.Request(
            f"{edition.address}/api/v1/tokens", json.dumps(client).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:
            return str(json.load(response)["access_token"])

    return fetch


@contextmanager
def _importing(folder: Path, edition: Edition, records: int) -> Iterator[None]:
    """Import other records of the same institution beside the block."""
    if not records:
        yield
        return
    file = folder / "other.mrc"
    others = generate.records(records, seed=generate.SEED + 7)
    file.write_bytes(b"".join(iso2709.encode(record).replace(b"BENCH", b"OTHER") for record in others))
    command = [*RANGKIANG, "import", str(file), "--source", "OTHER", "--new-source", "--institution", CODE]
    process = subprocess.Popen(command, env=edition.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(3)
    try:
        yield
    finally:
        code = process.poll()
        print(f"the import {'goes on' if code is None else f'has ended with {code}'}")
        process.terminate()
        process.wait()


def _measure(
    edition: Edition,
    databases: Mapping[str, Database],
    token: str,
    barcodes: Sequence[str],
    *,
    members: int,
    desks: int,
    arguments: argparse.Namespace,
) -> None:
    cpu, before = cpu_seconds(edition.pids), thread_times.read(edition.pids)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        pairs, client_cpu = process.submit(
            drive, edition.address, token, barcodes, desks=desks, seconds=arguments.seconds, members=members
        ).result()
    end, acts_cpu = time.monotonic(), cpu_seconds(edition.pids) - cpu
    while not _effects_are_there(databases):
        if time.monotonic() - end > LONGEST_WAIT_SECONDS:
            raise SystemExit("effects are missing")
        time.sleep(0.25)
    late, all_cpu = time.monotonic() - end, cpu_seconds(edition.pids) - cpu
    number = len(pairs)
    print(
        f"{arguments.edition}, {desks} desks, load {os.getloadavg()[0]:.1f}:"
        f" {number / arguments.seconds:,.0f} pairs a second;"
        f" {acts_cpu / number * 1e3:.2f} ms of CPU time a pair ({all_cpu / number * 1e3:.2f} with all effects),"
        f" {client_cpu / number * 1e3:.2f} of the desks; effects {late:.1f} s later"
    )
    for act, values in zip(("check-out", "check-in"), zip(*pairs, strict=True), strict=True):
        p50, p95 = statistics.median(values), sorted(values)[int(len(values) * 0.95)]
        print(f"{act}: p50 {p50 * 1e3:.1f} ms, p95 {p95 * 1e3:.1f} ms, longest {max(values) * 1e3:.0f} ms", flush=True)
    if arguments.profile:
        thread_times.report(before, thread_times.read(edition.pids), number)


def _effects_are_there(databases: Mapping[str, Database]) -> bool:
    with databases["circulation"].reading(BENCH) as session:
        acts = session.scalar(select(func.sum(Copy.state_version)))
        loans = session.scalar(select(func.count()).select_from(Loan).where(Loan.returned_at.is_(None)))
    with databases["catalog"].reading(BENCH) as session:
        states = session.scalar(select(func.sum(ItemState.state_version)))
    with databases["members"].reading(BENCH) as session:
        query = select(func.count()).select_from(MemberLoan).where(MemberLoan.returned_at.is_(None))
        open_loans = session.scalar(query)
    return (acts, loans) == (states, open_loans)


def drive(
    address: str, token: str, barcodes: Sequence[str], *, desks: int, seconds: int, members: int
) -> tuple[list[tuple[float, float]], float]:
    """Lend and take back at so many desks. Returns the seconds of each pair, and the CPU time of this process."""
    place, stop, numbers = address.partition("://")[2], time.monotonic() + seconds, count(int(time.time()) % 100_000)

    def work(_number: int) -> list[tuple[float, float]]:
        pairs = []
        with closing(Desk(place, token)) as desk:
            while time.monotonic() < stop:
                number = next(numbers)
                item, member = barcodes[number % len(barcodes)], f"M{number * 13 % members:07}"
                lent = desk.post("check-outs", {"member": member, "item": item, "branch": f"{CODE}/{BRANCH}"}, 201)
                pairs.append((lent, desk.post("check-ins", {"item": item, "branch": f"{CODE}/{BRANCH}"}, 200)))
        return pairs

    cpu = time.process_time()
    with ThreadPoolExecutor(desks) as threads:
        pairs = [pair for some in threads.map(work, range(desks)) for pair in some]
    return pairs, time.process_time() - cpu


class Desk:
    """A connection that sends a request and waits for its response, with little more than the socket."""

    def __init__(self, place: str, token: str) -> None:
        host, _, port = place.partition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"Host: {place}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"

    def post(self, path: str, body: Mapping[str, str], status: int) -> float:
        """Return the seconds until the response; another status ends the benchmark."""
        content = json.dumps(body)
        key = f"Idempotency-Key: {new_id_text()}\r\nContent-Length: {len(content)}\r\n\r\n"
        start = time.perf_counter()
        self._socket.sendall(f"POST /api/v1/{path} HTTP/1.1\r\n{self._head}{key}{content}".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._received()
        head, _, rest = answer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        while len(rest) < length:
            rest += self._received()
        seconds = time.perf_counter() - start
        if int(head.split(b" ", 2)[1]) != status:
            raise SystemExit(f"{path} {content}: {head.decode()} {rest.decode()}")
        return seconds

    def close(self) -> None:
        self._socket.close()

    def _received(self) -> bytes:
        part = self._socket.recv(65536)
        if not part:
            raise SystemExit("the gateway has closed a connection")
        return part


def _idle(edition: Edition, seconds: int) -> None:
    """Print CPU time and memory of an edition without requests."""
    time.sleep(20)  # what the start has left to do
    cpu = cpu_seconds(edition.pids)
    time.sleep(seconds)
    part = (cpu_seconds(edition.pids) - cpu) / seconds
    memory, own = (sum(parts.resident(pid, field) for pid in edition.pids) // 1024 for field in ("Pss:", "Pss_Anon:"))
    print(f"idle: {part * 100:.1f} % of a core; {memory:,} MB in all processes, {own:,} MB without mapped files")


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the CPU time of processes and their descendants, those that have ended included."""
    seconds = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds += sum(int(field) for field in fields[11:15]) / TICKS
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):  # a thread that ends
                seconds += cpu_seconds([int(child) for child in (task / "children").read_text().split()])
    return seconds


if __name__ == "__main__":
    main()
