"""HTTPS for the serving processes: the handshake of an accepted connection, with the bounds of http_protocol.

After its handshake a connection becomes an HTTP connection. Until then it is counted for its caller's address, ends
after HANDSHAKE_SECONDS, and does not block other connections.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from chassis.addresses import caller_of, is_in
from chassis.errors import Invalid
from chassis.http.http_protocol import ConnectionLimit
from chassis.settings import Settings

HANDSHAKE_SECONDS = 10.0
SHUTDOWN_SECONDS = 5.0  # for the client's close_notify
TLS_RECORD = 0x16  # the first byte of a handshake
PLAIN = (
    b"This port speaks HTTPS: the address begins with https://\nPorta ini memakai HTTPS: alamatnya diawali https://\n"
)
ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(PLAIN), PLAIN)
)


def server_context(settings: Settings) -> ssl.SSLContext | None:
    """Return the TLS context with the certificate of the settings; None if none is set.

    raises  Invalid  TLS_INCOMPLETE, FILE_UNREADABLE, TLS_UNUSABLE: not a certificate, or not of this key
    """
    names = {"TLS_CERT": settings.tls_cert, "TLS_KEY": settings.tls_key}
    if not any(names.values()):
        return None
    missing = [name for name, path in names.items() if not path]
    if missing:
        raise Invalid("TLS_INCOMPLETE", missing=[*missing])
    for name, path in names.items():
        try:
            with open(path, "rb"):
                pass
        except OSError as problem:
            raise Invalid("FILE_UNREADABLE", variable=name, file=path, why=problem.strerror) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except ssl.SSLError as problem:
        raise Invalid("TLS_UNUSABLE", certificate=settings.tls_cert, key=settings.tls_key, why=str(problem)) from None
    return context


class TlsConnections:
    """Makes HTTP connections from accepted sockets.

    limit  limit of connections; a caller may have as many handshakes in addition
    """

    def __init__(self, context: ssl.SSLContext, limit: ConnectionLimit) -> None:
        self._context = context
        self._limit = ConnectionLimit(limit.most, limit.exempt)

    async def serve(self, connection: socket.socket, protocol: Callable[[], Any]) -> None:
        """Do the handshake of an accepted socket; close the socket if it fails."""
        try:
            address = connection.getpeername()[0]
        except OSError:
            connection.close()
            return
        caller = "" if is_in(address, self._limit.exempt) else caller_of(address)
        if caller and not self._limit.open(caller):
            connection.close()
            return
        loop = asyncio.get_running_loop()
        is_open = False
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                first = await _first_byte(connection)
            if first == TLS_RECORD:
                await loop.connect_accepted_socket(
                    protocol,
                    connection,
                    ssl=self._context,
                    ssl_handshake_timeout=HANDSHAKE_SECONDS,
                    ssl_shutdown_timeout=SHUTDOWN_SECONDS,
                )
                is_open = True
            elif chr(first).isalpha():
                _answer(connection)
        except (OSError, TimeoutError):
            # Not a client of HTTPS, or one that does not trust the certificate; ssl.SSLError is an OSError.
            return
        finally:
            if not is_open:
                connection.close()
            if caller:
                self._limit.close(caller)


async def _first_byte(connection: socket.socket) -> int:
    """Wait for the first byte, without consuming it. Returns 0 at the end of the connection."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection.fileno(), readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection.fileno())
    return next(iter(connection.recv(1, socket.MSG_PEEK)), 0)


def _answer(connection: socket.socket) -> None:
    with suppress(OSError):
        # To close with unread bytes sends a reset, and the client would lose the answer.
        connection.recv(65_536)
        connection.send(ANSWER)
        connection.shutdown(socket.SHUT_WR)
