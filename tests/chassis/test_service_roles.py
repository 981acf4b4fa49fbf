"""With a role for each service on PostgreSQL, a role connects only to the database of its service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from chassis.context import system
from chassis.migrations.migrate import migrate
from chassis.operations.backup import make_backup
from chassis.operations.restore import restore_backup
from chassis.service import Erasure
from chassis.settings import Settings, load
from tests import servers as development
from tests.conftest import fresh_name
from tests.example_services.orders.service import SERVICE as ORDERS
from tests.example_services.stock.service import SERVICE as STOCK
from tests.servers import postgres, state

pytestmark = pytest.mark.servers
PASSWORD = "sandi"


@dataclass
class Installation:
    """Two services, whose databases and roles begin with a name; `owner` owns the databases and is no superuser."""

    name: str
    shared: Settings  # of a release before: one role for all services
    separate: Settings

    def migrate(self, settings: Settings) -> None:
        for service in (STOCK, ORDERS):
            url = settings.database(service.name)
            migrate(service, owner_url=settings.database_owner(service.name), app_url=url)


@pytest.fixture
def installation(servers: dict[str, str]) -> Iterator[Installation]:
    name = fresh_name()
    roles = {"owner": "LOGIN CREATEDB", "shared": "LOGIN", "reports": "LOGIN", "stock": "LOGIN", "orders": "LOGIN"}
    for role, rights in roles.items():
        sql(f"CREATE ROLE {name}_{role} {rights} NOSUPERUSER NOCREATEROLE NOBYPASSRLS PASSWORD '{PASSWORD}'")

    def settings(role: str) -> Settings:
        server = make_url(servers["DATABASE_URL"])
        address = f"{server.host}:{server.port}/{name}_{{service}}"
        return load({
            "DATABASE_URL": f"postgresql+psycopg://{name}_{role}:{PASSWORD}@{address}",
            "DATABASE_OWNER_URL": f"postgresql+psycopg://{name}_owner:{PASSWORD}@{address}",
        })  # fmt: skip

    yield Installation(name, settings("shared"), settings("{service}"))
    for service in (STOCK, ORDERS):
        development.drop_database(f"{name}_{service.name}")
        development.drop_database(f"{name}_{service.name}_replaced")
    for role in roles:
        sql(f"DROP ROLE {name}_{role}")


def sql(statement: str) -> None:
    postgres.sql(state.read("postgres"), statement)


def connects(url: str) -> bool:
    engine = create_engine(url)
    try:
        with engine.connect():
            return True
    except OperationalError as problem:
        if "permission denied for database" in str(problem):
            return False
        raise
    finally:
        engine.dispose()


def of_role(url: str, role: str) -> str:
    return make_url(url).set(username=role).render_as_string(hide_password=False)


def test_a_role_uses_the_database_of_its_service_and_connects_to_no_other(installation: Installation) -> None:
    installation.migrate(installation.separate)
    for service, other in ((STOCK, "orders"), (ORDERS, "stock")):
        url = installation.separate.database(service.name)
        database = service.open_database(installation.separate)
        with closing(database), database.transaction(system("test")) as session:
            session.execute(text("DELETE FROM inbox"))
        assert not connects(of_role(url, f"{installation.name}_{other}"))


def test_the_shared_role_serves_until_it_is_dropped_and_roles_for_reports_stay(installation: Installation) -> None:
    installation.migrate(installation.shared)
    url = installation.shared.database("stock")
    reports = of_role(url, f"{installation.name}_reports")
    assert connects(url)
    assert not connects(reports)
    with create_engine(installation.shared.database_owner("stock")).begin() as owner:
        owner.execute(text(f"GRANT SELECT ON inbox TO {installation.name}_reports"))
    installation.migrate(installation.separate)
    assert all(connects(address) for address in (url, reports, installation.separate.database("stock")))


def test_backup_and_restore_need_the_names_of_the_roles_and_not_their_passwords(
    installation: Installation, tmp_path: Path
) -> None:
    installation.migrate(installation.separate)
    names = {
        "DATABASE_URL": installation.separate.database_url.replace(f":{PASSWORD}@", "@"),
        "DATABASE_OWNER_URL": installation.separate.database_owner_url,
    }
    knowing = replace(ORDERS, erasures=f"{__name__}:erasures_in_use")
    make_backup(load(names), [STOCK, knowing], tmp_path / "copy", quiet=True)
    restore_backup(load(names), [STOCK, knowing], tmp_path / "copy", replace=True, quiet=True)
    assert erasures_read == [f"{installation.name}_orders"]
    url = installation.separate.database("stock")
    assert connects(url)
    assert not connects(of_role(url, f"{installation.name}_orders"))


erasures_read: list[str] = []


def erasures_in_use(session: Session) -> list[Erasure]:
    erasures_read.append(str(session.scalar(text("SELECT current_database()"))))
    return []
