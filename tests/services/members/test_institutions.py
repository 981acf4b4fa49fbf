"""Institutions of members are copied from events and the catalogue's snapshot, in any order and number."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

from sqlalchemy import select
from typer.testing import CliRunner

from chassis.cli import commands
from chassis.context import READER
from chassis.database.db import Database
from rangkiang.catalog.v1.events_pb2 import InstitutionCopy, InstitutionsChanged
from rangkiang.common.v1.text_pb2 import LocalText
from services.members.handlers import copy_institutions
from services.members.tables import Institution
from tests.services.members.conftest import PKS, TEST

NEW = UUID("0192f3a4-0000-7000-8000-000000000003")


def event(institution_id: UUID, code: str, version: int, name: str) -> InstitutionsChanged:
    copy = InstitutionCopy(
        id=str(institution_id), version=version, code=code, name=LocalText(id=name, en=name), kind="public", zone="UTC"
    )
    return InstitutionsChanged(institutions=[copy])


def names(database: Database) -> dict[str, tuple[str, int]]:
    with database.reading(TEST) as session:
        return {row.code: (row.name_id, row.version) for row in session.scalars(select(Institution))}


def test_facts_are_kept_in_any_order_and_however_often_they_come(database: Database) -> None:
    second, third = event(PKS, "PKS", 2, "second"), event(PKS, "PKS", 3, "third")
    for change in (third, second, third, event(NEW, "NEW", 1, "new"), event(NEW, "NEW", 1, "new")):
        with database.transaction(TEST) as session:
            copy_institutions(session, change, READER)
    assert names(database)["PKS"] == ("third", 3)
    assert names(database)["NEW"] == ("new", 1)


def run(*command: str, data: Path) -> tuple[int, str]:
    result = CliRunner().invoke(commands.app, command, env={"DATA": str(data), "DATABASE_URL": "", "CATALOG_URL": ""})
    return result.exit_code, result.output.strip().splitlines()[-1] if result.output.strip() else ""


def test_resync_copies_the_institutions_of_the_catalogue(tmp_path: Path) -> None:
    data = tmp_path / "var"
    file = tmp_path / "institutions.toml"
    file.write_text(
        '[[institution]]\ncode = "PKS"\nkind = "public"\nzone = "Asia/Jakarta"\n'
        'name = { id = "Perpustakaan", en = "Library" }\n'
    )
    assert run("migrate", data=data)[0] == 0
    assert run("institutions", "load", str(file), data=data)[0] == 0
    code, line = run("resync", "members", "--json", data=data)
    assert (code, json.loads(line)) == (0, {"service": "members", "rows": {"institutions": 1, "loans": 0}})
    code, line = run("client", "create", "opac", "--institution", "PKS", "--role", "desk", "--json", data=data)
    assert code == 0
    assert set(json.loads(line)) == {"client_id", "client_secret", "curl"}
