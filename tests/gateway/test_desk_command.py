"""`rangkiang desk` over HTTP: scans from standard input, refusals, answers that are lost, and who may not connect."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner

from chassis.context import system
from chassis.errors import Invalid, Unavailable
from chassis.security.auth import Principal
from gateway.api_client import ApiClient
from gateway.desk_command import app
from gateway.settings import DeskSettings
from services.members.keys import Keys
from services.members.people.store import NewMember, register
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from services.members.sign_in.clients import add_client
from tests.fakes.accounts import PKS, TEST, add_institution
from tests.fakes.catalog import FakeCatalog
from tests.fakes.lending import ELSEWHERE, REFERENCE, add_items, barcode
from tests.fakes.running import running, served_catalog, served_gateway


@pytest.fixture(scope="module")
def library() -> Iterator[dict[str, str]]:
    """The address of a gateway, a token, a client and a card."""
    with served_catalog(FakeCatalog()) as catalog, served_gateway(catalog) as address:
        add_institution()
        add_items()
        members = running["members"]
        keys = Keys(members.database, members.settings.of(MembersSettings))
        assert keys.master.fingerprint
        principal = Principal(str(uuid.uuid4()), str(PKS), str(uuid.uuid4()), scopes_of(["manager"]))
        own = replace(system("test"), institution=str(PKS))
        with members.database.transaction(TEST) as session:
            client, secret = add_client(
                session, institution_id=PKS, name="kios", role="desk", context=TEST, granter=None
            )
            member = register(
                session, NewMember({"name": "Siti Rahma", "category": "umum"}), context=own, master=keys.master
            )
            client_id, number = str(client.id), str(member.number)
        token = keys.sign(principal)
        yield {"address": address, "token": token, "client": client_id, "secret": secret, "card": number}


def run(library: dict[str, str], *lines: str, language: str = "en_GB", **environment: str) -> tuple[int, list[Any]]:
    """Run the command with these lines. Returns its exit code and what it printed, line by line."""
    result = CliRunner().invoke(
        app,
        ["--url", library["address"], "--branch", "PKS/PST", "--json"],
        input="\n".join(lines),
        env={"LANG": language, "RANGKIANG_TOKEN": library["token"], **environment},
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, [json.loads(line) for line in result.output.splitlines()]


def test_five_items_are_lent_waived_renewed_and_taken_back(library: dict[str, str]) -> None:
    code, lines = run(
        library, library["card"], barcode(1), barcode(2).lower(), barcode(3), REFERENCE, "/o Lomba literasi", "/p", "/u"
    )
    assert [(line["act"], line.get("status")) for line in lines] == [
        ("borrower", None),
        ("check_out", 201),
        ("check_out", 201),
        ("check_out", 201),
        ("check_out", 409),
        ("check_out", 201),
        ("renew_all", 200),
        ("new_borrower", None),
    ]
    assert code == 1
    assert {refusal["reason"] for refusal in lines[4]["answer"]["refusals"]} == {
        "LOAN_LIMIT_REACHED", "ITEM_NOT_FOR_LOAN",
    }  # fmt: skip
    code, lines = run(library, "/k", *map(barcode, (1, 2, 3)), REFERENCE, "/b", ELSEWHERE)
    assert code == 0
    assert [line["answer"]["next"] for line in lines if line["act"] == "check_in"] == ["shelve"] * 4
    assert lines[-1]["act"] == "in_library_use"


def test_a_person_reads_what_happened_in_their_language(library: dict[str, str]) -> None:
    for language, words in (("id_ID", ("Peminjam: Siti Rahma", "✓ Dipinjamkan")), ("en", ("Borrower:", "✓ Lent"))):
        output = (
            CliRunner()
            .invoke(
                app,
                ["--url", library["address"], "--branch", "PKS/PST"],
                input="\n".join((barcode(4), library["card"], barcode(4), "/k", barcode(4), "nobody0", "/?")),
                env={"LANG": language, "RANGKIANG_TOKEN": library["token"]},
            )
            .output
        )
        assert all(word in output for word in words), output


def test_a_client_signs_in_by_itself_and_a_wrong_one_is_named(library: dict[str, str]) -> None:
    own = {"RANGKIANG_TOKEN": "", "RANGKIANG_CLIENT_ID": library["client"]}
    code, lines = run(library, library["card"], barcode(5), **own, RANGKIANG_CLIENT_SECRET=library["secret"])
    assert (code, lines[-1]["status"]) == (0, 201)
    with pytest.raises(Invalid) as wrong:
        run(library, library["card"], **own, RANGKIANG_CLIENT_SECRET="wrong")
    assert wrong.value.reason == "DESK_CLIENT_REFUSED"
    with pytest.raises(Invalid) as missing:
        run(library, library["card"], RANGKIANG_TOKEN="")
    assert missing.value.reason == "DESK_TOKEN_MISSING"


class _Flaky(BaseHTTPRequestHandler):
    keys: list[str] = []

    def do_POST(self) -> None:
        self.keys.append(self.headers["Idempotency-Key"])
        self.rfile.read(int(self.headers["Content-Length"]))
        if len(self.keys) == 1:
            self.close_connection = True  # the answer is lost
            return
        self.send_response(503 if len(self.keys) == 2 else 201)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        pass


def test_an_act_without_an_answer_is_sent_again_with_its_key() -> None:
    server = HTTPServer(("127.0.0.1", 0), _Flaky)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    waits: list[float] = []
    client = ApiClient(
        f"http://127.0.0.1:{server.server_port}", DeskSettings(rangkiang_token="x"), language="en", sleep=waits.append
    )
    try:
        assert client.act("/check-outs", {}).status == 201
    finally:
        server.shutdown()
        server.server_close()
    assert (len(set(_Flaky.keys)), len(_Flaky.keys), len(waits)) == (1, 3, 2)
    with pytest.raises(Unavailable) as away:
        client.act("/check-outs", {})
    assert away.value.reason == "DESK_NO_ANSWER"


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(Invalid) as wrong:
        ApiClient("perpustakaan", DeskSettings(rangkiang_token="x"), language="id")
    assert wrong.value.reason == "DESK_URL_INVALID"
