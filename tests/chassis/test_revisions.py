"""Every process compares the revisions of its database with its release, before it reads or writes and every minute."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, create_engine, event, text

from chassis.context import READER
from chassis.database.db import Database
from chassis.errors import Unavailable
from chassis.ids import new_id
from chassis.migrations import revisions
from chassis.migrations.migrate import migrate
from chassis.service import Service, discover
from chassis.settings import Settings

REVISION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "{revision}", {previous}, None, None
{works_with}
def upgrade():
    op.create_table("table_{revision}", sa.Column("id", sa.Integer, primary_key=True))
"""
# Revisions before there was a rule about older code.
UNSTATED = {"chassis/0001", "chassis/0002", "catalog/0001", "catalog/0002"}


@pytest.fixture
def evolving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A service with revisions that the test writes and removes, as a newer and an older release have them."""
    package = tmp_path / f"evolving_{new_id().hex}"
    versions = package / "versions"
    versions.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(revision: str, previous: str | None, works_with: str = "") -> None:
        statement = f'works_with = "{works_with}"' if works_with else ""
        body = REVISION.format(revision=revision, previous=repr(previous), works_with=statement)
        (versions / f"{revision}_table.py").write_text(textwrap.dedent(body))

    def remove(*names: str) -> None:
        for name in names:
            (versions / f"{name}_table.py").unlink()

    return SimpleNamespace(service=Service("evolving", MetaData(), package.name), write=write, remove=remove)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/evolving.db"
    owner: str = request.getfixturevalue("postgres_owner_url")
    return owner


@pytest.fixture
def opened(evolving: SimpleNamespace, url: str) -> Iterator[Any]:
    """Open the database as a process of the present release does."""
    databases: list[Database] = []

    def open_database() -> Database:
        databases.append(evolving.service.open_database(Settings(database_url=url)))
        return databases[-1]

    yield open_database
    for database in databases:
        database.close()


def _refusal(database: Database) -> str:
    """Reason for which a database is neither read nor written; "" when it is."""
    reasons = set()
    for act in (
        lambda: database.rows("SELECT 1", ()),
        lambda: database.reading(READER).__enter__(),
        lambda: database.transaction(READER).__enter__(),
    ):
        try:
            act()
        except Unavailable as refusal:
            reasons.add(refusal.reason)
    assert len(reasons) < 2
    return reasons.pop() if reasons else ""


def test_a_revision_that_older_code_cannot_read_is_refused(evolving: SimpleNamespace, url: str, opened: Any) -> None:
    evolving.write("0001", None)
    evolving.write("0002", "0001", works_with="0002")
    migrate(evolving.service, owner_url=url)
    evolving.remove("0002")
    database = opened()
    assert _refusal(database) == "DATABASE_NEWER"
    with pytest.raises(Unavailable) as refusal:
        migrate(evolving.service, owner_url=url)
    assert refusal.value.facts == {"revision": "evolving/0002"}


def test_older_code_works_with_a_revision_that_says_so(evolving: SimpleNamespace, url: str, opened: Any) -> None:
    evolving.write("0001", None)
    evolving.write("0002", "0001", works_with="0001")
    migrate(evolving.service, owner_url=url)
    evolving.remove("0002")
    database = opened()
    assert database.rows("SELECT 1", ()) == [(1,)]
    assert migrate(evolving.service, owner_url=url) == []


@pytest.mark.parametrize("last", ["0001", "0002", ""])
def test_a_later_revision_does_not_take_an_incompatible_one_back(
    evolving: SimpleNamespace, url: str, opened: Any, last: str
) -> None:
    evolving.write("0001", None)
    evolving.write("0002", "0001", works_with="0002")
    evolving.write("0003", "0002", works_with=last)
    migrate(evolving.service, owner_url=url)
    evolving.remove("0003")
    assert (_refusal(opened()) == "") == (last in ("0001", "0002"))
    evolving.remove("0002")
    assert _refusal(opened()) == "DATABASE_NEWER"


def test_a_running_process_notices_a_newer_database_within_a_minute(
    evolving: SimpleNamespace, url: str, opened: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert revisions.CHECK_SECONDS <= 60
    monkeypatch.setattr(revisions, "CHECK_SECONDS", 0.0)
    evolving.write("0001", None)
    migrate(evolving.service, owner_url=url)
    database = opened()
    ends: list[str] = []
    revisions.watch(database, lambda: ends.append("end"))
    assert database.rows("SELECT 1", ()) == [(1,)]
    _execute(url, "UPDATE alembic_version SET version_num = '0002'")
    assert _refusal(database) == "DATABASE_NEWER"
    assert ends == ["end"]
    with pytest.raises(Unavailable):
        database.guard.raise_refusal()  # type: ignore[union-attr]


def test_a_database_without_all_revisions_is_neither_read_nor_written(
    evolving: SimpleNamespace, url: str, opened: Any
) -> None:
    evolving.write("0001", None)
    database = opened()
    assert _refusal(database) == ("DATABASE_MISSING" if database.is_sqlite else "DATABASE_NOT_MIGRATED")
    migrate(evolving.service, owner_url=url)
    assert database.rows("SELECT 1", ()) == [(1,)]
    evolving.write("0002", "0001")
    database = opened()
    assert _refusal(database) == "DATABASE_NOT_MIGRATED"


def test_a_search_pays_no_statement_for_the_comparison(evolving: SimpleNamespace, url: str, opened: Any) -> None:
    evolving.write("0001", None)
    migrate(evolving.service, owner_url=url)
    database = opened()
    database.rows("SELECT 1", ())
    statements: list[str] = []
    event.listen(database.reader, "before_cursor_execute", lambda *call: statements.append(call[2]))
    for _ in range(20):
        database.rows("SELECT 1", ())
    with database.reading(READER) as session:
        session.execute(text("SELECT 2"))
    # `rows` uses the driver itself; a session of PostgreSQL begins with the statement of its context.
    assert [statement for statement in statements if "set_config" not in statement] == ["SELECT 2"]


@pytest.mark.parametrize("service", discover(), ids=lambda service: service.name)
def test_revisions_are_named_by_their_files_and_say_which_code_works_with_them(service: Service) -> None:
    for history in revisions.histories(service):
        all_revisions = history.revisions()
        script = ScriptDirectory(str(history.folder), version_locations=[str(history.folder / "versions")])
        steps = list(reversed(list(script.walk_revisions())))
        assert [step.revision for step in steps] == all_revisions
        for step in steps:
            if history.label(step.revision) not in UNSTATED:
                assert step.module.works_with in all_revisions[: all_revisions.index(step.revision) + 1], step.path


def _execute(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
