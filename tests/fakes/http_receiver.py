"""An HTTP server with behaviour: it stores requests and answers as its `answer` decides. Other doubles build on it."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Received:
    """A request as it came; `headers` have names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, str]:
        """The fields of a form, or of the query of a GET."""
        text = urlsplit(self.path).query if self.method == "GET" else self.body.decode()
        return {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}


@dataclass
class Answer:
    """What the server answers.

    is_silent         it reads the request, and closes the connection without an answer
    seconds_per_byte  it sends the body slowly
    """

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    is_silent: bool = False
    seconds_per_byte: float = 0.0


class HttpReceiver:
    """The server; `answer` is called for each request."""

    def __init__(
        self, answer: Callable[[Received], Answer] | None = None, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self.answer: Callable[[Received], Answer] = answer or (lambda _request: Answer())
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                receiver.connections += 1
                super().setup()

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Received(self.command, self.path, headers, body)
                receiver.requests.append(request)
                answer = receiver.answer(request)
                if answer.is_silent:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                if not answer.seconds_per_byte:
                    self.wfile.write(answer.body)
                    return
                for byte in answer.body:
                    time.sleep(answer.seconds_per_byte)
                    self.wfile.write(bytes([byte]))

            def do_GET(self) -> None:
                self.serve()

            def do_POST(self) -> None:
                self.serve()

            def log_message(self, *_words: object) -> None:
                """Log nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """Clients of these tests end connections early."""

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """End the server."""
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> HttpReceiver:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
