"""Export of the metrics: one process of a machine serves and sends them for all; when it ends, another takes over."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from chassis.metrics.store import Store
from chassis.settings import Settings
from chassis.urls import resolve

log = logging.getLogger(__name__)

TAKE_OVER_SECONDS = 1.0
READ_SECONDS = 5.0  # longest wait for a request on a connection

_stop = threading.Event()
_thread: threading.Thread | None = None


def start(settings: Settings, store: Store) -> None:
    """Serve in a thread as soon as no other process of this machine does."""
    global _thread
    _stop.clear()
    _thread = threading.Thread(target=_run, args=(settings, store), name="metrics", daemon=True)
    _thread.start()


def stop() -> None:
    """Free the port for another process."""
    _stop.set()
    if _thread is not None:
        _thread.join(timeout=READ_SECONDS)


def _run(settings: Settings, store: Store) -> None:
    refused = False
    while not _stop.is_set():
        handle = store.lock("export")
        if handle is None:
            _stop.wait(TAKE_OVER_SECONDS)
            continue
        try:
            with _served(settings, store) if settings.metrics_port else nullcontext():
                _send_until_stop(settings, store) if settings.otel_metrics_exporter == "otlp" else _stop.wait()
        except OSError as problem:
            if not refused:
                log.warning("metrics_not_served", extra={"port": settings.metrics_port, "why": problem.strerror})
            refused = True
            _stop.wait(TAKE_OVER_SECONDS)
        finally:
            os.close(handle)


@contextmanager
def _served(settings: Settings, store: Store) -> Iterator[None]:
    """Serve during the block. Raises OSError when the port is taken."""
    with _Server((settings.metrics_host, settings.metrics_port), store.families) as server:
        thread = threading.Thread(target=server.serve_forever, name="metrics-port", daemon=True)
        thread.start()
        log.debug("metrics_served", extra={"host": settings.metrics_host, "port": server.server_port})
        try:
            yield
        finally:
            server.shutdown()


def _send_until_stop(settings: Settings, store: Store) -> None:
    # Imported by name, so that OpenTelemetry is imported only if it is used.
    sender = resolve("chassis.metrics.otlp:Sender")(settings.otel_exporter_otlp_endpoint, since=store.since)
    with closing(sender):
        while not _stop.wait(settings.otel_metric_export_interval / 1000):
            sender.send(store.families())


class _Families:
    """The registry that the library's exposition reads."""

    def __init__(self, families: Callable[[], list[Metric]]) -> None:
        self.collect = families


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], families: Callable[[], list[Metric]]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)
        self.registry = CollectorRegistry()
        self.registry.register(_Families(families))

    def handle_error(self, *_request: Any) -> None:
        log.warning("metrics_request_failed", exc_info=sys.exception())


class _Handler(BaseHTTPRequestHandler):
    """Answers only GET /metrics."""

    server: _Server
    timeout = READ_SECONDS
    server_version, sys_version = "rangkiang", ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        body = generate_latest(self.server.registry)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Do nothing, because operators need no log of these requests."""
