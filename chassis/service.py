"""Service: what a service says of itself; about twenty lines in each services/<name>/service.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from sqlalchemy import MetaData
    from sqlalchemy.orm import Session

    from chassis.context import Context
    from chassis.db import Database
    from chassis.settings import Settings

# A handler gets the consumer's session (one transaction with its inbox row), the fact, and the context of who did it.
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
    """Work that time asks for; runs in one process at a time, under the lease of its name.

    run      "package.module:function", called as run(resources, stop); a loop of its own when every_seconds is None,
             else called once each period
    lease    the role whose holder runs it
    """

    name: str
    run: str
    lease: str
    every_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """What a service's running code is given: its settings and its database."""

    settings: Settings
    database: Database
    service: Service


@dataclass(frozen=True, slots=True)
class Service:
    """A service's manifest.

    tables      its metadata; the chassis' own tables are added by the migrations
    migrations  package that holds env-less Alembic revisions in `versions/`
    rpc         "package.module:servicer", called as servicer(resources) -> (servicer, descriptor name); a string, so that
                only `serve` and `up` load gRPC
    adder       "package.module:add_…Servicer_to_server", generated
    commands    "package.module:app", a typer app added to the CLI
    jobs        work of its own, besides the relay
    """

    name: str
    tables: MetaData
    migrations: str
    rpc: str = ""
    adder: str = ""
    commands: str = ""
    consumers: tuple[Consumer, ...] = ()
    jobs: tuple[Job, ...] = ()
    labels: Mapping[str, Any] = field(default_factory=dict)
