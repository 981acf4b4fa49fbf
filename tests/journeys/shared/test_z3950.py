"""Library systems search the catalogue by Z39.50, through the server that searches by SRU."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from lxml import etree

from chassis import clock
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.journeys.library import Library
from tests.servers.processes import free_port


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def served(library: Library, tmp_path: Path, sru: str = "", **settings: str) -> Iterator[int]:
    """Serve Z39.50 for the library, or for another address of SRU; yield the port."""
    port = free_port()
    command = [str(Path(sys.executable).parent / "rangkiang"), "z3950"]
    options = ["--sru", sru or f"{library.address}/sru", "--listen", f"tcp:127.0.0.1:{port}"]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "TMPDIR": str(tmp_path), **settings}
    with subprocess.Popen(
        [*command, *options], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            eventually(lambda: answers(port))
            yield port
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def port(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of a Z39.50 server for the library."""
    with served(library, tmp_path_factory.mktemp("z3950")) as port:
        yield port


def ask(port: int, *commands: str, auth: str = "") -> str:
    lines = "\n".join(
        [*([f"auth {auth}"] if auth else []), f"open tcp:127.0.0.1:{port}/rangkiang", *commands, "quit", ""]
    )
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


# Attributes of the Bath profile 2.0, functional area A, levels 0 and 1: relation, position, structure, truncation and
# completeness.
KEYWORD = "@attr 2=3 @attr 3=3 @attr 4=2 @attr 5=100 @attr 6=1"
TRUNCATED = "@attr 2=3 @attr 3=3 @attr 4=2 @attr 5=1 @attr 6=1"
EXACT = "@attr 2=3 @attr 3=1 @attr 4=1 @attr 5=100 @attr 6=3"
FIRST_WORDS = "@attr 2=3 @attr 3=1 @attr 4=1 @attr 5=100 @attr 6=1"
FIRST_CHARACTERS = "@attr 2=3 @attr 3=1 @attr 4=1 @attr 5=1 @attr 6=1"


def year(relation: int) -> str:
    return f"@attr 2={relation} @attr 3=1 @attr 4=4 @attr 5=100 @attr 6=1"


SEARCHES = [
    (f"@attr 1=1003 {KEYWORD} navis", "dc.creator all navis"),
    (f"@attr 1=1003 {TRUNCATED} navi", "dc.creator = navi*"),
    (f'@attr 1=1003 {EXACT} "navis, a. a."', 'dc.creator == "navis, a. a."'),
    (f"@attr 1=1003 {FIRST_WORDS} navis", "dc.creator = ^navis"),
    (f"@attr 1=1003 {FIRST_CHARACTERS} nav", "dc.creator = ^nav*"),
    (f"@attr 1=4 {KEYWORD} surau", "dc.title all surau"),
    (f"@attr 1=4 {TRUNCATED} robohn", "dc.title = robohn*"),
    (f'@attr 1=4 {EXACT} "robohnya surau kami"', 'dc.title == "robohnya surau kami"'),
    (f'@attr 1=4 {FIRST_WORDS} "robohnya surau"', 'dc.title = "^robohnya surau"'),
    (f'@attr 1=4 {FIRST_CHARACTERS} "robohnya sur"', 'dc.title = "^robohnya sur*"'),
    (f"@attr 1=21 {KEYWORD} minangkabau", "dc.subject all minangkabau"),
    (f"@attr 1=21 {TRUNCATED} minangk", "dc.subject = minangk*"),
    (f'@attr 1=21 {EXACT} "minangkabau"', 'dc.subject == "minangkabau"'),
    (f"@attr 1=21 {FIRST_WORDS} minangkabau", "dc.subject = ^minangkabau"),
    (f"@attr 1=21 {FIRST_CHARACTERS} minang", "dc.subject = ^minang*"),
    (f"@attr 1=1016 {KEYWORD} surau", "cql.serverChoice all surau"),
    (f"@attr 1=1016 {TRUNCATED} sura", "cql.serverChoice = sura*"),
    (f"@attr 1=1007 {FIRST_WORDS} 9794030465", "dc.identifier = 9794030465"),
    (f"@attr 1=7 {FIRST_WORDS} 979-403-046-5", "bath.isbn = 9789794030462"),
    *((f"@attr 1=31 {year(number)} 1986", f"dc.date {relation} 1986") for number, relation in enumerate(
        ["<", "<=", "=", ">=", ">"], 1)),
    (f"@attr 1=54 {EXACT} ind", "dc.language = ind"),
    (f"@attr 1=1031 {EXACT} book", "dc.type = book"),
    (f"@attr 1=1044 {EXACT} PKS", "bath.possessingInstitution = PKS"),
    (f"@attr 1=20 {EXACT} 899", "rangkiang.class = 899"),
    ('@attr 1=4 @attr 4=6 "kami surau"', 'dc.title all "kami surau"'),
    ("@attr 1=4 @attr 5=101 sur#u", "dc.title = sur?u"),
    ("@attr 1=4 @attr 5=104 robo?", "dc.title = robo*"),
    ("@prox 0 3 0 2 k 2 @attr 1=4 kami @attr 1=4 robohnya", "dc.title = kami prox/distance<=3 dc.title = robohnya"),
    ("@not @attr 1=4 surau @attr 1=1003 navis", "dc.title = surau not dc.creator = navis"),
]  # fmt: skip


def hits_of(output: str) -> list[int]:
    return [int(line.split()[3].rstrip(",")) for line in output.splitlines() if line.startswith("Number of hits:")]


def test_each_search_of_the_bath_profile_finds_what_sru_finds(port: int, library: Library) -> None:
    def total(query: str) -> int:
        parameters = {"query": query, "maximumRecords": "0"}
        response = httpx.get(f"{library.address}/sru", params=parameters, timeout=30)
        return int(etree.fromstring(response.content).findtext("{*}numberOfRecords"))

    output = ask(port, *(f"find {search}" for search, _ in SEARCHES))
    assert "Diagnostic" not in output
    found = dict(zip((search for search, _ in SEARCHES), hits_of(output), strict=True))
    assert found == {search: total(cql) for search, cql in SEARCHES}
    assert min(found.values()) > 0


def test_masks_quotation_marks_and_brackets_of_a_term_are_plain(port: int) -> None:
    everything = ask(
        port, r'find @attr 1=4 "robohnya \"surau\" (kami)"', "find @attr 1=4 sur*", r"find @attr 1=4 sur\\"
    )
    assert "Diagnostic" not in everything
    assert hits_of(everything) == [hits_of(ask(port, 'find @attr 1=4 "robohnya surau kami"'))[0], 0, 0]


def test_an_opac_record_has_the_record_and_whether_its_items_can_be_lent(port: int) -> None:
    output = ask(port, 'find @attr 1=4 "robohnya surau kami"', "format opac", "elements F", "show 1+2")
    assert output.count("Record type: OPAC") == 2
    assert output.count("Record type: USmarc") == 2
    assert "localLocation: Perpustakaan Pusat" in output
    assert "callNumber: F 899.2213 NAV r" in output
    assert "availableNow: 1" in output


def test_xml_records_have_the_schema_that_the_element_set_names(port: int) -> None:
    output = ask(
        port, "find @attr 1=4 surau", "format xml", "show 1", "elements dc", "show 1", "elements mods", "show 1"
    )
    assert output.count("Record type: XML") == 3
    for element in ('<record xmlns="http://www.loc.gov/MARC21/slim"', "<oai_dc:dc", "<mods "):
        assert element in output


def test_a_set_can_be_sorted_and_searched_again(port: int) -> None:
    commands = ["find @attr 1=21 minangkabau", "sort 1=4 i<", "sort 1=31 i<", "format xml", "elements dc", "show 1+9"]
    output = ask(port, *commands, "find @and @set 1 @attr 1=1003 navis")
    assert "Diagnostic" not in output
    years = re.findall(r"<dc:date>(\d{4})", output)
    assert years == sorted(years)
    assert len(years) > 2
    assert hits_of(output)[0] > hits_of(output)[1] > 0


@pytest.mark.parametrize(
    ("use", "term", "entry"),
    [
        (1003, "navis", "Navis, A. A."), (4, "robohnya", "Robohnya"), (21, "minangkabau", "Minangkabau"),
        (20, "899", "899"), (7, "9789794030462", "9789794030462"), (53, "F 899.2213", "F 899.2213"),
    ],
)  # fmt: skip
def test_a_scan_begins_at_the_term(port: int, use: int, term: str, entry: str) -> None:
    output = ask(port, "scansize 3", "scanpos 2", f'scan @attr 1={use} @attr 3=1 @attr 4=1 @attr 6=3 "{term}"')
    assert "3 entries, position=2" in output
    assert f"* {entry}" in output


@pytest.mark.parametrize(
    ("commands", "diagnostic"),
    [
        (["find @attr 1=9999 a"], "[114]"),
        (["base nonsense", "find a"], "[235]"),
        (["base cfg:address=127.0.0.1:22", "find a"], "[235]"),
        (["find @attr 1=4 @attr 2=100 surau"], "[117]"),
        (["find @attr 1=4 @attr 2=1 surau"], "[123]"),
        (["find @attr 1=4 @attr 3=9 surau"], "[119]"),
        (["find @attr 1=4 @attr 4=103 surau"], "[118]"),
        (["find @attr 1=4 @attr 5=102 surau"], "[120]"),
        (["find @attr 1=4 @attr 6=9 surau"], "[122]"),
        (["find @attr 9=1 surau"], "[113]"),
        (["find @attr Exp-1 1=1 surau"], "[121]"),
        (["find @attr 1=31 soon"], "[125]"),
        (["find @attr 1=4 @attr 5=1 s"], "[9]"),
        (["find @prox 0 1 1 2 k 4 @attr 1=4 surau @attr 1=4 kami"], "[132]"),
        (["find @set 7"], "[128]"),
        (["find @attr 1=4 surau", "show 99"], "[13]"),
        (["find @attr 1=4 surau", "format grs-1", "show 1"], "[239]"),
        (["find @attr 1=4 surau", "sort 1=21 i<"], "[207]"),
        (["scan @attr 1=54 ind"], "[114]"),
        (["scanstep 2", "scan @attr 1=4 surau"], "[205]"),
        (["scansize 2", "scanpos 9", "scan @attr 1=4 surau"], "[233]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_request_gets_its_diagnostic_and_the_connection_stays(
    port: int, commands: list[str], diagnostic: str
) -> None:
    output = ask(port, *commands, "base rangkiang", "find @attr 1=4 surau")
    assert diagnostic in output
    assert hits_of(output)[-1] > 0


def usage_of(library: Library, client: dict[str, str]) -> dict[str, tuple[int, int, int]]:
    """Requests, records and refusals of a client by protocol."""
    secret = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    token = httpx.post(f"{library.address}/api/v1/tokens", json=secret, timeout=20, verify=False).json()["access_token"]
    month = f"{clock.now().astimezone(ZoneInfo('Asia/Jakarta')):%Y-%m}"
    headers = {"Authorization": f"Bearer {token}"}
    hits = library.get("/api/v1/reports/usage", headers=headers, month=month).json()["hits"]
    return {hit["protocol"]: (hit["requests"], hit["records"], hit["refusals"]) for hit in hits}


@pytest.mark.parametrize("way", ["user and password", "settings of the server"])
def test_searches_count_in_the_plan_of_a_client(library: Library, tmp_path: Path, way: str) -> None:
    name, plan = f"z3950-{way.split()[0]}", ["--requests-a-day", "3"]
    client = library.command("client", "create", name, "--institution", "PKS", "--role", "partner", *plan)
    user, password = client["client_id"], client["client_secret"]
    own = {"Z3950_CLIENT_ID": user, "Z3950_CLIENT_SECRET": password} if way.startswith("settings") else {}
    auth = "" if own else f"{user}/{password}"
    with served(library, tmp_path, **own) as port:
        commands = ("find @attr 1=4 surau", "format usmarc", "show 1")
        assert "Record type: USmarc" in ask(port, *commands, auth=auth)
        # Two processes answer; each knows the requests of the other after some seconds. A request during which members
        # cannot check the password is anonymous, so each request may be the first that counts.
        eventually(lambda: "The plan of this client is used up" in ask(port, *commands, auth=auth))

    def is_counted() -> bool:
        requests, records, refusals = usage_of(library, client).get("z3950", (0, 0, 0))
        return requests >= 3 and records > 0 and refusals > 0

    eventually(is_counted)


def test_a_server_that_reaches_the_catalogue_by_http_refuses_passwords_at_once(
    library: Library, tmp_path: Path
) -> None:
    with served(library, tmp_path, "http://gateway.invalid:8080/sru") as port:
        refused = ask(port, "find @attr 1=4 surau", auth="somebody/secret")
        assert "Connection rejected" in refused
        assert "connect without them" in refused
        assert "Connection accepted" in ask(port)
    assert not list(tmp_path.glob("rangkiang*"))  # TMPDIR


def test_many_records_come_in_one_answer(port: int) -> None:
    output = ask(port, "find @attr 1=1044 PKS", "format usmarc", "show 1+120")
    assert "Diagnostic" not in output
    assert output.count("Record type: USmarc") == 120


def test_a_wrong_password_finds_nothing(port: int) -> None:
    output = ask(port, "find @attr 1=4 surau", auth="nobody/invented")
    assert "Number of hits: 0" in output
    assert "Diagnostic message(s) from database" in output
