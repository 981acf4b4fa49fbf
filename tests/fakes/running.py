"""Runs the gateway on a real socket, with a catalogue over real gRPC and the other real services in this process."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from fastapi import APIRouter

from chassis.rpc import inproc
from chassis.rpc.client import token_verifier
from chassis.rpc.server import Server
from chassis.service import Resources, discover
from chassis.settings import Settings
from chassis.urls import resolve
from gateway.app import create_app
from rangkiang.catalog.v1.catalog_pb2_grpc import add_CatalogServicer_to_server
from tests.migrated import copied_database

# As in tests/conftest.py: four tests at once share two processors.
CALL_SECONDS = 30

# Settings and databases of the services that `served_gateway` runs in this process, by name.
running: dict[str, Resources] = {}


@contextmanager
def served_members(resources: Resources) -> Iterator[str]:
    """Serve the members of `running` over gRPC on a free loopback port; yield the URL."""
    servicer = resolve(resources.service.rpc)(resources)
    settings = resources.settings.model_copy(update={"grpc_port": 0})
    server = Server(servicer, resolve(resources.service.adder), settings)
    server.start()
    try:
        yield f"dns:///{server.address}"
    finally:
        server.stop(grace=0.2)


@contextmanager
def served_catalog(servicer: Any) -> Iterator[str]:
    """Serve a catalogue on a free loopback port; yield its URL."""
    server = Server(servicer, add_CatalogServicer_to_server, Settings(grpc_port=0))
    server.start()
    try:
        yield f"dns:///{server.address}"
    finally:
        server.stop(grace=0.2)


@contextmanager
def served_gateway(
    catalog_url: str,
    *,
    routers: Sequence[APIRouter] = (),
    urls: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    own_settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> Iterator[str]:
    """Serve a gateway for that catalogue on a free loopback port, by default without rate limit; yield its address.

    Every other service is real: in this process, with an empty database.
    routers  additional routes
    urls     of services that these routes call
    without  services that run elsewhere
    own_settings  of the services in this process
    """
    settings = Settings(
        service_urls={"catalog": catalog_url, **(urls or {})},
        **{"rate_limit": 0, "call_seconds": CALL_SECONDS, **options},
    )
    services = ExitStack()
    _serve_inproc(services, catalog_url, without=("catalog", *without), own=own_settings or {})
    app = create_app(settings)
    for router in routers:
        app.include_router(router)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="gateway", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + 10
        while not server.started:
            assert thread.is_alive(), "the gateway did not start"
            assert time.monotonic() < deadline, "the gateway takes too long to start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
        services.close()


def _serve_inproc(stack: ExitStack, catalog_url: str, *, without: Sequence[str], own: Mapping[str, Any]) -> None:
    """Register every service except these as `inproc:<service>`, without jobs and handlers, until the stack closes."""
    for service in discover():
        if service.name in without or not service.rpc:
            continue
        data = Path(stack.enter_context(TemporaryDirectory())) / "var"
        settings = Settings(data=data, service_urls={"catalog": catalog_url}, **{"channels": "console: print:", **own})
        database = stack.enter_context(copied_database(service, data))
        before = running.get(service.name)
        resources = running[service.name] = Resources(settings=settings, database=database, service=service)
        stack.callback(_restore, resources, before)
        _register(resources)


def _register(resources: Resources, **replaced: Any) -> None:
    """Let calls reach a service. replaced: methods of its servicer, by name."""
    service = resources.service
    servicer = resolve(service.rpc)(resources)
    for method, function in replaced.items():
        setattr(servicer, method, function)
    verifier = token_verifier(resources.settings, servicer)
    inproc.register(service.name, servicer, resolve(service.adder), verifier=verifier)


def _restore(own: Resources, before: Resources | None) -> None:
    """Let calls reach again what they reached before a gateway was served: an outer one goes on after an inner one.

    One that was served later and is served still keeps the calls.
    """
    name = own.service.name
    if before is not None and running.get(name) is own:
        running[name] = before
        _register(before)


@contextmanager
def registered(name: str, servicer: Any, adder: Callable[[Any, Any], None], verifier: Any) -> Iterator[str]:
    """Let calls reach a service of the test's own; yield its URL. An outer gateway gets its own service back."""
    inproc.register(name, servicer, adder, verifier=verifier)
    try:
        yield f"inproc:{name}"
    finally:
        if name in running:
            _register(running[name])
        else:
            inproc.unregister(name)


@contextmanager
def away(name: str) -> Iterator[None]:
    """Let no call reach a service of `running`."""
    inproc.unregister(name)
    try:
        yield
    finally:
        _register(running[name])


@contextmanager
def replaced(name: str, **methods: Any) -> Iterator[None]:
    """Let calls of these methods of a service of `running` reach other functions."""
    _register(running[name], **methods)
    try:
        yield
    finally:
        _register(running[name])
