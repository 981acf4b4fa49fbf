"""No personal value is in a log, span, event, audit row, stored reply, address, QR code or error, in either edition.

One member goes through every act: at the desk, with the API, on pages, by file and from a terminal. Then all that the
journeys have written is searched for each value: plain, encoded for addresses, JSON, HTML and base64, and as digits.
"""

from __future__ import annotations

import base64
import html
import json
import re
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pypdfium2
import pytest
import zxingcpp
from sqlalchemy import inspect, text

from chassis.context import system
from chassis.database.db import Database
from chassis.service import discover, load
from chassis.settings import load as load_settings
from tests.builders import book
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.fakes.accounts import Staff
from tests.journeys.library import Library
from tests.migrated import every_row
from tests.programs import run_command
from tests.web.visitors import Visitor

NAME = "Zulbahrihastuti Qomarrudinata"
PASSWORD = "kopi jendela sungai"
SEALED = {
    "nik": "1372014509871239",
    "phone": "0813 7423 9156",
    "email": "qomarrudin.ata@rahasia.example",
    "address": "Jalan Teratai Ungu 8841",
    "birth_date": "1987-11-29",
}
GUARDIAN_PHONE, NEW_PHONE = "0813 9981 4427", "0852 6417 9932"
REQUEST, ANSWER = "Pindah ke Gang Qzenanga 7719", "Sudah: Gang Qzenanga nomor 7719 B"
WRONG_NIK, WRONG_PASSWORD = "137206450981276", "perahu salah 9917"
# Never in the clear anywhere outside of replies to those who may see them.
SECRETS = (
    *SEALED.values(), GUARDIAN_PHONE, NEW_PHONE, "Qzenanga", WRONG_NIK, WRONG_PASSWORD, PASSWORD,
    "081374239156", "6281374239156", "6281399814427", "6285264179932", "29/11/1987", "29 November 1987",
)  # fmt: skip
MARK = "penandaqz"  # of a search that the query log keeps
NAMES = ("Zulbahrihastuti", "Qomarrudinata")
# Names are in the clear in these tables, for search and for the desk.
NAMED_TABLES = {"members": {"members", "accounts", "member_words", "blocks"}}


@dataclass
class Wanted:
    """What is searched for: each form of each text, by what it is."""

    texts: dict[bytes, str] = field(default_factory=dict)

    def add(self, *secrets: str) -> None:
        for secret in secrets:
            forms = {secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret), json.dumps(secret)[1:-1]}
            for form in forms:
                self.texts[form.lower().encode()] = secret
            for offset in range(3):
                encoded = base64.b64encode(b"\0" * offset + secret.encode())
                # The first and the last digits depend on what stands around the value.
                begin, end = (0, 2, 3)[offset], -4 if (offset + len(secret.encode())) % 3 else None
                middle = encoded[begin:end]
                if len(middle) >= 12:
                    self.texts[middle] = self.texts[middle.replace(b"+", b"-").replace(b"/", b"_")] = secret

    def find(self, content: bytes | str, where: str) -> set[tuple[str, str]]:
        """Return (what, where) of every text that the content has."""
        plain = content.encode() if isinstance(content, str) else content
        lower = plain.decode(errors="replace").lower().encode()
        # Only base64 has capital letters.
        return {
            (secret, where) for form, secret in self.texts.items() if form in (lower if form == form.lower() else plain)
        }


@dataclass
class Driver:
    """A client of an administrator; it keeps errors, and addresses of pages."""

    library: Library
    http: httpx.Client
    errors: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def keep(self, response: httpx.Response) -> httpx.Response:
        # A page shows a form again with what was typed, to whoever typed it.
        if response.status_code >= 400 and "html" not in response.headers.get("Content-Type", ""):
            self.errors.append(response.text + repr(response.headers))
        self.addresses.append(response.headers.get("Location", ""))
        if response.headers.get("Content-Type", "").startswith("text/html"):
            self.addresses += re.findall(r'(?:href|src|action)="([^"]*)"', response.text)
        return response

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        headers = {"Idempotency-Key": str(uuid.uuid4()), **headers}
        response = self.keep(self.http.request(method, path, json=body, headers=headers))
        return response.json() if response.content and "json" in response.headers["Content-Type"] else response

    def command(self, *words: str) -> None:
        """Run a command with the receiver of spans; what it prints counts as a log."""
        environment = self.library.environment | self.library.spans.variables
        result = run_command(words, environment=environment, folder=CHECKOUT, seconds=100)
        self.errors.append((result.stdout + result.stderr).decode())


@pytest.fixture
def driver(library: Library) -> Iterator[Driver]:
    name = f"pribadi-{uuid.uuid4().hex[:8]}"
    client = library.command("client", "create", name, "--institution", "PKS", "--role", "administrator")
    with httpx.Client(base_url=f"{library.address}/api/v1", timeout=60, verify=False) as http:
        token = http.post("/tokens", json={name: client[name] for name in ("client_id", "client_secret")}).json()[
            "access_token"
        ]
        http.headers["Authorization"] = f"Bearer {token}"
        yield Driver(library, http)


def at_the_desk(driver: Driver) -> dict[str, Any]:
    """Register, find, change, block, renew, merge and lend to a member, rightly and wrongly. Returns the member."""
    send = driver.send
    guardian = {"name": f"Ibu {NAME}", "relation": "mother", "phone": GUARDIAN_PHONE}
    new = {"name": NAME, "category": "umum", "evidence": ["ktp"], "guardian": guardian, **SEALED}
    member: dict[str, Any] = send("POST", "/members", new)
    path = f"/members/{member['id']}"
    send("POST", "/members", new)
    send("POST", "/members", {**new, "nik": WRONG_NIK, "phone": WRONG_NIK, "email": WRONG_NIK, "birth_date": WRONG_NIK})
    send("POST", "/members", {**new, "surprise": SEALED["nik"]})
    send("POST", f"/members/{SEALED['nik']}/blocks", {"reason": SEALED["phone"]})
    send("POST", f"{path}/blocks", {"reason": SEALED["phone"]})
    for kind in ("members", "records", "staff", "items"):
        for name in ("nik", "phone", "email"):
            send("GET", f"/{kind}/{quote(SEALED[name])}")
    send("PATCH", path, {"phone": NEW_PHONE}, **{"If-Match": '"1"'})
    send("PATCH", path, {"phone": SEALED["phone"]}, **{"If-Match": '"1"'})
    for name in ("nik", "phone", "email"):
        send("POST", "/members/search", {name: SEALED[name]})
        send("POST", "/members/search", {"q": SEALED[name]})
        send("POST", "/scans", {"code": SEALED[name]})
    send("POST", "/scans", {"code": member["number"]})
    send("GET", path)
    send("POST", f"{path}/renewals", {"expires_on": SEALED["birth_date"]})
    block = send("POST", f"{path}/blocks", {"reason": "conduct", "note": NAME})
    send("DELETE", f"{path}/blocks/{block['block_id']}")
    send("POST", f"{path}/cards", {"act": "damaged"})
    send("POST", f"{path}/cards", {"act": "alias", "alias": {"kind": "rfid", "code": "04A1B2C3D4"}})
    other = send("POST", "/members", {"name": f"{NAME} Kedua", "category": "umum", "address": SEALED["address"]})
    merge = send("POST", "/member-merges", {"kept_id": member["id"], "merged_id": other["id"]})
    send("GET", f"/member-merges/{merge['id']}")
    send("POST", f"/member-merges/{merge['id']}/undo", {})
    request = send("POST", f"{path}/data-requests", {"kind": "correction", "how": "form", "text": REQUEST})
    send("POST", f"/data-requests/{request['id']}/answers", {"outcome": "done", "answer": ANSWER})
    send("GET", "/data-requests", None)
    send("GET", f"/data-requests/{request['id']}")
    send("GET", f"{path}/data")
    lend = {"member": member["number"], "item": "RAHASIA01", "branch": "PKS/PST"}
    eventually(lambda: send("POST", "/check-outs", lend).get("loan"))
    send("POST", "/check-outs", {**lend, "member": SEALED["nik"]})
    send("POST", "/check-outs", {**lend, "item": SEALED["email"], "member": SEALED["phone"]})
    send("POST", "/check-ins", {"item": SEALED["nik"], "branch": "PKS/PST"})
    send("POST", "/check-ins", {"item": "RAHASIA01", "branch": "PKS/PST"})
    return member


def on_pages(driver: Driver, member: dict[str, Any]) -> str:
    """Sign in rightly and wrongly, as staff and as the member; search in boxes that are not for it.

    Returns the secret of the one-time link, which is in addresses on purpose.
    """
    user = f"petugas-{uuid.uuid4().hex[:8]}"
    link = driver.send("POST", "/staff", {"user": user, "name": NAME, "roles": ["manager"]})["link"]
    code = driver.send("POST", f"/members/{member['id']}/password-codes")["code"]
    wanted.add(code)
    with httpx.Client(
        base_url=driver.library.address, timeout=60, verify=False, headers={"Accept": "text/html"}
    ) as http:
        http.event_hooks["response"] = [lambda response: (response.read(), driver.keep(response))[0]]  # type: ignore[list-item]
        reader = Visitor(http)
        reader.open(link)
        reader.send(httpx.URL(link).path, {"password": PASSWORD, "repeated": PASSWORD})
        for typed in (SEALED["nik"], SEALED["email"], user):
            reader.open("/sign-in")
            reader.send("/sign-in", {"user": typed, "password": WRONG_PASSWORD})
        reader.sign_in(Staff("", user, ""))
        for typed in (SEALED["phone"], SEALED["nik"], SEALED["email"], member["number"]):
            reader.open("/members")
            reader.send("/members", {"q": typed})
        reader.open(f"/members/{member['id']}/edit")
        reader.send(f"/members/{member['id']}/edit", {"nik": WRONG_NIK, "phone": WRONG_NIK})
        reader.open(f"/members/{member['id']}/data-requests")
        http.cookies.clear()
        reader.open("/sign-in/slip")
        words = {"number": member["number"], "code": code, "password": PASSWORD, "repeated": PASSWORD}
        reader.send("/sign-in/slip", {**words, "code": "WRONG234"})
        reader.send("/sign-in/slip", words)
        reader.sign_in(Staff("", member["number"], ""))
        wanted.add(*(value for value in http.cookies.values() if len(value) > 20))
        for path in ("/account", "/account/data", "/account/data.json"):
            reader.open(path)
        reader.open("/account/data")
        reader.send("/account/data-requests", {"kind": "access", "text": REQUEST})
        reader.open("/account")
        reader.send("/account/password", {"password": WRONG_PASSWORD, "new_password": PASSWORD, "repeated": PASSWORD})
        for typed in (SEALED["nik"], SEALED["phone"], SEALED["email"], member["number"]):
            reader.open(f"/search?q={quote_plus(typed)}")
            driver.http.get("/search", params={"q": typed})
        reader.open(f"/search?q={MARK}+{SEALED['nik']}")
        # Hits with a part of the words.
        reader.open(f"/search?q=qrahasiaz+silungkang+{SEALED['nik']}&filters=open")
        assert "Qrahasiaz" in reader.text
    return link.rpartition("/")[2]


wanted = Wanted()


@pytest.mark.timeout(600)
def test_no_personal_value_is_left_anywhere(driver: Driver) -> None:
    library = driver.library
    wanted.texts.clear()
    wanted.add(*SECRETS)
    library.put(
        [book("1", "Qrahasiaz di Silungkang", items=[("PST", "RAHASIA01")])], source=f"RHS{uuid.uuid4().hex[:6]}"
    )
    library.only_id("qrahasiaz")
    member = at_the_desk(driver)
    code = qr_of(driver.http.get(f"/members/{member['id']}/card.pdf").content)
    link_secret = on_pages(driver, member)
    rows = [f"{number};{NAME};{SEALED['nik']}{end};{SEALED['phone']};{SEALED['birth_date']};umum"
            for number, end in (("IMP1", ""), ("IMP2", "9"))]  # fmt: skip
    file = library.folder / "anggota.csv"
    file.write_text("\n".join(["nomor;nama;nik;hp;tgl lahir;kategori", *rows]))
    driver.command("members", "import", str(file), "--institution", "PKS")
    driver.command("audit", "list", "members")
    driver.command("doctor")
    assert driver.send("POST", f"/members/{member['id']}/erasure")["id"] == member["id"]
    eventually(lambda: library.search("qrahasiaz")["total"])

    places = wanted.find(code, "QR code")
    places |= wanted.find("\n".join(driver.errors), "error or command")
    places |= wanted.find("\n".join(driver.addresses), "address on a page")
    # The last batch of searches comes within ten seconds.
    with closing(load("catalog").open_database(load_settings(library.environment), pool_size=1)) as database:
        eventually(lambda: is_logged(database, MARK), seconds=20)
    tables = {(name, table): rows for name, table, rows in stored(library)}
    named = {(name, table) for name, names in NAMED_TABLES.items() for table in names}
    for name, table in named:
        places |= wanted.find(tables[name, table], f"{name}.{table}")
    wanted.add(*NAMES, link_secret)
    # Processes send their spans each second.
    eventually(lambda: any(span.name.endswith("/EraseMember") for span in library.spans.spans.values()))
    places |= wanted.find(b"\n".join(library.spans.bodies), "span")
    places |= wanted.find(library.log, "log")
    for name, table in tables.keys() - named:
        places |= wanted.find(tables[name, table], f"{name}.{table}")
    assert places == set()


def test_the_search_finds_a_value_in_every_form() -> None:
    forms = Wanted()
    forms.add("0813 7423 9156", "a&b@ü.id und so weiter")
    for secret in ("0813 7423 9156", "a&b@ü.id und so weiter"):
        for offset in range(3):
            text_ = base64.b64encode(b"x" * offset + secret.encode() + b"yz").decode()
            assert forms.find(text_, "") == {(secret, "")}, offset
        for form in (secret.upper(), quote(secret), json.dumps(secret), html.escape(secret)):
            assert forms.find(f"<{form}>", ""), form
    assert not forms.find("0813 7423 915", "")


def qr_of(pdf: bytes) -> str:
    """The content of the QR code of a card."""
    pictures = [page.render(scale=4).to_pil() for page in pypdfium2.PdfDocument(pdf)]
    codes = [code.text for picture in pictures for code in zxingcpp.read_barcodes(picture)]
    assert len(codes) >= 1
    return " ".join(codes)


def is_logged(database: Database, word: str) -> bool:
    """Whether the query log has a search with this word."""
    with database.reading(system("test")) as session:
        return any(word in "\t".join(map(_text, row)) for row in session.execute(text("SELECT * FROM searches")))


def stored(library: Library) -> Iterator[tuple[str, str, str]]:
    """Yield service, table and the text of all its rows, for every table of the databases."""
    settings = load_settings(library.environment)
    for service in discover():
        database = service.open_database(settings, pool_size=1)
        with closing(database), database.reading(system("test")) as session:
            for table in inspect(session.connection()).get_table_names():
                rows = session.execute(every_row(table))
                yield service.name, table, "\n".join("\t".join(map(_text, row)) for row in rows)


def _text(cell: Any) -> str:
    return bytes(cell).decode("latin-1") if isinstance(cell, (bytes, memoryview)) else str(cell)
