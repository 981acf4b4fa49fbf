"""Searches a second beside Zebra, on the same records and queries in one run.

Zebra (Debian's idzebra-2.0) answers SRU searches with its DOM filter, by relevance, ten MARCXML records each; this
edition answers its search of the API. wrk asks both with the same queries, round by round: two words, mixed queries,
and those of the mixed queries that find nothing as typed. Zebra then answers that it has nothing; this edition looks
for corrections and for records with a part of the words. Then both answer SRU: the same CQL, ten MARCXML records.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from bench import generate, load, pace, parts

FOLDER = Path("var").resolve() / "bench" / "zebra"  # Zebra reads its settings in its own folder
CLIENTS, ROUNDS, SECONDS = 8, 5, 4
# The mapping of CQL to attributes that YAZ ships, with the names of our indexes.
CQL = Path("/usr/share/yaz/etc/pqf.properties")
NAMES = {"1=1016": "1=any", "1=30\n": "1=year 4=4\n"}
SERVER = """<yazgfs>
  <listen id="local">tcp:127.0.0.1:{port}</listen>
  <server id="default" listenref="local"><config>zebra.cfg</config><cql2rpn>cql.properties</cql2rpn></server>
</yazgfs>
"""
YEARS = re.compile(r"(\S+) tahun:(\d+)\.\.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.zebra_rates", description=__doc__)
    parser.add_argument("records", type=int, nargs="?", default=100_000)
    parser.add_argument("--sru", action="store_true", help="only SRU beside SRU")
    arguments = parser.parse_args()
    size = arguments.records
    load.require_wrk()
    if shutil.which("zebrasrv") is None:
        raise SystemExit("zebrasrv is missing: apt-get install -y idzebra-2.0")
    shutil.rmtree(FOLDER, ignore_errors=True)
    file = generate.write(FOLDER / "records.mrc", size)
    parts.import_file(FOLDER / "data", file, size)
    parts.copy_items(FOLDER / "data")
    pace.index_with_zebra(file, FOLDER / "zebra", is_dom=True)
    with zebra(FOLDER / "zebra") as theirs, parts.up(FOLDER / "data", workers=2) as ours:
        for label, queries in kinds():
            if not arguments.sru:
                _compare(label, queries, ours.address, theirs, _search)
            _compare(f"SRU, {label}", queries, ours.address, theirs, lambda query: f"/sru{_sru(query)}")


def kinds() -> Iterator[tuple[str, list[str]]]:
    """Yield the kinds of queries; of the mixed ones no round repeats one, because servers remember some of them."""
    yield "two words", generate.queries(2_000)
    yield "mixed", generate.mixed_queries(20_000)
    yield "nothing as typed", generate.mixed_queries(20_000, generate.WITHOUT_HITS)


def _search(query: str) -> str:
    return f"/api/v1/search?q={quote(query)}"


def _sru(query: str) -> str:
    return f"?version=1.1&operation=searchRetrieve&maximumRecords=10&query={quote(cql(query))}"


def _compare(label: str, queries: list[str], ours: str, theirs: str, our_path: Callable[[str], str]) -> None:
    """Print the rates of both for one kind, and the ratio: the median of the ratios of the rounds."""
    paths = {ours: [our_path(query) for query in queries], theirs: [f"/Default{_sru(query)}" for query in queries]}
    for address, lines in paths.items():
        for line in lines[:50]:
            with urllib.request.urlopen(address + line, timeout=30) as reply:
                if b"diagnostic" in reply.read():  # with status 200, too
                    raise SystemExit(f"{address}{line} is refused")
    figures: dict[str, list[load.Figure]] = {ours: [], theirs: []}
    share = len(queries) // (ROUNDS + 1)
    for number in range(ROUNDS + 1):
        for address, lines in paths.items():
            own_lines = lines if len(queries) <= 2_000 else lines[number * share :] + lines[: number * share]
            figure = load.measure(address, own_lines, clients=CLIENTS, seconds=SECONDS, rounds=1)
            if number:  # the first round warms both
                figures[address].append(figure)
    ratio = statistics.median(
        own.per_second / other.per_second for own, other in zip(figures[ours], figures[theirs], strict=True)
    )
    for name, address in (("this edition", ours), ("Zebra", theirs)):
        rate = statistics.median(figure.per_second for figure in figures[address])
        slow = statistics.median(figure.p99_ms for figure in figures[address])
        print(f"{label:22} {name:13} {rate:7.0f} a second, p99 {slow:6.1f} ms")
    print(f"{label:22} ratio {ratio:.2f}; {CLIENTS} clients, load {os.getloadavg()[0]:.1f}")


def cql(query: str) -> str:
    """Return the CQL of a query: all words, by relevance; a year as a range."""
    if match := YEARS.fullmatch(query):
        return f'cql.serverChoice all/relevant "{match[1]}" and dc.date >= {match[2]}'
    return f'cql.serverChoice all/relevant "{query}"'


@contextlib.contextmanager
def zebra(folder: Path) -> Iterator[str]:
    """Serve the register over SRU; yield the address."""
    mapping = CQL.read_text()
    for name, index in NAMES.items():
        mapping = mapping.replace(name, index)
    (folder / "cql.properties").write_text(mapping)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "server.xml").write_text(SERVER.format(port=port))
    process = subprocess.Popen(["zebrasrv", "-f", "server.xml", "-v", "none"], cwd=folder, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.1)
    raise SystemExit("zebrasrv does not answer")


if __name__ == "__main__":
    main()
