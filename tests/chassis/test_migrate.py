"""Migrations: forward, all or nothing, once however many start them, with limited grants for the app role."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import MetaData, create_engine, insert, inspect, text
from sqlalchemy.exc import DBAPIError

from chassis.context import Context, system
from chassis.db import Database, chassis_tables
from chassis.errors import Conflict
from chassis.ids import new_id
from chassis.migrate import migrate, pending
from chassis.service import Service
from services.catalog.service import SERVICE
from services.catalog.tables import Institution, Source
from tests import servers as development
from tests.conftest import CHECKOUT

REVISION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "{revision}", {before}, None, None
def upgrade():
    op.create_table("{table}", sa.Column("id", sa.Integer, primary_key=True))
    {then}
"""


def _revisions(folder: str, history: str) -> list[str]:
    return sorted(f"{history}/{path.name[:4]}" for path in (CHECKOUT / folder / "versions").glob("[0-9]*.py"))


PLATFORM = _revisions("chassis/migrations", "chassis")
REVISIONS = [*PLATFORM, *_revisions("services/catalog/migrations", "catalog")]


@pytest.fixture
def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A service whose revisions the test writes as it goes."""
    package = tmp_path / f"growing_{new_id().hex}"
    (package / "versions").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(revision: str, before: str | None, table: str, then: str = "pass") -> None:
        body = REVISION.format(revision=revision, before=repr(before), table=table, then=then)
        (package / "versions" / f"{revision}.py").write_text(textwrap.dedent(body))

    return SimpleNamespace(service=Service("growing", MetaData(), package.name), write=write)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/grown.db"
    owner: str = request.getfixturevalue("postgres_owner_url")
    return owner


def _tables(url: str) -> set[str]:
    engine = create_engine(url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def _execute(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def _rows(url: str, statement: str) -> list[object]:
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = list(connection.scalars(text(statement)))
    engine.dispose()
    return rows


def test_a_good_revision_is_seen_by_a_second_connection(growing: SimpleNamespace, url: str) -> None:
    growing.write("a1", None, "one")
    growing.write("a2", "a1", "two")
    assert migrate(growing.service, owner_url=url) == [*PLATFORM, "growing/a1", "growing/a2"]
    assert {"one", "two"} <= _tables(url)
    assert migrate(growing.service, owner_url=url) == []


def test_a_revision_that_raises_half_way_leaves_nothing(growing: SimpleNamespace, url: str) -> None:
    growing.write("a1", None, "one")
    migrate(growing.service, owner_url=url)
    growing.write("a2", "a1", "two", then='op.execute("INSERT INTO nowhere VALUES (1)")')
    with pytest.raises(DBAPIError):
        migrate(growing.service, owner_url=url)
    assert "two" not in _tables(url)
    database = Database(url)
    assert pending(growing.service, database) == ["growing/a2"]
    database.close()


def test_migrating_from_several_processes_at_once_is_migrating_once(url: str) -> None:
    script = (
        "import sys; from chassis.migrate import migrate; from services.catalog.service import SERVICE\n"
        "print(len(migrate(SERVICE, owner_url=sys.argv[1])))"
    )
    runs = [subprocess.Popen([sys.executable, "-c", script, url], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    done = sorted(int(run.communicate(timeout=60)[0]) for run in runs)
    assert done == [0, 0, len(REVISIONS)]


def test_a_missing_database_is_made(servers: dict[str, str]) -> None:
    name = f"test_{new_id().hex[:12]}"
    try:
        url = development.database_url(name, owner=True)
        assert migrate(SERVICE, owner_url=url) == REVISIONS
        assert "records" in _tables(url)
    finally:
        development.drop_database(name)


def test_the_tables_are_what_the_code_says(url: str) -> None:
    migrate(SERVICE, owner_url=url)
    engine = create_engine(url)
    inspector = inspect(engine)
    for table in (*SERVICE.tables.tables.values(), *chassis_tables.tables.values()):
        assert {column["name"] for column in inspector.get_columns(table.name)} == {
            column.name for column in table.columns
        }
    engine.dispose()


def test_a_services_revisions_know_nothing_of_the_platforms_tables(growing: SimpleNamespace, url: str) -> None:
    growing.write("a1", None, "one")
    migrate(growing.service, owner_url=url)
    assert set(chassis_tables.tables) < _tables(url)
    assert _rows(url, "SELECT version_num FROM chassis_revision") == [PLATFORM[-1].split("/")[1]]
    assert _rows(url, "SELECT version_num FROM alembic_version") == ["a1"]


def _as_release_0_1_0_left_it(growing: SimpleNamespace, url: str) -> None:
    """One history, in which the service's first revision made the platform's tables; a fact waits in the outbox."""
    growing.write("a1", None, "one")
    migrate(growing.service, owner_url=url)
    _execute(
        url,
        "DROP TABLE chassis_revision",
        "DROP TABLE job_runs",
        "INSERT INTO inbox (consumer, event_id, at)"
        " VALUES ('cook', '00000000000000000000000000000001', '2026-01-01 00:00:00')",
    )


def test_platform_tables_that_an_earlier_release_made_are_adopted_with_their_rows(
    growing: SimpleNamespace, url: str
) -> None:
    _as_release_0_1_0_left_it(growing, url)
    database = Database(url)
    assert pending(growing.service, database) == PLATFORM
    assert migrate(growing.service, owner_url=url) == PLATFORM
    assert pending(growing.service, database) == []
    database.close()
    assert _rows(url, "SELECT consumer FROM inbox") == ["cook"]


def test_a_platform_table_of_another_form_is_refused_and_nothing_is_changed(growing: SimpleNamespace, url: str) -> None:
    _as_release_0_1_0_left_it(growing, url)
    _execute(url, "ALTER TABLE inbox DROP COLUMN at", "DROP TABLE leases")
    with pytest.raises(Conflict) as refusal:
        migrate(growing.service, owner_url=url)
    assert refusal.value.reason == "TABLES_DIFFER"
    assert "inbox" in refusal.value.facts["difference"]
    assert not {"leases", "chassis_revision"} & _tables(url)


def test_an_institution_writes_its_own_rows_only_and_reads_all(postgres_url: str, postgres_owner_url: str) -> None:
    migrate(SERVICE, owner_url=postgres_owner_url, app_url=postgres_url)
    database = Database(postgres_url)
    mine, yours = new_id(), new_id()
    with database.transaction(system("test")) as session:
        for number, each in enumerate((mine, yours)):
            session.execute(
                insert(Institution).values(
                    id=each, code=f"I{number}", name_id="", name_en="", kind="", npp="", isil="", zone="UTC"
                )
            )
    as_me = Context(institution=str(mine))
    with database.transaction(as_me) as session:
        session.execute(insert(Source).values(id=new_id(), institution_id=mine, code="S"))
    with pytest.raises(DBAPIError), database.transaction(as_me) as session:
        session.execute(insert(Source).values(id=new_id(), institution_id=yours, code="T"))
    with pytest.raises(DBAPIError), database.transaction(Context()) as session:
        session.execute(insert(Source).values(id=new_id(), institution_id=mine, code="U"))
    with database.reading(as_me) as session:
        assert session.scalar(text("SELECT count(*) FROM institutions")) == 2
    with database.transaction(as_me) as session:
        session.execute(text("UPDATE institutions SET kind = 'seen'"))
    with database.reading(as_me) as session:
        assert session.scalar(text("SELECT count(*) FROM institutions WHERE kind = 'seen'")) == 1
    database.close()
