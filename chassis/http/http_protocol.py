"""The HTTP protocol of the serving processes: uvicorn's, with bounds on bytes, waiting requests, time and connections.

uvicorn does not have these bounds, and httptools returns a header only when it is complete. So one client could fill
the memory with an endless header, or use all file handles for connections on which it sends nothing.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from math import inf
from typing import Any

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from chassis.addresses import Networks, caller_of, is_in

HEAD_BYTES = 32 * 1024  # of URL, headers, chunk sizes and trailers together
# A chunk of one byte has five further bytes, which must not count as an attack.
CHUNK_OVERHEAD = 8  # bytes for each byte of the body
WAITING_REQUESTS = 16  # on one connection, besides the one that is being answered
HEAD_SECONDS = 15.0
BODY_SECONDS = 30.0  # for a body, and again after each ARRIVING_BYTES of it
ARRIVING_BYTES = 65_536
KEEP_ALIVE_SECONDS = 30
PROXY_KEEP_ALIVE_SECONDS = 75  # longer than that of proxies, so that the proxy closes first
UNREAD_SECONDS = 30.0  # in which a client must read some of the rest of a response
CHECK_SECONDS = 1.0
TOO_MANY_CONNECTIONS = "This address has too many open connections."
# Bytes are parsed up to the end of one head or body, so that a piece completes at most one request. Where a body in
# chunks ends is not known, so a piece of it may also complete some short requests.
_HEAD_ENDS = re.compile(rb"\n\r?\n")
_CHUNKS_BYTES = 1024
_IN_CHUNKS = -1  # length of a body in chunks
IGNORED_BYTES = 1024 * 1024  # of a body that arrives after its response; then the connection is closed


@dataclass(slots=True)
class ConnectionLimit:
    """Counts the open connections of each caller in this process.

    most     largest number for one caller; 0 for no limit
    exempt   trusted proxies, which connect for many callers
    """

    most: int
    exempt: Networks
    _open: Counter[str] = field(default_factory=Counter)

    def refuses(self, address: str) -> bool:
        """Return whether a further connection from this address would exceed the limit."""
        return bool(self.most) and not is_in(address, self.exempt) and self._open[caller_of(address)] >= self.most

    def open(self, caller: str) -> bool:
        """Count a connection. Returns False, without counting, if the caller has too many."""
        if self.most and self._open[caller] >= self.most:
            return False
        self._open[caller] += 1
        return True

    def close(self, caller: str) -> None:
        """Stop counting a connection."""
        self._open[caller] -= 1
        if self._open[caller] <= 0:
            del self._open[caller]


@dataclass(frozen=True, slots=True)
class BoundedConnections:
    """Creates the protocol of each connection of a process; uvicorn uses it as its protocol class."""

    limit: ConnectionLimit

    def __call__(self, **options: Any) -> BoundedProtocol:
        return BoundedProtocol(limit=self.limit, **options)

    def refuse(self, connection: socket.socket) -> bool:
        """Answer and close an accepted socket if its caller has too many connections. Returns whether it did.

        A refusal by transport and protocol takes ten times as long. When one client opens thousands of connections, the
        connections of others would wait for these refusals.
        """
        try:
            is_refused = self.limit.refuses(connection.getpeername()[0])
        except OSError:  # the client has disconnected
            is_refused = True
        if is_refused:
            with suppress(OSError):
                send_refusal(connection, 429, TOO_MANY_CONNECTIONS)
            connection.close()
        return is_refused


class BoundedProtocol(HttpToolsProtocol):
    """One connection. The server calls `check_deadline` every CHECK_SECONDS for the bounds on time."""

    def __init__(self, *, limit: ConnectionLimit, **options: Any) -> None:
        """
        limit    limit for all connections of the process
        options  options from uvicorn
        """
        super().__init__(**options)
        self.url = b""  # uvicorn sets it with the first request, but bytes may come before
        self._limit = limit
        self._caller = ""  # "" for a connection that is not counted
        self._deadline = inf  # time of the loop by which the client must have sent the rest of its request
        self._overhead = 0  # bytes of the current request beyond its body and the allowance for chunks
        self._held = bytearray()  # received bytes, to be parsed when fewer requests wait
        self._head_tail = b""  # the last bytes of an incomplete head, where its end may begin
        self._body_left = 0  # bytes of the current body that have not come, or _IN_CHUNKS
        self._ignored = 0  # bytes of the current body that came after its response
        self._arrived = 0  # bytes of the current body since its deadline was set
        self._running: RequestResponseCycle | None = None  # the request that is being answered
        self._refused = False  # nothing more is parsed
        self._unread, self._unread_since = 0, inf  # unsent bytes, and since when none was sent

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _HoldingFlow(transport, self)
        address = self.client[0] if self.client else ""
        if is_in(address, self._limit.exempt):
            self.timeout_keep_alive = PROXY_KEEP_ALIVE_SECONDS
        elif self._limit.open(caller := caller_of(address)):
            self._caller = caller
        else:
            self._refuse(429, TOO_MANY_CONNECTIONS)
            return
        self._deadline = self.loop.time() + HEAD_SECONDS

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_requests()
        if self._caller:
            self._limit.close(self._caller)
            self._caller = ""

    @property
    def holds_bytes(self) -> bool:
        """Tell whether received bytes wait to be parsed."""
        return bool(self._held)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._held or self.pipeline or self._piece_size(data) < len(data):
            self._held += data
            self.parse_held()
        else:
            self._parse(data)

    def _piece_size(self, data: bytes | bytearray) -> int:
        """Return how many of these bytes, which come next, may be parsed at once."""
        if self._body_left:
            return min(len(data), self._body_left if self._body_left > 0 else _CHUNKS_BYTES)
        if self._head_tail and (end := _HEAD_ENDS.search(self._head_tail + data[:2])):
            return end.end() - len(self._head_tail)
        end = _HEAD_ENDS.search(data)
        return end.end() if end else len(data)

    def _is_full(self) -> bool:
        """Tell whether the application has not taken a large part of the current body."""
        return bool(self.cycle and not self.cycle.response_complete and len(self.cycle.body) > HIGH_WATER_LIMIT)

    def parse_held(self) -> None:
        """Parse the held bytes until too many requests or too much of a body wait; read when none are held."""
        while (
            self._held
            and len(self.pipeline) < WAITING_REQUESTS
            and not self._is_full()
            and not self.transport.is_closing()
        ):
            size = self._piece_size(self._held)
            piece = bytes(self._held[:size])
            del self._held[:size]
            self._parse(piece)
        if self._held:
            self.flow.pause_reading()
        elif not self.pipeline and not self._is_full():
            self.flow.resume_reading()

    def _parse(self, data: bytes) -> None:
        if self._refused or self.transport.is_closing():
            return
        if self._deadline == inf:
            self._deadline = self.loop.time() + HEAD_SECONDS
        in_body, room = self._body_left, HEAD_BYTES - self._overhead
        self._overhead += len(data)
        self._head_tail = b"" if in_body else (self._head_tail + data)[-2:]
        # A head that is too long is not completed, so that its request does not begin.
        super().data_received(data if in_body else data[: max(room, 0)])
        if self._refused or self.transport.is_closing():
            return
        if len(self.pipeline) > WAITING_REQUESTS:  # after a body in chunks
            self._refuse(429, "Too many requests wait on this connection.")
            return
        if self._overhead > HEAD_BYTES:
            if 2 * len(self.url) > HEAD_BYTES:
                self._refuse(414, f"The URL is longer than {HEAD_BYTES} bytes.")
            else:
                self._refuse(431, f"The headers are longer than {HEAD_BYTES} bytes.")
            return
        if in_body and self.cycle.response_complete:
            self._ignored += len(data)
            if self._ignored > IGNORED_BYTES:
                self.transport.close()

    def on_headers_complete(self) -> None:
        for name, value in self.headers:
            if name == b"content-length":
                self._body_left = int(value)
            elif name == b"transfer-encoding":
                self._body_left = _IN_CHUNKS
        if self._body_left and self.parser.should_upgrade():
            # The parser does not read such a body, so its bytes would be read as requests.
            self._refuse(400, "A request for another protocol has no body.")
            return
        super().on_headers_complete()
        self._head_tail = b""
        self._deadline = self.loop.time() + BODY_SECONDS

    def on_body(self, body: bytes) -> None:
        if self._refused:
            return
        self._overhead = max(0, self._overhead - (1 + CHUNK_OVERHEAD) * len(body))
        self._arrived += len(body)
        if self._arrived >= ARRIVING_BYTES:
            self._arrived = 0
            self._deadline = self.loop.time() + BODY_SECONDS
        if self._body_left > 0:
            self._body_left -= len(body)
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def on_message_complete(self) -> None:
        if self._refused:
            return
        super().on_message_complete()
        self._deadline = inf
        self._overhead = self._body_left = self._ignored = self._arrived = 0

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._held:
            self.parse_held()

    def check_deadline(self, now: float) -> None:
        """Close the connection if its client is late in sending, or has not read for too long.

        now  time of the loop
        """
        unread = self.transport.get_write_buffer_size()
        if not unread:
            self._unread_since = inf
        elif unread < self._unread or self._unread_since == inf:
            self._unread_since = now
        self._unread = unread
        if now - self._unread_since > UNREAD_SECONDS:
            self.transport.abort()
        elif now > self._deadline and not self._held and not self.transport.is_closing():
            self._refuse(408, "The request was not complete in time.")

    def _refuse(self, status: int, sentence: str) -> None:
        """Read nothing more. Close the connection; answer with the reason first, if no other response is due.

        A complete request that is being answered gets its response, and then the connection closes.
        """
        self._refused = True
        self._deadline = inf
        running = self._running
        if running is not None and not running.response_complete and not running.more_body:
            running.keep_alive = False
            self.pipeline.clear()
            self._held.clear()
            return
        # Between requests the response is an earlier one's.
        is_answered = self._body_left and running is not None and running.response_started
        if not is_answered:
            self.transport.write(_refusal(status, sentence))
        self._end_requests()
        self.transport.close()

    def _end_requests(self) -> None:
        """Forget the requests that wait, and tell the running one that its client is gone.

        uvicorn tells the newest one, which may be another.
        """
        self.pipeline.clear()
        self._held.clear()
        running, self._running = self._running, None
        if running is not None and not running.response_complete:
            running.disconnected = True
            running.message_event.set()


def send_refusal(connection: socket.socket, status: int, sentence: str) -> None:
    """Answer a connection that does not block and is closed next. Raises OSError."""
    connection.send(_refusal(status, sentence))
    # To close with unread bytes sends a reset, and the client would lose the answer.
    connection.recv(HEAD_BYTES)


def _refusal(status: int, sentence: str) -> bytes:
    """Return the response before a connection is closed."""
    body = sentence.encode()
    return (
        STATUS_LINE[status]
        + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
        + (b"retry-after: 2\r\n" if status == HTTPStatus.SERVICE_UNAVAILABLE else b"")
        + b"content-length: %d\r\n\r\n%s" % (len(body), body)
    )


class _HoldingFlow(FlowControl):
    """Parses held bytes before further ones are read; uvicorn resumes when a body is taken, and after each response."""

    def __init__(self, transport: asyncio.Transport, protocol: BoundedProtocol) -> None:
        super().__init__(transport)
        self._protocol = protocol

    def resume_reading(self) -> None:
        if self._protocol.holds_bytes:
            self._protocol.loop.call_soon(self._protocol.parse_held)
        else:
            super().resume_reading()
