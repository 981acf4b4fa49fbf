"""What the processes of fork_server.py import before they fork, and programs of tests that forks run."""

from __future__ import annotations

import os
import pkgutil
import runpy
import sys
import warnings
from importlib import import_module

IMPORTED = (
    *(
        "chassis.operations.health",
        "chassis.migrations.migrate",
        "chassis.database.postgres",
        "chassis.rpc.server",
        "chassis.cli.up",
    ),
    *("gateway.app", "services.catalog.importing.pipeline", "services.catalog.index.elastic"),
    "services.catalog.index.tantivy",
    # Libraries that are imported on demand.
    *("chassis.operations.sampling", "opentelemetry.instrumentation.fastapi", "sqlite3", "uvloop"),
)
IMPORTED_BY_WORKERS = (
    "chassis.operations.sampling",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "requests",
)


def import_product() -> None:
    """Import all that commands need."""
    import chassis.cli.commands  # noqa: F401
    from chassis.service import discover
    from chassis.urls import resolve

    for service in discover():
        for place in (service.rpc, service.commands, *(job.run for job in service.jobs)):
            if place:
                resolve(place)
    # What the commands import when they run.
    for module in IMPORTED:
        import_module(module)
    import_module("tests.forked_decoders")
    for router in pkgutil.iter_modules(import_module("gateway.api").__path__, "gateway.api."):
        import_module(router.name)
    # Each fork would do these at its first query and its first search.
    import_module("sqlalchemy.orm").configure_mappers()
    import_module("services.catalog.search.own_vocabulary").load_words()


def import_workers() -> None:
    """Import as the module of `work` does: sockets and waiting are changed first, and gRPC is not imported."""
    os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"
    warnings.simplefilter("ignore")
    import eventlet

    eventlet.monkey_patch()
    import_module("chassis.bus.nameko")
    del sys.modules["chassis.bus.nameko"]  # each fork runs it as its main module
    from chassis.service import discover
    from chassis.urls import resolve

    for service in discover():
        for consumer in service.consumers:
            resolve(consumer.handler)
    for module in IMPORTED_BY_WORKERS:
        import_module(module)
    import_module("sqlalchemy.orm").configure_mappers()
    assert "grpc" not in sys.modules


def run_script(source: str, *words: str) -> None:
    """Run the source of a program, as `python -c SOURCE WORDS` does."""
    sys.argv = ["-c", *words]
    exec(compile(source, "<script>", "exec"), {"__name__": "__main__"})


def run_worker(service: str, backoff: str = "") -> None:
    """Run `work` of a service, as its module does.

    backoff  seconds between attempts, with commas
    """
    import eventlet.hubs

    import chassis.bus

    eventlet.hubs.use_hub()  # the one of the process that forks is not shared
    if backoff:
        chassis.bus.BACKOFF_SECONDS = tuple(map(float, backoff.split(",")))
    sys.argv = ["worker", service, "--json"]
    runpy.run_module("chassis.bus.nameko", run_name="__main__", alter_sys=True)
