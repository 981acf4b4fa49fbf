"""A service's manifest, about twenty lines in each services/<name>/service.py, and where manifests are found."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from importlib import import_module
from typing import TYPE_CHECKING

from chassis.errors import Invalid
from chassis.urls import resolve

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from sqlalchemy import MetaData
    from sqlalchemy.orm import Session

    from chassis.context import Context
    from chassis.db import Database
    from chassis.settings import OwnSettings, Settings

GATEWAY_SETTINGS = "gateway.settings:GatewaySettings"

# A handler gets the consumer's session (one transaction with its inbox row), the fact, and the context of its actor.
Handler = Callable[["Session", "Message", "Context"], None]


@dataclass(frozen=True, slots=True)
class Consumer:
    """One handler of one kind of fact.

    name     unique within the service; names its queue and its inbox rows, so never renamed lightly
    event    generated message class of the fact
    handler  "package.module:function"
    """

    name: str
    event: type[Message]
    handler: str


@dataclass(frozen=True, slots=True)
class Job:
    """Work of a service that no request asks for; it runs in one process at a time, under the lease that it names.

    name           unique within the service; a scheduled job's last run is remembered by it, so never renamed lightly
    run            "package.module:function", called as run(resources, stop); a loop of its own without a schedule,
                   else called at each time of the schedule
    lease          the role whose holder runs it; its resources' database commits only while it is held
    every_seconds  schedule: so long after the last start
    at, zone       schedule: each day at "HH:MM" of the clock in a time zone, such as "03:00" in "Asia/Jakarta"
    at_start       besides its schedule it is due when it has not run since this process started
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
class Resources:
    """What a service's running code is given: its settings and its database.

    for_command  its jobs run for a command, while no server runs: a server would hold their leases
    """

    settings: Settings
    database: Database
    service: Service
    for_command: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """A service's manifest.

    tables      its metadata, without the chassis' own tables, which have their own revisions
    migrations  package that holds env-less Alembic revisions in `versions/`
    settings    "package.module:Model" of its own settings, a chassis.settings.OwnSettings
    walled      tables whose rows only their institution reads and writes; the revisions `wall` them
    append_only tables whose rows the running service adds and reads, and never changes or deletes
    rpc         "package.module:servicer", called as servicer(resources); by name: only `serve` and `up` load gRPC
    adder       "package.module:add_…Servicer_to_server", generated
    commands    "package.module:app", a typer app; its commands' names and help are in the service's commands.toml
    jobs        work of its own, besides the relay
    checks      "package.module:function" each, called by doctor as function(resources) -> list[chassis.health.Finding]
    """

    name: str
    tables: MetaData
    migrations: str
    settings: str = ""
    walled: tuple[str, ...] = ()
    append_only: tuple[str, ...] = ()
    rpc: str = ""
    adder: str = ""
    commands: str = ""
    consumers: tuple[Consumer, ...] = ()
    jobs: tuple[Job, ...] = ()
    checks: tuple[str, ...] = ()

    def open_database(self, settings: Settings, *, pool_size: int = 16) -> Database:
        """Open the service's database with what the manifest says of its tables; whoever opens it closes it."""
        database: type[Database] = resolve("chassis.db:Database")
        return database(settings.database(self.name), pool_size=pool_size, walled=self.walled)


def service_names() -> list[str]:
    """Names of all services: the packages of `services`; imports none of them."""
    return [module.name for module in pkgutil.iter_modules(import_module("services").__path__)]


def discover() -> list[Service]:
    """The manifests of all services."""
    return [load(name) for name in service_names()]


def load(name: str) -> Service:
    """The manifest of one service.

    name    as in services/<name>, or "package.module:attribute" for one that lives elsewhere
    raises  Invalid  SERVICE_UNKNOWN
    """
    if ":" not in name:
        names = service_names()
        if name not in names:
            raise Invalid("SERVICE_UNKNOWN", given=name, known=", ".join(names))
        name = f"services.{name}.service:SERVICE"
    service: Service = resolve(name)
    return service


def settings_models(services: Sequence[Service], *, gateway: bool) -> dict[str, type[OwnSettings]]:
    """The settings that these services, and the gateway if it is there, declare; by owner."""
    models = {service.name: resolve(service.settings) for service in services if service.settings}
    return models | ({"gateway": resolve(GATEWAY_SETTINGS)} if gateway else {})


def process_settings(
    services: Sequence[Service], *, gateway: bool = False, changes: Mapping[str, str] | None = None
) -> Settings:
    """The settings of a process that runs these services, all of them checked.

    changes  variables that count in the place of the environment's
    raises   as `chassis.settings.load_for` does
    """
    # Here, so that `rangkiang --help` does not import pydantic.
    from chassis.settings import environment_with, load_for, variables

    models = settings_models(services, gateway=gateway)
    names = [variable.name for variable in variables(models, service_names())]
    return load_for(models, names, environment_with(**(changes or {})))
