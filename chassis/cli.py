"""The command `rangkiang`: processes, migrations and health; each service adds its own commands by its manifest."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table
from typer.exceptions import TyperException

from chassis.errors import Error, Invalid, Unavailable
from chassis.service import discover, load
from chassis.settings import Settings, environment_with
from chassis.settings import load as load_settings
from chassis.urls import resolve

DONE, UNWELL, USAGE, UNAVAILABLE = 0, 1, 2, 3
MINIMUM_FREE_BYTES = 64 * 1024 * 1024

app = typer.Typer(
    name="rangkiang",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Rangkiang: the library's services, from one old PC to a cluster.",
)
Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="Port; PORT says the same.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; HOST says the same.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; WORKERS says the same.")] = None,
    json: Json = False,
) -> None:
    """Run everything here: all services, the local bus and the web pages."""
    given = {"port": port, "host": host, "workers": workers}
    settings = _settings("up", **{name: value for name, value in given.items() if value is not None})
    usable_folder(settings.data)
    for service in discover():
        resolve("chassis.migrate:migrate")(
            service, owner_url=settings.database_owner(service.name), app_url=settings.database(service.name)
        )

    def announce(address: str) -> None:
        if json:
            print(orjson.dumps({"address": address, "workers": settings.workers}).decode(), flush=True)
        else:
            print(f"Rangkiang: {address}   (Ctrl-C menghentikan · Ctrl-C stops it)", flush=True)

    resolve("chassis.up:up")(settings, announce=announce)


@app.command()
def serve(service: str, json: Json = False) -> None:
    """Run one service: gRPC, its relay and its jobs."""
    settings = _settings(service)

    def announce(address: str) -> None:
        line = orjson.dumps({"service": service, "grpc": address}).decode() if json else f"{service}: grpc {address}"
        print(line, flush=True)

    resolve("chassis.rpc.server:serve")(load(service), settings, announce=announce)


@app.command()
def work(service: str, json: Json = False) -> None:
    """Run one service's consumers: what other services' facts mean to it."""
    _settings("work")
    load(service)
    # A process of its own from the first import on: green sockets and gRPC cannot share one.
    os.execv(sys.executable, [sys.executable, "-m", "chassis.bus.nameko", service, *(["--json"] if json else [])])  # noqa: S606


@app.command()
def gateway(
    port: Annotated[int | None, typer.Option(help="Port; PORT says the same.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; HOST says the same.")] = None,
    json: Json = False,
) -> None:
    """Run the HTTP gateway: the API and the pages, in front of services elsewhere."""
    given = {"port": port, "host": host}
    settings = _settings("gateway", **{name: value for name, value in given.items() if value is not None})

    def announce(address: str) -> None:
        print(orjson.dumps({"address": address}).decode() if json else f"gateway: {address}", flush=True)

    resolve("chassis.up:serve_gateway")(settings, announce=announce)


@app.command()
def migrate(
    services: Annotated[list[str] | None, typer.Argument(help="Which services; all when none is named.")] = None,
    json: Json = False,
) -> None:
    """Bring databases to their newest revision."""
    settings = _settings("migrate")
    usable_folder(settings.data)
    done: dict[str, list[str]] = {}
    for service in [load(name) for name in services] if services else discover():
        done[service.name] = resolve("chassis.migrate:migrate")(
            service, owner_url=settings.database_owner(service.name), app_url=settings.database(service.name)
        )
        if not json:
            print(f"{service.name}: {', '.join(done[service.name]) or 'nothing to do'}")
    if json:
        print(orjson.dumps({"applied": done}).decode())


@app.command()
def doctor(json: Json = False) -> None:
    """Look at every part; say what is wrong and what to do about it."""
    settings = _settings("doctor")
    findings = resolve("chassis.health:examine")(settings, discover())
    well = all(each.ok for each in findings)
    if json:
        print(orjson.dumps({"well": well, "findings": [each.as_json() for each in findings]}).decode())
    else:
        table = Table("", "part", "finding", "what to do")
        for each in findings:
            mark = "[green]ok[/]" if each.ok else "[red]no[/]"
            table.add_row(mark, each.part, each.say.speak(settings.language), each.advice.speak(settings.language))
        Console().print(table)
    raise typer.Exit(DONE if well else UNWELL)


def _settings(process: str, **given: object) -> Settings:
    # As the variable of the same name would say it, so that it is judged and named alike.
    settings = load_settings(environment_with(**{name.upper(): str(value) for name, value in given.items()}))
    resolve("chassis.telemetry:start")(settings, process)
    return settings


def usable_folder(folder: Path) -> None:
    """Be sure that data can be kept here.

    raises  Unavailable  FOLDER_UNUSABLE, DISK_FULL
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
        room = os.statvfs(folder)
    except OSError as problem:
        raise Unavailable("FOLDER_UNUSABLE", folder=str(folder), why=problem.strerror) from None
    free = room.f_bavail * room.f_frsize
    if free < MINIMUM_FREE_BYTES:
        raise Unavailable(
            "DISK_FULL", folder=str(folder), free_mb=free // 1024 // 1024, need_mb=MINIMUM_FREE_BYTES // 1024 // 1024
        )


def _add_service_commands() -> None:
    app.add_typer(resolve("chassis.dead:app"))
    for service in discover():
        if service.commands:
            theirs = resolve(service.commands)
            app.registered_commands += theirs.registered_commands
            app.registered_groups += theirs.registered_groups


def main() -> None:
    """Entry point: runs a command and turns a named error into a sentence and an exit code."""
    try:
        _add_service_commands()
        if "--json" not in sys.argv:
            app()
        code = app(standalone_mode=False)
        raise SystemExit(code if isinstance(code, int) else DONE)
    except typer.Abort:
        raise SystemExit(UNWELL) from None
    except TyperException as problem:
        # Told as every other error is: --json ends with a line of JSON whatever happens.
        _report(Invalid("USAGE", why=problem.format_message()))
        raise SystemExit(USAGE) from None
    except Error as problem:
        _report(problem)
        raise SystemExit(_exit_code(problem)) from None


def _exit_code(problem: Error) -> int:
    if isinstance(problem, Invalid):
        return USAGE
    return UNAVAILABLE if isinstance(problem, Unavailable) else UNWELL


def _report(problem: Error) -> None:
    if "--json" in sys.argv:
        sentence = {"id": problem.sentence.id, "en": problem.sentence.en}
        told = {"reason": problem.reason, "facts": problem.facts, "sentence": sentence}
        print(orjson.dumps({"error": told}, default=str).decode())
    else:
        print(f"{problem.reason}: {problem.sentence.speak(speaking())}", file=sys.stderr)


def speaking() -> str:
    """The operator's language, as far as the settings can be read at all."""
    try:
        return load_settings().language
    except Error:
        return "en"


if __name__ == "__main__":
    main()
