"""The manifest of a service, about twenty lines in services/<name>/service.py, and its parts: consumers and jobs."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import time
from importlib import import_module
from typing import TYPE_CHECKING

from chassis.errors import Invalid
from chassis.output import print_text
from chassis.urls import check_url, resolve

if TYPE_CHECKING:
    from uuid import UUID

    from google.protobuf.message import Message
    from sqlalchemy import MetaData
    from sqlalchemy.orm import Session

    from chassis.context import Context
    from chassis.database.db import Database
    from chassis.settings import OwnSettings, Settings

GATEWAY_SETTINGS = "gateway.settings:GatewaySettings"

# A handler gets a session (one transaction with the inbox row), the event's message, and the context of its actor.
Handler = Callable[["Session", "Message", "Context"], None]


@dataclass(frozen=True, slots=True)
class Consumer:
    """One handler of one type of event.

    name        unique within the service; queue and inbox rows have this name, so after a new name they are not used
    event       generated message class of the event
    handler     "package.module:function", called as handler(session, message, context)
    takes_many  the handler is called as handler(session, [(message, context), …]) instead, with one or more events in
                their order, of all types that it handles
    """

    name: str
    event: type[Message]
    handler: str
    takes_many: bool = False


@dataclass(frozen=True, slots=True)
class Projection:
    """Copies of rows of another service, which are kept current by its events.

    name      unique within the service; of rows that are stored, also the field of the owner's snapshot
    owner     name of the service that owns the rows
    is_empty  "package.module:function", called as is_empty(session)
    store     "package.module:function", called as store(session, rows) with parts of the owner's snapshot: stores rows
              unless a newer version is stored
    erase     "package.module:function", called as erase(session, id) with each id that the snapshot says was erased
    fill      "package.module:function", called as fill(resources, channel) instead of `store`, by a projection that
              must see the whole snapshot; returns the number of rows read
    nightly   it is also filled each night, which corrects rows whose events were lost; for short snapshots
    """

    name: str
    owner: str
    is_empty: str
    store: str = ""
    erase: str = ""
    fill: str = ""
    nightly: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """Background work of a service; it runs in one process at a time, under a lease.

    name           unique within the service; the last run is stored under it, so after a new name it is unknown
    run            "package.module:function", called as run(resources, stop): at each time of a schedule, or without
                   one once, as a loop until `stop`
    lease          the role whose holder runs the job; the database of its resources commits only with the lease
    every_seconds  schedule: seconds after the last start
    at, zone       schedule: each day at "HH:MM" of the clock in a time zone, such as "03:00" in "Asia/Jakarta"
    at_start       in addition, it is due when it has not run since this process started
    """

    name: str
    run: str
    lease: str
    every_seconds: float | None = None
    at: str = ""
    zone: str = ""
    at_start: bool = False

    def __post_init__(self) -> None:
        if self.at:
            time.fromisoformat(self.at)
        if bool(self.at) != bool(self.zone) or (self.at and self.every_seconds is not None):
            raise ValueError(f"job {self.name}: either every_seconds, or at and zone")

    @property
    def scheduled(self) -> bool:
        return bool(self.at) or self.every_seconds is not None


@dataclass(frozen=True, slots=True)
class Erasure:
    """An object that another service has erased, as stored in this service's copies."""

    id: UUID
    institution_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Resources:
    """Settings and database of a running service, for its servicer, jobs, checks and bus adapters.

    for_command  the jobs run for a command, so no server runs, which would hold their leases
    erasures     for after_restore: the erasures in the other services' databases in use
    """

    settings: Settings
    database: Database
    service: Service
    for_command: bool = False
    erasures: tuple[Erasure, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A service's manifest.

    tables            metadata of its tables, without the chassis' tables, which have their own revisions
    migrations        package with Alembic revisions in `versions/`, without env.py; "" only for services of tests
    settings          "package.module:Model" of its own settings, a chassis.settings.OwnSettings
    protected_tables  tables whose rows only their institution reads and writes; revisions protect them
    append_only       tables whose rows the running service may add and read, but not change or delete
    rpc               "package.module:servicer", called as servicer(resources); a name, because only
                      `serve` and `up` load gRPC
    adder             "package.module:add_…Servicer_to_server", generated
    preload           "package.module:function", called once by `up` before it forks: loads what its workers share
    commands          "package.module:app", a typer app; its commands' names and help are in the service's commands.toml
    projections       copies of other services' rows: filled at the first start, and by `rangkiang resync`
    jobs              its own jobs, besides the relay
    sample            "package.module:function", called as load(resources) by `rangkiang sample load`: adds rows to the
                      sample library, and returns kind -> number of rows; a second call changes nothing
    sample_after      name of the service whose sample rows are needed first; "" if those of the catalogue are enough
    checks            "package.module:function"; doctor calls function(resources) -> list[health.Finding]
    after_restore     "package.module:function"; `restore` calls function(resources) with a restored and migrated
                      database, before it replaces the old one, which `resources.settings` still name; an error ends
                      the restore without any change
    erasures          "package.module:function"; `restore` calls function(session) -> Iterable[Erasure] with a session
                      of the database in use, so that erasures are known even if the database of their service is lost
    setting_files     "package.module:function"; `backup --settings` calls function(settings) -> Iterable[Path] for the
                      files that the service's settings name, without the master key
    metrics           "package.module:function", called as function(resources) -> Iterable[chassis.metrics.Sample]
                      every five seconds by one process of a machine that has metrics
    """

    name: str
    tables: MetaData
    migrations: str
    settings: str = ""
    protected_tables: tuple[str, ...] = ()
    append_only: tuple[str, ...] = ()
    rpc: str = ""
    adder: str = ""
    preload: str = ""
    commands: str = ""
    sample: str = ""
    sample_after: str = ""
    consumers: tuple[Consumer, ...] = ()
    projections: tuple[Projection, ...] = ()
    jobs: tuple[Job, ...] = ()
    checks: tuple[str, ...] = ()
    after_restore: tuple[str, ...] = ()
    erasures: str = ""
    setting_files: str = ""
    metrics: tuple[str, ...] = ()

    def open_database(
        self, settings: Settings, *, pool_size: int = 16, overflow: int = 0, any_revision: bool = False, url: str = ""
    ) -> Database:
        """Open the service's database, with the protected tables of the manifest; the caller closes it.

        Only `migrate` creates a SQLite file: without one each use raises Unavailable DATABASE_MISSING.

        any_revision  for doctor: do not compare the revisions of the database with this release before its first use
        url           URL with another role, or of a database that will replace this one
        """
        database: Database = resolve("chassis.database.db:Database")(
            url or settings.database(self.name),
            pool_size=pool_size,
            overflow=overflow,
            protected_tables=self.protected_tables,
            creates=not self.migrations,
        )
        if self.migrations and not any_revision:
            database.guard = resolve("chassis.migrations.revisions:RevisionGuard")(self)
        return database


def service_names() -> list[str]:
    """List the names of all services, the packages of `services`, without importing them."""
    return [module.name for module in pkgutil.iter_modules(import_module("services").__path__)]


def discover() -> list[Service]:
    """Load the manifests of all services."""
    return [load(name) for name in service_names()]


def load(name: str) -> Service:
    """Load the manifest of one service.

    name    as in services/<name>, or "package.module:attribute" for a service outside that folder
    raises  Invalid  SERVICE_UNKNOWN
    """
    if ":" not in name:
        names = service_names()
        if name not in names:
            raise Invalid("SERVICE_UNKNOWN", given=name, known=[*names])
        name = f"services.{name}.service:SERVICE"
    service: Service = resolve(name)
    return service


def settings_models(services: Sequence[Service], *, gateway: bool) -> dict[str, type[OwnSettings]]:
    """Return the settings models of these services, and of the gateway if `gateway`, by owner."""
    models = {service.name: resolve(service.settings) for service in services if service.settings}
    return models | ({"gateway": resolve(GATEWAY_SETTINGS)} if gateway else {})


def process_settings(
    services: Sequence[Service], *, gateway: bool = False, changes: Mapping[str, str] | None = None
) -> Settings:
    """Load and check the settings of a process with these services, and close DATA to other users.

    changes  variables that replace those of the environment
    raises   the errors of `chassis.settings.load_for` and of `check_urls`
    """
    # A local import, because `rangkiang --help` must not import pydantic.
    from chassis.private_files import narrow
    from chassis.settings import environment_with, load_for, variables

    models = settings_models(services, gateway=gateway)
    names = [variable.name for variable in variables(models, service_names())]
    environ = environment_with(**(changes or {}))
    check_urls(names, environ)
    settings = load_for(models, names, environ)
    narrow(settings.data)
    return settings


@contextmanager
def open_for_command(name: str, *, pool_size: int = 16) -> Iterator[Resources]:
    """Open the database of a service for an operator's command, which prints the folder that it uses.

    raises  Unavailable  DATABASE_MISSING, DATABASE_NOT_MIGRATED, DATABASE_NEWER, DATABASE_UNAVAILABLE
            and the errors of `load` and `process_settings`
    """
    # Local imports, because `rangkiang --help` must not import SQLAlchemy.
    from chassis.metrics import telemetry

    service = load(name)
    settings = process_settings([service])
    with telemetry.command(settings), closing(service.open_database(settings, pool_size=pool_size)) as database:
        print_folder(settings)
        database.check_revisions()
        yield Resources(settings=settings, database=database, service=service)


def print_folder(settings: Settings) -> None:
    """Print the folder of the databases to standard error, unless a command ends with JSON or DATABASE_URL is set."""
    if "--json" not in sys.argv and not settings.database_url:
        print_text(f"DATA: {settings.data.absolute()}", to_errors=True)


def check_urls(names: Iterable[str], environ: Mapping[str, str]) -> None:
    """Check the URLs among the settings of these names.

    raises  Invalid  SETTING_INVALID, without any part of the URL
    """
    for name in names:
        if name.endswith("_URL"):
            check_url(environ.get(name, ""), name)
