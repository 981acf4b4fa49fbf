"""The bounds of one HTTP connection, over real sockets: bytes, waiting requests, time, connections of an address."""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import uvicorn

from chassis import http_protocol
from chassis.addresses import networks
from chassis.http_protocol import HEAD_BYTES, WAITING_REQUESTS, BoundedConnections, ConnectionLimit
from chassis.prefork import StoppableServer

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
        _eventually(lambda: self.server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join(timeout=20)


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


@contextmanager
def _client(site: Site, *parts: bytes) -> Iterator[socket.socket]:
    with closing(site.connect()) as client:
        for part in parts:
            client.sendall(part)
        yield client


def _eventually(true: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)


def _until_closed(client: socket.socket) -> bytes:
    """Everything the server sends until it closes the connection."""
    received = b""
    try:
        while chunk := client.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass  # closed while bytes of ours were under way
    return received


def _pour(client: socket.socket, chunk: bytes, most: int) -> int:
    """Send a chunk again and again until the server closes the connection; how many bytes it took."""
    sent = 0
    try:
        while sent < most:
            client.sendall(chunk)
            sent += len(chunk)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return sent


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize(
    ("begin", "status"),
    [
        (b"GET /", b"414"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"431"),
        (b"GET / HTTP/1.1\r\n", b"431"),
    ],
    ids=["url", "one header", "many headers"],
)
def test_a_head_that_does_not_end_is_refused_and_the_connection_closed(site: Site, begin: bytes, status: bytes) -> None:
    chunk = b"X-A: b\r\n" * 1_000 if status == b"431" and not begin.endswith(b"X: ") else b"a" * 8_000
    with _client(site, begin) as client:
        received = b""
        for _ in range(HEAD_BYTES // len(chunk) + 1):
            client.sendall(chunk)
        received = _until_closed(client)
    assert received.startswith(b"HTTP/1.1 " + status)
    assert site.app.begun == 0


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"\r\n"])
def test_endless_bytes_before_a_request_take_no_memory(
    site: Site, begin: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    before = _peak_megabytes()
    with _client(site, begin) as client:
        sent = _pour(client, b"\r\n" * 32_000 if begin == b"\r\n" else b"a" * 64_000, 60_000_000)
    assert sent < 20_000_000  # what sockets hold on both sides
    assert _peak_megabytes() - before < 30
    _eventually(lambda: site.open_connections == 0)
    assert not [line for line in caplog.records if line.name == "asyncio"]  # refused, not ended by a fault of ours


def test_endless_trailers_close_the_connection(site: Site) -> None:
    head = b"POST /quick HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: "
    with _client(site, head) as client:
        assert _pour(client, b"a" * 64_000, 60_000_000) < 20_000_000
    with _client(site, GET) as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_body_in_chunks_of_one_byte_is_read(site: Site) -> None:
    head = b"POST /quick HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with _client(site, head + b"1\r\na\r\n" * 60_000 + b"0\r\n\r\n") as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert site.app.bodies == [b"a" * 60_000]


def test_who_waits_for_100_gets_it_before_sending_the_body(site: Site) -> None:
    head = b"POST /quick HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    with _client(site, head) as client:
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert client.recv(1000).endswith(b"\r\n\r\ndone")
    assert site.app.bodies == [b"abc"]


def test_a_response_without_a_body_is_sent_and_one_with_a_body_in_one_piece(site: Site) -> None:
    with _client(site, b"HEAD /quick HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        assert client.recv(1000).endswith(b"content-length: 4\r\n\r\n")
        client.sendall(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(1000).endswith(b"\r\n\r\ndone")


def test_pipelined_requests_are_all_answered_in_order(site: Site) -> None:
    with _client(site, GET * 5_000) as client:
        received = b""
        while received.count(b"done") < 5_000:
            received += client.recv(65_536)
    assert received.count(b"HTTP/1.1 200") == 5_000


def test_a_pipelined_body_is_read(site: Site) -> None:
    post = b"POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" + b"b" * 70_000
    with _client(site, (GET * 20 + post) * 3) as client:
        received = b""
        while received.count(b"done") < 63:
            received += client.recv(65_536)
    assert site.app.bodies.count(b"b" * 70_000) == 3


def test_of_many_pipelined_requests_only_some_wait_and_none_is_kept_after_the_connection(site: Site) -> None:
    with _client(site, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        _eventually(lambda: site.app.begun == 1)
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.sendall(GET * 300_000)
        connection = next(iter(site.server.server_state.connections))
        assert len(connection.pipeline) == WAITING_REQUESTS
    # The server notices the loss when it reads again, after the response that is under way.
    site.release()
    _eventually(lambda: site.open_connections == 0)
    assert not connection.pipeline
    assert site.app.begun < 10 * WAITING_REQUESTS


def test_who_sends_no_further_request_in_time_is_closed_without_a_refusal(site: Site) -> None:
    site.server.config.timeout_keep_alive = 1
    with _client(site, b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n") as idle, _client(site) as busy:
        for _ in range(8):
            busy.sendall(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
            assert busy.recv(1000).startswith(b"HTTP/1.1 200")
            time.sleep(0.4)
        answer = _until_closed(idle)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1") == 1


def test_who_does_not_complete_the_headers_in_time_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.5)
    with _client(site) as silent, _client(site, b"GET /quick HTTP/1.1\r\n") as slow:
        begun = time.monotonic()
        while time.monotonic() - begun < 2:
            try:
                slow.sendall(b"X: y\r\n")
            except OSError:
                break
            time.sleep(0.1)
        assert _until_closed(silent).startswith(b"HTTP/1.1 408")
        _until_closed(slow)
    _eventually(lambda: site.open_connections == 0)


def test_who_does_not_complete_the_body_in_time_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "BODY_SECONDS", 0.5)
    with _client(site, b"POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc") as client:
        assert _until_closed(client) == b""
    _eventually(lambda: site.open_connections == 0)
    assert site.app.bodies == []


def test_a_slow_handler_is_not_a_slow_client(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(http_protocol, "BODY_SECONDS", 0.3)
    with _client(site, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        time.sleep(2.5)
        site.release()
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_who_does_not_read_the_response_is_dropped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 0.5)
    with _client(site, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"):
        _eventually(lambda: site.app.begun == 1)
        _eventually(lambda: site.open_connections == 0)


def test_who_reads_slowly_gets_everything(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 1.5)
    with _client(site, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        received = 0
        while received < LARGE_RESPONSE_BYTES:
            received += len(client.recv(4_000_000))
            time.sleep(0.05)


def test_an_address_has_a_limit_of_open_connections() -> None:
    with Site(most=3) as site:
        clients = [site.connect() for _ in range(3)]
        with _client(site) as fourth:
            assert _until_closed(fourth).startswith(b"HTTP/1.1 429")
        with _accepted_socket() as (server_end, client_end):
            assert site.server.serve_socket(server_end) is False
            assert _until_closed(client_end).startswith(b"HTTP/1.1 429")
        clients.pop().close()
        _eventually(lambda: site.open_connections == 2)
        with _client(site, GET) as another:
            assert another.recv(1000).startswith(b"HTTP/1.1 200")
        for client in clients:
            client.close()


@contextmanager
def _accepted_socket() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection that a listener of this test has accepted, as workers get them from their supervisor."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        closing(socket.create_connection(listener.getsockname(), timeout=10)) as client_end,
    ):
        server_end, _ = listener.accept()
        client_end.sendall(GET)
        yield server_end, client_end


def test_a_trusted_proxy_has_no_limit_of_connections() -> None:
    with Site(most=1, exempt="127.0.0.0/8") as site, _client(site), _client(site), _client(site, GET) as third:
        assert third.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("text", ["*", "proxy.example", "10.0.0.0/8, nonsense", "0.0.0.0/0", "::/0"])
def test_proxies_that_are_no_addresses_or_every_address_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"IP address|every address"):
        networks(text)
