"""A node of Elasticsearch's client whose HTTP takes a third of the CPU time.

urllib3 still connects, verifies, pools and sets timeouts. But urllib3 writes each header of a request separately and
parses a response as e-mail, which together take a third of the time of a search. This node sends a request in one
write and parses the response with httptools, which our HTTP server uses too.
"""

from __future__ import annotations

from http.client import IncompleteRead, RemoteDisconnected
from typing import Any

import httptools
from elastic_transport import NodeConfig, Urllib3HttpNode
from urllib3 import HTTPHeaderDict, HTTPResponse

READ_BYTES = 65_536


class FastNode(Urllib3HttpNode):
    """One node, for `node_class` of the client."""

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        connection: Any = self.pool.ConnectionCls
        self.pool.ConnectionCls = type("FastConnection", (_FastMessages, connection), {})


class _FastMessages:
    """Replaces two methods of a urllib3 connection; they raise the errors of http.client."""

    def request(
        self: Any, method: str, url: str, body: bytes | None = None, headers: Any = None, **options: Any
    ) -> None:
        self._is_fast = method != "HEAD"  # a response to HEAD has the length of a body, but no body
        if not self._is_fast:
            super().request(method, url, body=body, headers=headers, **options)  # type: ignore[misc]
            return
        self._asked = method, url
        if self.sock is not None:
            self.sock.settimeout(self.timeout)
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == self.default_port else f":{self.port}"
        lines = [f"{method} {url} HTTP/1.1", f"host: {host}{port}", "accept-encoding: identity"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body is not None:
            lines.append(f"content-length: {len(body)}")
        if any("\n" in line or "\r" in line for line in lines):
            raise ValueError("a header of two lines")
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b""))

    def getresponse(self: Any) -> Any:
        if not self._is_fast:
            return super().getresponse()  # type: ignore[misc]
        self.sock.settimeout(self.timeout)
        response = _Response()
        has_begun = False
        try:
            while not response.is_complete:
                data = self.sock.recv(READ_BYTES)
                if data:
                    has_begun = True
                    response.parser.feed_data(data)
                elif response.ends_with_connection:
                    break
                else:
                    raise IncompleteRead(b"") if has_begun else RemoteDisconnected("no response")
        except httptools.HttpParserError as problem:
            raise RemoteDisconnected(str(problem)) from None
        if not response.keeps_alive:
            self.close()
        method, url = self._asked
        return HTTPResponse(
            b"".join(response.body),
            headers=response.headers,
            status=response.parser.get_status_code(),
            version=11,
            request_method=method,
            request_url=url,
        )


class _Response:
    """Callbacks of httptools while it parses a response."""

    def __init__(self) -> None:
        self.headers = HTTPHeaderDict()
        self.body: list[bytes] = []
        self.is_complete = self.ends_with_connection = self.keeps_alive = False
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.add(name.decode("latin-1"), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        self.ends_with_connection = not ("content-length" in self.headers or "transfer-encoding" in self.headers)

    def on_body(self, data: bytes) -> None:
        self.body.append(data)

    def on_message_complete(self) -> None:
        self.is_complete = True
        self.keeps_alive = self.parser.should_keep_alive()  # must be read now: later the parser no longer knows it
