"""The bounds of one HTTP connection, over real sockets: bytes, waiting requests, time, connections of an address."""

from __future__ import annotations

import hashlib
import inspect
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from chassis.addresses import networks
from chassis.http import http_protocol
from chassis.http.http_protocol import HEAD_BYTES, WAITING_REQUESTS
from tests.fakes.http_site import GET, LARGE_RESPONSE_BYTES, Site, client_of, eventually, pour, until_closed

# SHA-256 of the source that chassis/http/http_protocol.py extends.
UVICORN_CLASSES = "1f0ad26f71ba02a760f1965589e05ae7e93ec5eb5a25b6c0d796f71630a3a051"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


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
    with client_of(site, begin) as client:
        received = b""
        for _ in range(HEAD_BYTES // len(chunk) + 1):
            client.sendall(chunk)
        received = until_closed(client)
    assert received.startswith(b"HTTP/1.1 " + status)
    assert site.app.begun == 0


@pytest.mark.parametrize("piece", [1_448, 16_000, 65_536])
@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", b"431"),
    ],
    ids=["url", "header"],
)
def test_a_head_that_is_too_long_is_refused_whatever_the_pieces(
    site: Site, head: bytes, status: bytes, piece: int
) -> None:
    with client_of(site) as client:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before the end of the head
            for at in range(0, len(head), piece):
                client.sendall(head[at : at + piece])
        assert until_closed(client).startswith(b"HTTP/1.1 " + status)
    assert site.app.begun == 0


@pytest.mark.parametrize("text", [b"HTTP/1.", b"GET / HTTP/1.1\r\n\r\n"])
def test_a_body_is_parsed_as_it_comes_whatever_its_bytes(
    site: Site, text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = text * (2_000_000 // len(text))
    pieces: list[int] = []
    parse = HttpToolsProtocol.data_received

    def count(protocol: HttpToolsProtocol, data: bytes) -> None:
        pieces.append(len(data))
        parse(protocol, data)

    monkeypatch.setattr(HttpToolsProtocol, "data_received", count)
    with client_of(site, b"POST /quick HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body) + body + GET) as client:
        received = b""
        while received.count(b"done") < 2:
            received += client.recv(1_000)
    assert site.app.bodies == [body, b""]
    assert sum(pieces) / len(pieces) > 1_000


def test_a_body_after_its_response_is_read_for_a_while_and_then_the_connection_closed(site: Site) -> None:
    head = b"GET /quick HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
    with client_of(site, head % 500_000) as client:
        assert client.recv(1_000).startswith(b"HTTP/1.1 200")
        client.sendall(b"a" * 500_000 + GET)
        assert client.recv(1_000).startswith(b"HTTP/1.1 200")
    with client_of(site, head % 9_000_000_000) as client:
        assert client.recv(1_000).startswith(b"HTTP/1.1 200")
        assert pour(client, b"HTTP/1." * 9_000, 60_000_000) < 20_000_000
    eventually(lambda: site.open_connections == 0)


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"\r\n"])
def test_endless_bytes_before_a_request_take_no_memory(
    site: Site, begin: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    before = _peak_megabytes()
    with client_of(site, begin) as client:
        sent = pour(client, b"\r\n" * 32_000 if begin == b"\r\n" else b"a" * 64_000, 60_000_000)
    assert sent < 20_000_000  # what sockets hold on both sides
    assert _peak_megabytes() - before < 30
    eventually(lambda: site.open_connections == 0)
    assert not [line for line in caplog.records if line.name == "asyncio"]  # refused, not ended by a fault of ours


@pytest.mark.parametrize("body", [b"1\r\na", b"7a120\r\n" + b"a" * 500_000])
def test_endless_trailers_close_the_connection(site: Site, body: bytes) -> None:
    head = b"POST /quick HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with client_of(site, head + body + b"\r\n0\r\nX: " + b"a" * 60_000) as client:
        assert until_closed(client).startswith(b"HTTP/1.1 431")
    with client_of(site, head + body + b"\r\n0\r\nX: ") as client:
        assert pour(client, b"a" * 64_000, 60_000_000) < 20_000_000
    with client_of(site, GET) as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_body_in_chunks_of_one_byte_is_read(site: Site) -> None:
    head = b"POST /quick HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with client_of(site, head + b"1\r\na\r\n" * 60_000 + b"0\r\n\r\n") as client:
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert site.app.bodies == [b"a" * 60_000]


def test_a_client_that_expects_100_gets_it_before_it_sends_the_body(site: Site) -> None:
    head = b"POST /quick HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    with client_of(site, head) as client:
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"abc")
        assert client.recv(1000).endswith(b"\r\n\r\ndone")
    assert site.app.bodies == [b"abc"]


def test_a_response_without_a_body_is_sent_and_one_with_a_body_in_one_piece(site: Site) -> None:
    with client_of(site, b"HEAD /quick HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        assert client.recv(1000).endswith(b"content-length: 4\r\n\r\n")
        client.sendall(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.recv(1000).endswith(b"\r\n\r\ndone")


def test_pipelined_requests_are_all_answered_in_order(site: Site) -> None:
    with client_of(site, GET * 5_000) as client:
        received = b""
        while received.count(b"done") < 5_000:
            received += client.recv(65_536)
    assert received.count(b"HTTP/1.1 200") == 5_000


def test_a_pipelined_body_is_read(site: Site) -> None:
    post = b"POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" + b"b" * 70_000
    with client_of(site, (GET * 20 + post) * 3) as client:
        received = b""
        while received.count(b"done") < 63:
            received += client.recv(65_536)
    assert site.app.bodies.count(b"b" * 70_000) == 3


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.1"])
@pytest.mark.parametrize("pieces", [(32_000, 1), (1, 3_000)], ids=["one segment", "bytes"])
def test_few_pipelined_requests_wait_whatever_they_say_and_how_they_come(
    site: Site, version: bytes, pieces: tuple[int, int]
) -> None:
    size, count = pieces
    with client_of(site, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        eventually(lambda: site.app.begun == 1)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        requests = b"GET / %s\r\nConnection: keep-alive\r\n\r\n" % version * 800
        for at in range(0, size * count, size):
            client.sendall(requests[at : at + size])
        time.sleep(0.3)
        connection = next(iter(site.server.server_state.connections))
        assert 0 < len(connection.pipeline) <= WAITING_REQUESTS


SLOW = b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000,
        SLOW * 2 + b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000,
        b"GARBAGE\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + b"GET / HTTP/1.1\r\n\r\n" * 800,
    ],
    ids=["a long head", "a long head behind two that wait", "garbage", "many requests behind a body in chunks"],
)
def test_a_complete_request_gets_its_response_before_the_connection_of_a_refused_one_closes(
    site: Site, rest: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with client_of(site, SLOW) as client:
        eventually(lambda: site.app.begun == 1)
        client.sendall(rest)
        time.sleep(0.2)
        site.release()
        answer = until_closed(client)
    assert (answer.count(b"HTTP/1.1 "), answer.count(b"HTTP/1.1 200"), answer.endswith(b"done")) == (1, 1, True)
    eventually(lambda: site.open_connections == 0)
    assert not [line for line in caplog.records if line.levelname == "ERROR"]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + b"989680\r\n",
        b"GET /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n",
        SLOW + b"POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n",
    ],
    ids=["in chunks", "with a length", "of a request that waits"],
)
def test_a_body_that_the_application_does_not_take_is_not_read(site: Site, head: bytes) -> None:
    with client_of(site, head) as client:
        eventually(lambda: site.app.begun == 1)
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.sendall(b"a" * 10_000_000)
        connection = next(iter(site.server.server_state.connections))
        assert len(connection.cycle.body) < 1_000_000


def test_a_body_in_large_chunks_is_read(site: Site) -> None:
    head = b"POST /quick HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with client_of(site, head + b"4c4b40\r\n" + b"a" * 5_000_000 + b"\r\n0\r\n\r\n" + GET) as client:
        received = b""
        while received.count(b"done") < 2:
            received += client.recv(1_000)
    assert site.app.bodies == [b"a" * 5_000_000, b""]


def test_a_request_for_another_protocol_with_a_body_is_refused(site: Site) -> None:
    head = (
        b"POST /quick HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n"
        % len(GET)
    )
    with client_of(site, head + GET) as client:
        answer = until_closed(client)
    assert (answer[:12], answer.count(b"HTTP/1.1 "), site.app.begun) == (b"HTTP/1.1 400", 1, 0)


def test_of_many_pipelined_requests_only_some_wait_and_none_is_kept_after_the_connection(site: Site) -> None:
    with client_of(site, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        eventually(lambda: site.app.begun == 1)
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.sendall(GET * 300_000)
        connection = next(iter(site.server.server_state.connections))
        assert len(connection.pipeline) == WAITING_REQUESTS
    # The server notices the loss when it reads again, after the response that is under way.
    site.release()
    eventually(lambda: site.open_connections == 0)
    assert not connection.pipeline
    assert site.app.begun < 10 * WAITING_REQUESTS


def test_an_idle_connection_is_closed_without_a_refusal(site: Site) -> None:
    site.server.config.timeout_keep_alive = 1
    with client_of(site, b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n") as idle, client_of(site) as busy:
        for _ in range(8):
            busy.sendall(b"GET /quick HTTP/1.1\r\nHost: a\r\n\r\n")
            assert busy.recv(1000).startswith(b"HTTP/1.1 200")
            time.sleep(0.4)
        answer = until_closed(idle)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_connection_with_late_headers_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.5)
    with client_of(site) as silent, client_of(site, b"GET /quick HTTP/1.1\r\n") as slow:
        begun = time.monotonic()
        while time.monotonic() - begun < 2:
            try:
                slow.sendall(b"X: y\r\n")
            except OSError:
                break
            time.sleep(0.1)
        assert until_closed(silent).startswith(b"HTTP/1.1 408")
        until_closed(slow)
    eventually(lambda: site.open_connections == 0)


def test_a_connection_with_a_late_body_is_closed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "BODY_SECONDS", 0.5)
    with client_of(site, b"POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc") as client:
        assert until_closed(client).startswith(b"HTTP/1.1 408")
    eventually(lambda: site.open_connections == 0)
    assert site.app.bodies == []


def test_a_body_may_take_longer_than_that_while_enough_of_it_arrives(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_protocol, "BODY_SECONDS", 1.5)
    length = 4 * http_protocol.ARRIVING_BYTES
    with client_of(site, b"POST /quick HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length) as client:
        for _ in range(4):
            time.sleep(0.7)
            client.sendall(b"0" * http_protocol.ARRIVING_BYTES)
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_slow_handler_is_not_a_slowclient_of(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(http_protocol, "BODY_SECONDS", 0.3)
    with client_of(site, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        time.sleep(2.5)
        site.release()
        assert client.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_connection_whose_client_does_not_read_is_dropped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 0.5)
    with client_of(site, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"):
        eventually(lambda: site.app.begun == 1)
        eventually(lambda: site.open_connections == 0)


def test_a_slow_reader_gets_the_whole_response(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "UNREAD_SECONDS", 1.5)
    with client_of(site, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        received = 0
        while received < LARGE_RESPONSE_BYTES:
            received += len(client.recv(4_000_000))
            time.sleep(0.05)


def test_an_address_has_a_limit_of_open_connections() -> None:
    with Site(most=3) as site:
        clients = [site.connect() for _ in range(3)]
        with client_of(site) as fourth:
            assert until_closed(fourth).startswith(b"HTTP/1.1 429")
        with _accepted_socket() as (server_end, client_end):
            assert site.server.serve_socket(server_end) is False
            assert until_closed(client_end).startswith(b"HTTP/1.1 429")
        clients.pop().close()
        eventually(lambda: site.open_connections == 2)
        with client_of(site, GET) as another:
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
    with Site(most=1, exempt="127.0.0.0/8") as site, client_of(site), client_of(site), client_of(site, GET) as third:
        assert third.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "text", ["*", "proxy.example", "10.0.0.0/8, nonsense", "0.0.0.0/0", "::/0", "0.0.0.0/1", "::/6"]
)
def test_proxies_that_are_no_addresses_or_every_address_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"IP address|every address"):
        networks(text)


def test_uvicorns_private_classes_are_those_that_the_bounds_were_written_for() -> None:
    source = "".join(map(inspect.getsource, (HttpToolsProtocol, RequestResponseCycle, FlowControl)))
    assert hashlib.sha256(source.encode()).hexdigest() == UVICORN_CLASSES, (
        "uvicorn has changed its classes: compare them with chassis/http/http_protocol.py, then record the new digest"
    )
