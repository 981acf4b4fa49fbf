"""`rangkiang audit` verifies the chain, lists acts and exports them; doctor reports a chain that is broken or late."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from typer.testing import CliRunner, Result

from chassis import clock
from chassis.audit import record
from chassis.audit.commands import app
from chassis.audit.hash_chain import Sealer
from chassis.database.db import Database
from chassis.errors import Invalid
from chassis.operations.health import examine
from chassis.operations.testing import migrated_database
from chassis.settings import load
from tests.example_services.audited_writer import CALLER
from tests.example_services.stock.service import SERVICE

STOCK = "tests.example_services.stock.service:SERVICE"
NOVEMBER = clock.now().replace(year=2026, month=11, day=20, hour=9)


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Three sealed acts: of 20 and 21 November by amak, of 22 November by uda."""
    monkeypatch.setenv("DATA", str(tmp_path))
    for name in ("DATABASE_URL", "BUS_URL"):
        monkeypatch.delenv(name, raising=False)
    with migrated_database(SERVICE, f"sqlite:///{tmp_path}/stock.db") as database:
        acts = [
            ("amak", "members.register", "member", "m1", {"category": "=1+1"}),
            ("amak", "members.card", "card", "c1", {}),
            ("uda", "fees.waive", "fee", "f1", {"amount": 2000}),
        ]
        for day, (actor, act, kind, object_id, facts) in enumerate(acts):
            caller = replace(CALLER, actor=actor)
            with clock.frozen(NOVEMBER + timedelta(days=day)), database.transaction(caller) as session:
                record(session, caller, act, kind=kind, object_id=object_id, facts=facts, sealed=b"secret")
        Sealer(database).step()
        yield database


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def tamper(database: Database) -> None:
    with closing(sqlite3.connect(str(database.url.database))) as connection:
        connection.execute("DROP TRIGGER audit_acts_append_only_update")
        connection.execute("UPDATE audit_acts SET actor = 'other' WHERE number = 2")
        connection.commit()


def listed(*arguments: str) -> list[str]:
    return [act["object"] for act in json.loads(run("list", STOCK, "--json", *arguments).stdout)["acts"]]


def test_verify_ends_with_0_and_prints_the_head(database: Database) -> None:
    result = run("verify", STOCK, "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["well"]) == (0, True)
    stock = report["services"]["stock"]
    assert (stock["acts"], stock["seals"], stock["wrong"]) == (3, 1, [])
    assert stock["head"] in run("verify", STOCK).stdout
    assert run("verify", STOCK, "--head", stock["head"]).exit_code == 0
    assert run("verify", STOCK, "--head", "1:00").exit_code == 1


def test_verify_ends_with_1_and_says_what_is_wrong(database: Database) -> None:
    tamper(database)
    result = run("verify", STOCK, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    (wrong,) = report["services"]["stock"]["wrong"]
    assert (report["well"], wrong["reason"]) == (False, "AUDIT_ROWS_CHANGED")
    assert "1–3" in wrong["sentence"]["id"]
    assert "AUDIT_ROWS_CHANGED" in run("verify", STOCK).stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("verify", STOCK, "--head", "x:00"), "AUDIT_HEAD_UNREADABLE"),
        (("verify", "--head", "1:00"), "AUDIT_HEAD_WITHOUT_SERVICE"),
        (("list", STOCK, "--from", "yesterday"), "TIME_UNREADABLE"),
    ],
)
def test_an_unreadable_option_is_refused(database: Database, arguments: tuple[str, ...], reason: str) -> None:
    with pytest.raises(Invalid) as refusal:
        run(*arguments)
    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("arguments", "objects"),
    [
        ((), ["f1", "c1", "m1"]),
        (("--limit", "2"), ["f1", "c1"]),
        (("--actor", "uda"), ["f1"]),
        (("--act", "members.card"), ["c1"]),
        (("--act", "members."), ["c1", "m1"]),
        (("--act", "members"), []),
        (("--object", "m1"), ["m1"]),
        (("--object", "card:c1"), ["c1"]),
        (("--object", "fee:c1"), []),
        (("--from", "2026-11-21"), ["f1", "c1"]),
        (("--to", "2026-11-21"), ["c1", "m1"]),
        (("--from", "2026-11-21", "--to", "2026-11-21"), ["c1"]),
        (("--from", "2026-11-21T00:00+07:00", "--to", "2026-11-21T17:00+07:00"), ["c1"]),
        (("--from", "2026-11-21T23:00", "--actor", "amak"), []),
    ],
)
def test_list_filters_acts(database: Database, arguments: tuple[str, ...], objects: list[str]) -> None:
    assert listed(*arguments) == objects


def test_list_is_readable_on_a_terminal(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    output = run("list", STOCK).stdout
    assert "card:c1" in output
    assert "fees.waive" in output


def test_acts_are_exported_as_csv_and_json_lines_without_sealed_values(database: Database) -> None:
    table = run("list", STOCK, "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["object"] for row in rows] == ["m1", "c1", "f1"]
    assert json.loads(rows[0]["facts"]) == {"category": "=1+1"}
    lines: list[Any] = [json.loads(line) for line in run("list", STOCK, "--format", "jsonl").stdout.splitlines()]
    assert [line["object"] for line in lines] == ["m1", "c1", "f1"]
    assert lines[2]["facts"] == {"amount": 2000}
    assert (lines[0]["sealed"], rows[0]["sealed"]) == (True, "True")
    assert "secret" not in table


def test_a_formula_in_an_export_is_text(database: Database) -> None:
    caller = replace(CALLER, actor="=HYPERLINK(1)")
    with database.transaction(caller) as session:
        record(session, caller, "a.b", kind="k", object_id="x")
    (row,) = csv.DictReader(io.StringIO(run("list", STOCK, "--object", "x", "--format", "csv").stdout))
    assert row["actor"] == "'=HYPERLINK(1)"


def finding(tmp_path: Path) -> Any:
    (found,) = [entry for entry in examine(load({"DATA": str(tmp_path)}), [SERVICE]) if entry.part == "stock audit"]
    return found


def test_doctor_finds_a_broken_chain(database: Database, tmp_path: Path) -> None:
    assert finding(tmp_path).ok
    tamper(database)
    assert not finding(tmp_path).ok
    assert "rangkiang audit verify stock" in finding(tmp_path).advice.en


def test_doctor_finds_late_sealing(database: Database, tmp_path: Path) -> None:
    with clock.frozen(clock.now() - timedelta(minutes=3)), database.transaction(CALLER) as session:
        record(session, CALLER, "a.b", kind="k", object_id="x")
    assert "1 audit rows" in finding(tmp_path).message.en
    assert "No process holds the role audit" in finding(tmp_path).advice.en


def ssh_key(folder: Path) -> Path:
    key = folder / "id_ed25519"
    private = Ed25519PrivateKey.generate()
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    key.with_suffix(".pub").write_bytes(private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH))
    return key


def test_a_broken_seal_is_acknowledged_with_a_reason_and_a_signature(database: Database, tmp_path: Path) -> None:
    tamper(database)
    assert run("verify", STOCK).exit_code == 1
    key = ssh_key(tmp_path)
    assert run("acknowledge", STOCK, "1", "--reason", "actor of act 2 mended by hand", "--key", str(key)).exit_code == 0
    Sealer(database).step()
    report = json.loads(run("verify", STOCK, "--json").stdout)
    (acknowledgement,) = report["services"]["stock"]["acknowledged"]
    assert (report["well"], acknowledgement["reason"], acknowledgement["because"]) == (
        True, "AUDIT_ROWS_CHANGED", "actor of act 2 mended by hand",
    )  # fmt: skip
    assert acknowledgement["signed_by"].split()[1] == key.with_suffix(".pub").read_text().split()[1]
    assert "mended by hand" in run("verify", STOCK).stdout
    with pytest.raises(Invalid, match="AUDIT_SEAL_UNBROKEN"):
        run("acknowledge", STOCK, "1", "--reason", "again", "--key", str(key))


@pytest.mark.parametrize(
    "change",
    ["actor = 'third' WHERE number = 2", "facts = replace(facts, 'by hand', 'by me')"],
    ids=["of the row", "of the reason"],
)
def test_a_change_after_an_acknowledgement_is_reported(database: Database, tmp_path: Path, change: str) -> None:
    tamper(database)
    run("acknowledge", STOCK, "1", "--reason", "mended by hand", "--key", str(ssh_key(tmp_path)))
    with closing(sqlite3.connect(str(database.url.database))) as connection:
        connection.execute(f"UPDATE audit_acts SET {change}")
        connection.commit()
    assert run("verify", STOCK).exit_code == 1


def test_a_key_that_cannot_sign_is_refused_by_name(database: Database, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    with pytest.raises(Invalid, match="AUDIT_KEY_UNUSABLE"):
        run("acknowledge", STOCK, "1", "--reason", "r", "--key", str(tmp_path / "key"))
