"""A server with the HTTP protocol of the product, in a thread, and clients that send bytes to it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import uvicorn

from chassis.addresses import networks
from chassis.http.http_protocol import BoundedConnections, ConnectionLimit
from chassis.http.prefork import StoppableServer

GET = b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE_RESPONSE_BYTES = 64 * 1024 * 1024


class App:
    """Answers /quick at once, /slow after `release`, /large with more than a socket takes; counts requests."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.begun = 0
        self.bodies: list[bytes] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.begun += 1
        body, more = b"", scope["method"] == "POST"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.bodies.append(body)
        if scope["path"] == "/slow":
            await self.release.wait()
        content = b"x" * LARGE_RESPONSE_BYTES if scope["path"] == "/large" else b"done"
        headers = [(b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


class Site:
    """A server in a thread of this process."""

    def __init__(self, **limit: Any) -> None:
        self.app = App()
        limits = ConnectionLimit(limit.get("most", 0), networks(limit.get("exempt", "")))
        config = uvicorn.Config(
            self.app,
            http=BoundedConnections(limits),  # type: ignore[arg-type]
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self.server = StoppableServer(config)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=lambda: self.server.run(sockets=[self._listener]))

    @property
    def open_connections(self) -> int:
        return len(self.server.server_state.connections)

    def release(self) -> None:
        """Let the handlers of /slow answer."""
        loop = next(iter(self.server.server_state.connections)).loop
        loop.call_soon_threadsafe(self.app.release.set)

    def connect(self) -> socket.socket:
        return socket.create_connection(self._listener.getsockname(), timeout=10)

    def __enter__(self) -> Site:
        self._thread.start()
        eventually(lambda: self.server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(timeout=20)


@contextmanager
def client_of(site: Site, *parts: bytes) -> Iterator[socket.socket]:
    with closing(site.connect()) as client:
        for part in parts:
            client.sendall(part)
        yield client


def eventually(true: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


def until_closed(client: socket.socket) -> bytes:
    """Everything the server sends until it closes the connection."""
    received = b""
    try:
        while chunk := client.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass  # closed while bytes of ours were under way
    return received


def pour(client: socket.socket, chunk: bytes, most: int) -> int:
    """Send a chunk again and again until the server closes the connection; how many bytes it took."""
    sent = 0
    try:
        while sent < most:
            client.sendall(chunk)
            sent += len(chunk)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent
