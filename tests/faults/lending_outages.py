"""Lending on PostgreSQL and RabbitMQ, each behind a proxy; the catalogue's handlers are a process of their own."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from sqlalchemy import func, select

from chassis.bus.outbox import outbox, relay, unpublished_rows
from chassis.context import system
from chassis.database.db import Database
from chassis.operations.testing import migrated_database
from chassis.rpc import inproc
from chassis.rpc.client import token_verifier
from chassis.security.auth import Principal
from chassis.service import Resources, load
from chassis.settings import load as load_settings
from chassis.urls import resolve
from rangkiang.members.v1.events_pb2 import MemberCopy
from services.catalog.tables import ItemState
from services.circulation.borrowers import copy_members
from services.circulation.tables import Loan
from services.members.keys import Keys
from services.members.roles import scopes_of
from services.members.settings import MembersSettings
from tests import servers
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.fakes.accounts import PKS, add_institution
from tests.fakes.catalog import FakeCatalog
from tests.fakes.lending import ITEMS, add_items, barcode
from tests.fakes.proxy import Proxy, proxy_to
from tests.fakes.running import running, served_catalog, served_gateway
from tests.migrated import copied_databases
from tests.programs import start_program

TEST = system("test")
LIMIT = 3  # loans of a borrower
LOST_SECONDS = 30  # until all effects are there, at most


@dataclass
class Lending:
    """A library that lends.

    database  proxy before PostgreSQL
    broker    proxy before RabbitMQ
    """

    http: httpx.Client
    circulation: Database
    catalog: Database
    database: Proxy
    broker: Proxy
    lent: int = 0

    def lend(self) -> httpx.Response:
        """Lend the next item."""
        member = str(uuid.UUID(int=0xE000 + self.lent // LIMIT))
        body = {"member": member, "item": barcode(self.lent + 1), "branch": "PKS/PST"}
        response = self.http.post("/check-outs", json=body, headers={"Idempotency-Key": f"lend-{self.lent}"})
        self.lent += response.status_code == 201
        return response

    def unpublished(self) -> int:
        with self.circulation.reading(TEST) as session:
            return session.scalar(select(func.count()).select_from(outbox).where(unpublished_rows)) or 0

    def out(self) -> set[str]:
        """Ids of the items that the catalogue shows as lent."""
        with self.catalog.reading(TEST) as session:
            items = session.scalars(select(ItemState.item_id).where(ItemState.state == "on_loan"))
            return {str(item) for item in items}

    def loans(self) -> list[str]:
        """Ids of the items of all loans."""
        with self.circulation.reading(TEST) as session:
            return [str(item) for item in session.scalars(select(Loan.copy_id))]


def lend_without_broker(lending: Lending, *, seconds: float) -> int:
    """Lend while RabbitMQ is away for this time; assert that nothing is lost after. Returns the number of loans."""
    lending.broker.shut()
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end and lending.lent < ITEMS:
        assert lending.lend().status_code == 201
        count += 1
        time.sleep(seconds / 30)
    assert lending.unpublished() >= count
    time.sleep(max(0.0, end - time.monotonic()))
    lending.broker.open()
    eventually(lambda: lending.unpublished() == 0 and lending.out() == set(lending.loans()), seconds=LOST_SECONDS)
    assert len(lending.loans()) == len(set(lending.loans())) == lending.lent
    return count


@contextmanager
def lending_library(folder: Path) -> Iterator[Lending]:
    """Serve circulation on PostgreSQL with its relay, members and the gateway in this process; start `work catalog`."""
    name = f"fault_{uuid.uuid4().hex[:10]}"
    with ExitStack() as stack:
        urls = stack.enter_context(copied_databases([load("circulation"), load("catalog")]))
        bus_url = servers.create_vhost(name)
        stack.callback(servers.drop_vhost, name)
        direct_url, owner_url = urls["DATABASE_URL"], urls["DATABASE_OWNER_URL"]
        database_url, database = through_proxy(stack, direct_url)
        bus_url, broker = through_proxy(stack, bus_url)
        settings = load_settings({"DATA": str(folder / "var"), "DATABASE_URL": database_url, "BUS_URL": bus_url})
        # Last of all the worker ends, and before it the relay.
        catalog = _open(stack, "catalog", direct_url, owner_url)
        environment = {**os.environ, "DATA": str(folder / "var"), "DATABASE_URL": direct_url, "BUS_URL": bus_url}
        worker = start_program(["work", "catalog"], env=environment, cwd=CHECKOUT)
        stack.callback(worker.communicate)
        stack.callback(worker.kill)
        address = stack.enter_context(served_gateway(stack.enter_context(served_catalog(FakeCatalog()))))
        circulation = _open(stack, "circulation", database_url, owner_url)
        manifest = load("circulation")
        resources = running["circulation"] = Resources(settings=settings, database=circulation, service=manifest)
        servicer = resolve(manifest.rpc)(resources)
        verifier = token_verifier(settings, servicer)
        inproc.register("circulation", servicer, resolve(manifest.adder), verifier=verifier)
        stop = threading.Event()
        relaying = threading.Thread(target=relay, args=(resources, stop))
        relaying.start()
        stack.callback(relaying.join)
        stack.callback(stop.set)
        assert worker.stdout is not None
        assert worker.stdout.readline(), "the worker ended before it was ready"
        yield Lending(_client(stack, address), circulation, catalog, database, broker)


def through_proxy(stack: ExitStack, url: str) -> tuple[str, Proxy]:
    parts = urlsplit(url)
    proxy = stack.enter_context(proxy_to(str(parts.hostname), int(parts.port or 0)))
    return url.replace(f":{parts.port}/", f":{proxy.port}/"), proxy


def _open(stack: ExitStack, name: str, url: str, owner_url: str) -> Database:
    place = (text.replace("{service}", name) for text in (url, owner_url))
    return stack.enter_context(migrated_database(load(name), next(place), owner_url=next(place)))


def _client(stack: ExitStack, address: str) -> httpx.Client:
    """A client with the token of a manager; its library has items, and a borrower for each three of them."""
    members = running["members"]
    keys = Keys(members.database, members.settings.of(MembersSettings))
    add_institution()
    add_items()
    borrowers = [
        MemberCopy(id=str(uuid.UUID(int=0xE000 + number)), institution_id=str(PKS), version=1, category="umum")
        for number in range(ITEMS // LIMIT + 1)
    ]
    with running["circulation"].database.transaction(TEST) as session:
        copy_members(session, borrowers)
    principal = Principal(str(uuid.uuid4()), str(PKS), str(uuid.uuid4()), scopes_of(["manager"]))
    headers = {"Authorization": f"Bearer {keys.sign(principal)}"}
    return stack.enter_context(httpx.Client(base_url=f"{address}/api/v1", headers=headers, timeout=20))
