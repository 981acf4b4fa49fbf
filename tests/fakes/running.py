"""The gateway as readers meet it: behind a real socket, in front of a catalogue over real gRPC."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from chassis.rpc.server import Server
from chassis.settings import Settings
from gateway.app import create_app
from rangkiang.catalog.v1.catalog_pb2_grpc import add_CatalogServicer_to_server


@contextmanager
def served_catalog(servicer: Any) -> Iterator[str]:
    """A catalogue on a free loopback port; its URL."""
    server = Server(servicer, add_CatalogServicer_to_server, Settings(grpc_port=0))
    server.start()
    try:
        yield f"dns:///{server.address}"
    finally:
        server.stop(grace=0.2)


@contextmanager
def served_gateway(catalog_url: str, **given: Any) -> Iterator[str]:
    """A gateway in front of that catalogue on a free loopback port, unlimited unless told; its address."""
    settings = Settings(service_urls={"catalog": catalog_url}, **{"rate_limit": 0, **given})
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="gateway", daemon=True)
    thread.start()
    try:
        until = time.monotonic() + 10
        while not server.started:
            assert thread.is_alive(), "the gateway did not start"
            assert time.monotonic() < until, "the gateway takes too long to start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
