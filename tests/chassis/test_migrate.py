"""Migrations run forward in one transaction, once for any number of processes, with limited grants for the app role."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import MetaData, create_engine, insert, inspect, text
from sqlalchemy.exc import DBAPIError

from chassis.context import Context, system
from chassis.database.db import Database, chassis_tables
from chassis.errors import Conflict, Unavailable
from chassis.ids import new_id
from chassis.migrations.migrate import migrate, pending
from chassis.service import Service
from services.catalog.service import SERVICE
from services.catalog.tables import Institution, Source
from tests import servers as development
from tests.conftest import CHECKOUT
from tests.programs import start_script

REVISION = """
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "{revision}", {previous}, None, None
def upgrade():
    op.create_table("{table}", sa.Column("id", sa.Integer, primary_key=True))
    {statement}
"""


def _revisions(folder: str, history: str) -> list[str]:
    return sorted(f"{history}/{path.name[:4]}" for path in (CHECKOUT / folder / "versions").glob("[0-9]*.py"))


PLATFORM = _revisions("chassis/migrations", "chassis")
REVISIONS = [*PLATFORM, *_revisions("services/catalog/migrations", "catalog")]


def test_alembic_is_imported_only_when_a_revision_is_missing(tmp_path: Path) -> None:
    script = (
        "import sys; from chassis.migrations.migrate import migrate; from services.catalog.service import SERVICE;"
        "migrate(SERVICE, owner_url=sys.argv[1]); sys.exit('alembic' in sys.modules)"
    )
    start = [sys.executable, "-c", script, f"sqlite:///{tmp_path / 'catalog.db'}"]
    assert [subprocess.run(start, timeout=120).returncode for _ in range(2)] == [1, 0]


@pytest.fixture
def evolving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A service with revisions that the test writes."""
    package = tmp_path / f"evolving_{new_id().hex}"
    (package / "versions").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(revision: str, previous: str | None, table: str, statement: str = "pass") -> None:
        body = REVISION.format(revision=revision, previous=repr(previous), table=table, statement=statement)
        (package / "versions" / f"{revision}.py").write_text(textwrap.dedent(body))

    return SimpleNamespace(service=Service("evolving", MetaData(), package.name), write=write)


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


def test_an_applied_revision_is_visible_to_another_connection(evolving: SimpleNamespace, url: str) -> None:
    evolving.write("a1", None, "one")
    evolving.write("a2", "a1", "two")
    assert migrate(evolving.service, owner_url=url) == [*PLATFORM, "evolving/a1", "evolving/a2"]
    assert {"one", "two"} <= _tables(url)
    assert migrate(evolving.service, owner_url=url) == []


def test_a_revision_that_raises_an_error_changes_nothing(evolving: SimpleNamespace, url: str) -> None:
    evolving.write("a1", None, "one")
    migrate(evolving.service, owner_url=url)
    evolving.write("a2", "a1", "two", statement='op.execute("INSERT INTO nowhere VALUES (1)")')
    with pytest.raises(DBAPIError):
        migrate(evolving.service, owner_url=url)
    assert "two" not in _tables(url)
    database = Database(url)
    assert pending(evolving.service, database) == ["evolving/a2"]
    database.close()


def test_a_migration_waits_while_a_table_is_in_use(
    evolving: SimpleNamespace, postgres_owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    evolving.write("a1", None, "one")
    migrate(evolving.service, owner_url=postgres_owner_url)
    evolving.write("a2", "a1", "two", statement='op.execute("ALTER TABLE one ADD COLUMN colour text")')
    engine = create_engine(postgres_owner_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("SELECT * FROM one")
        monkeypatch.setattr("chassis.migrations.migrate.BLOCKED_SECONDS", 0.5)
        with pytest.raises(Unavailable) as blocked:
            migrate(evolving.service, owner_url=postgres_owner_url)
        assert blocked.value.reason == "MIGRATION_BLOCKED"
        assert "two" not in _tables(postgres_owner_url)
    monkeypatch.undo()
    with engine.connect() as connection:
        reading = connection.begin()
        connection.exec_driver_sql("SELECT * FROM one")
        timer = threading.Timer(1, reading.rollback)
        timer.start()
        assert migrate(evolving.service, owner_url=postgres_owner_url) == ["evolving/a2"]
        timer.join()
    engine.dispose()


def test_several_processes_migrate_once(url: str) -> None:
    script = (
        "import sys; from chassis.migrations.migrate import migrate; from services.catalog.service import SERVICE\n"
        "print(len(migrate(SERVICE, owner_url=sys.argv[1])))"
    )
    children = [start_script(script, url) for _ in range(3)]
    counts = sorted(int(process.communicate(timeout=60)[0] or -1) for process in children)
    assert counts == [0, 0, len(REVISIONS)]


def test_a_missing_database_is_created(servers: dict[str, str]) -> None:
    name = f"test_{new_id().hex[:12]}"
    try:
        url = development.database_url(name, owner=True)
        assert migrate(SERVICE, owner_url=url) == REVISIONS
        assert "records" in _tables(url)
    finally:
        development.drop_database(name)


def test_the_tables_have_the_columns_of_the_code(url: str) -> None:
    migrate(SERVICE, owner_url=url)
    engine = create_engine(url)
    inspector = inspect(engine)
    for table in (*SERVICE.tables.tables.values(), *chassis_tables.tables.values()):
        assert {column["name"] for column in inspector.get_columns(table.name)} == {
            column.name for column in table.columns
        }
    engine.dispose()


def test_revisions_of_a_service_are_separate_from_those_of_the_platform(evolving: SimpleNamespace, url: str) -> None:
    evolving.write("a1", None, "one")
    migrate(evolving.service, owner_url=url)
    assert set(chassis_tables.tables) < _tables(url)
    assert _rows(url, "SELECT version_num FROM chassis_revision") == [PLATFORM[-1].split("/")[1]]
    assert _rows(url, "SELECT version_num FROM alembic_version") == ["a1"]


def _prepare_release_0_1_0(evolving: SimpleNamespace, url: str) -> None:
    """A single history, whose first revision created the platform's tables, which have rows."""
    evolving.write("a1", None, "one")
    migrate(evolving.service, owner_url=url)
    _execute(
        url,
        "DROP TABLE chassis_revision",
        "DROP TABLE audit_acts",
        "DROP TABLE audit_seals",
        "DROP TABLE blobs",
        "DROP TABLE effects",
        "DROP TABLE job_runs",
        "DROP TABLE schema_support",
        "INSERT INTO inbox (consumer, event_id, at)"
        " VALUES ('cook', '00000000000000000000000000000001', '2026-01-01 00:00:00')",
    )


def test_platform_tables_of_an_earlier_release_are_adopted_with_their_rows(evolving: SimpleNamespace, url: str) -> None:
    _prepare_release_0_1_0(evolving, url)
    database = Database(url)
    assert pending(evolving.service, database) == PLATFORM
    assert migrate(evolving.service, owner_url=url) == PLATFORM
    assert pending(evolving.service, database) == []
    database.close()
    assert _rows(url, "SELECT consumer FROM inbox") == ["cook"]


def test_a_platform_table_of_another_form_is_refused_without_changes(evolving: SimpleNamespace, url: str) -> None:
    _prepare_release_0_1_0(evolving, url)
    _execute(url, "ALTER TABLE inbox DROP COLUMN at", "DROP TABLE leases")
    with pytest.raises(Conflict) as refusal:
        migrate(evolving.service, owner_url=url)
    assert refusal.value.reason == "TABLES_DIFFER"
    assert "inbox" in refusal.value.facts["difference"]
    assert not {"leases", "chassis_revision"} & _tables(url)


def test_an_institution_writes_only_its_own_rows_and_reads_all(postgres_url: str, postgres_owner_url: str) -> None:
    migrate(SERVICE, owner_url=postgres_owner_url, app_url=postgres_url)
    database = Database(postgres_url)
    own_id, other_id = new_id(), new_id()
    with database.transaction(system("test")) as session:
        for number, institution_id in enumerate((own_id, other_id)):
            session.execute(
                insert(Institution).values(
                    id=institution_id, code=f"I{number}", name_id="", name_en="", kind="", npp="", isil="", zone="UTC"
                )
            )
    context = Context(institution=str(own_id))
    with database.transaction(context) as session:
        session.execute(insert(Source).values(id=new_id(), institution_id=own_id, code="S"))
    with pytest.raises(DBAPIError), database.transaction(context) as session:
        session.execute(insert(Source).values(id=new_id(), institution_id=other_id, code="T"))
    with pytest.raises(DBAPIError), database.transaction(Context()) as session:
        session.execute(insert(Source).values(id=new_id(), institution_id=own_id, code="U"))
    with database.reading(context) as session:
        assert session.scalar(text("SELECT count(*) FROM institutions")) == 2
    with database.transaction(context) as session:
        session.execute(text("UPDATE institutions SET kind = 'seen'"))
    with database.reading(context) as session:
        assert session.scalar(text("SELECT count(*) FROM institutions WHERE kind = 'seen'")) == 1
    database.close()
