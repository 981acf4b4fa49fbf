"""A TCP proxy that refuses, breaks or stalls connections, as a network can."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """Listens on `port` and passes bytes in both directions."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()
        self._shut = self._stalled = self._ended = False
        self.delay_seconds = 0.0  # of everything that passes, one piece after the other
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def shut(self) -> None:
        """Break the open connections and each new one."""
        self._shut = True
        self.cut()

    def open(self) -> None:
        self._shut = self._stalled = False

    def cut(self) -> None:
        """Break every open connection."""
        with self._lock:
            for connection in list(self._pairs):
                self._break(connection)

    def stall(self) -> None:
        """Keep connections open without passing bytes."""
        self._stalled = True

    def silence(self) -> None:
        """Pass no byte of the connections that are open now, and keep them open; new connections work.

        So does a failover whose old address drops packets.
        """
        with self._lock:
            for connection in self._pairs:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(connection)

    def close(self) -> None:
        self._ended = True
        self._thread.join()
        self.cut()
        self._listener.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif not self._stalled and key.fileobj in self._pairs:
                        self._pass_on(key.fileobj)  # type: ignore[arg-type]

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if self._shut:
            client.close()
            return
        server = socket.create_connection(self._upstream)
        for source, target in ((client, server), (server, client)):
            self._pairs[source] = target
            self._selector.register(source, selectors.EVENT_READ)

    def _pass_on(self, source: socket.socket) -> None:
        try:
            data = source.recv(65536)
            if data:
                time.sleep(self.delay_seconds)
                self._pairs[source].sendall(data)
                return
        except OSError:
            data = b""
        self._break(source)

    def _break(self, connection: socket.socket) -> None:
        peer = self._pairs.pop(connection, None)
        for end in (connection, peer):
            if end is not None:
                self._pairs.pop(end, None)
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(end)
                end.close()


@contextmanager
def proxy_to(host: str, port: int) -> Iterator[Proxy]:
    proxy = Proxy((host, port))
    try:
        yield proxy
    finally:
        proxy.close()
