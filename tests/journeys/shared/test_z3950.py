"""Library systems search the catalogue by Z39.50, through the server that searches by SRU."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.journeys.library import Library
from tests.servers.processes import free_port


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def port(library: Library, tmp_path: Path) -> Iterator[int]:
    """Port of a Z39.50 server for the library."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "rangkiang"), "z3950"]
    options = ["--sru", f"{library.address}/sru", "--listen", f"tcp:127.0.0.1:{port}"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [*command, *options], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            eventually(lambda: answers(port))
            yield port
        finally:
            server.terminate()


def ask(port: int, *commands: str) -> str:
    lines = "\n".join([f"open tcp:127.0.0.1:{port}/rangkiang", *commands, "quit", ""])
    result = subprocess.run(
        ["yaz-client"], input=lines, capture_output=True, text=True, timeout=60, check=False, errors="replace"
    )
    return result.stdout + result.stderr


def test_yaz_client_finds_a_record_and_gets_it_as_usmarc(port: int) -> None:
    output = ask(port, 'find @attr 1=4 "robohnya surau"', "format usmarc", "show 1")
    assert "Number of hits: 0" not in output
    assert "Record type: USmarc" in output
    assert "245 10 $a Robohnya" in output


def test_zoomsh_finds_by_attributes_and_operators(port: int) -> None:
    def hits(query: str) -> int:
        commands = [f"connect tcp:127.0.0.1:{port}/rangkiang", f"search {query}", "quit"]
        output = subprocess.run(["zoomsh", *commands], capture_output=True, text=True, timeout=60, check=False).stdout
        [line] = [line for line in output.splitlines() if line.endswith(" hits")]
        return int(line.split()[-2])

    navis, surau = hits("@attr 1=1003 navis"), hits("@attr 1=4 surau")
    both, either = hits("@and @attr 1=1003 navis @attr 1=4 surau"), hits("@or @attr 1=1003 navis @attr 1=4 surau")
    assert navis + surau == both + either
    assert both > 0
    assert hits("@attr 1=4 @attr 5=1 robohn") >= hits("@attr 1=4 robohnya") > 0


def test_a_scan_lists_authors(port: int) -> None:
    output = ask(port, "scan @attr 1=1003 navis")
    assert "navis" in output.lower()
    assert "entries" in output


@pytest.mark.parametrize(
    ("commands", "diagnostic"),
    [
        (["find @attr 1=9999 a"], "[114]"),
        (["base nonsense", "find a"], "[235]"),
        (["base cfg:address=127.0.0.1:22", "find a"], "[235]"),
        (["find @attr 1=4 @attr 2=100 surau"], "[117]"),
    ],
    ids=["unknown attribute", "unknown database", "a database of the client", "phonetic"],
)
def test_a_wrong_request_gets_its_diagnostic(port: int, commands: list[str], diagnostic: str) -> None:
    assert diagnostic in ask(port, *commands)
