"""The command `rangkiang`: processes, migrations and health; each service adds its own commands.

The help reads a service's commands from `commands.toml`; the service is imported only when one of them is called.
"""

from __future__ import annotations

import os
import sys
import tomllib
import traceback
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from chassis.command_errors import DONE, FINDINGS, exit_with
from chassis.errors import Error, Invalid, Unavailable
from chassis.output import accept_any_text, print_json, print_table, print_text
from chassis.service import (
    check_urls,
    discover,
    load,
    print_folder,
    process_settings,
    service_names,
    settings_models,
)
from chassis.urls import resolve

if TYPE_CHECKING:
    from chassis.service import Service
    from chassis.settings import Settings

MARK_COLOURS = {"ok": "green", "to do": "yellow", "fault": "red"}
# Commands of the chassis and the gateway that are imported only when called -> their location and line of help.
LAZY = {
    "audit": ("chassis.audit.commands:app", "Verify and list the audit: who did what, and when."),
    "backup": (
        "chassis.operations.backup:app",
        "Copy all databases to a folder, as they are at one moment, while the services run.",
    ),
    "dead": ("chassis.operations.dead:app", "Events that a handler could not process."),
    "desk": ("gateway.desk_command:app", "Lend, return and count items: one scan per line of standard input."),
    "restore": ("chassis.operations.backup:app", "Restore all databases of a backup; no process of Rangkiang may run."),
    "tls": ("chassis.operations.certificates:app", "Certificates of this machine and of the services."),
    "resync": (
        "chassis.operations.resync:app",
        "Copy again the data that a service keeps from other services; current rows do not change.",
    ),
    "z3950": (
        "gateway.partners.z3950.configuration:app",
        "Print the configuration of the Z39.50 server, or start the server with it.",
    ),
}
COMMANDS_FILE = "commands.toml"


class RootGroup(TyperGroup):
    """Lists commands that are not yet imported, and imports a command when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *lazy_commands()]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is None and cmd_name in lazy_commands():
            return TyperCommand(cmd_name, help=lazy_commands()[cmd_name])
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in lazy_commands():
            self.add_command(import_command(args[0]), args[0])
        return super().resolve_command(ctx, args)


@cache
def lazy_commands() -> dict[str, str]:
    """Return command -> line of help, for commands that are imported only when called."""
    helps = {name: line for name, (_, line) in LAZY.items()}
    for service in service_names():
        helps |= _listed_commands(service)
    return helps


def _listed_commands(service: str) -> dict[str, str]:
    """Read the `commands.toml` of a service without importing the service."""
    spec = find_spec("services")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    for folder in folders:
        path = folder / service / COMMANDS_FILE
        if path.is_file():
            commands: dict[str, str] = tomllib.loads(path.read_text(encoding="utf-8"))
            return commands
    return {}


def import_command(name: str) -> Any:
    """Import one of `lazy_commands`; a group that several services define, such as `report`, has all their commands."""
    if name in LAZY:
        places = [LAZY[name][0]]
    else:
        places = [load(service).commands for service in service_names() if name in _listed_commands(service)]
    commands = []
    for place in places:
        imported = typer.Typer(add_completion=False, rich_markup_mode=None)
        imported.add_typer(resolve(place))
        commands.append(typer.main.get_group(imported).commands[name])
    command: Any = commands[0]
    for other in commands[1:]:
        command.commands.update(other.commands)  # type: ignore[attr-defined]
    return command


app = typer.Typer(
    name="rangkiang",
    cls=RootGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help, because rich help takes 0.2 s longer.
    rich_markup_mode=None,
    help="Rangkiang: the library's services, from one old PC to a cluster.",
)
Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]


def _print_version(is_set: bool) -> None:
    if is_set:
        print_text(f"rangkiang {resolve('importlib.metadata:version')('rangkiang')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options that precede a command."""


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="Port to listen on; the same as PORT.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; the same as HOST.")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of worker processes; the same as WORKERS.")] = None,
    json: Json = False,
) -> None:
    """Run everything in one place: all services, the local bus and the web pages."""
    services = discover()
    settings = _settings("up", services, gateway=True, forks=True, port=port, host=host, workers=workers)
    resolve("chassis.operations.health:check_folder")(settings.data)
    for service in services:
        _migrate(settings, service)
    raise typer.Exit(resolve("chassis.cli.up:up")(settings, json_lines=json))


@app.command()
def serve(service: str, json: Json = False) -> None:
    """Run one service: gRPC, its relay and its jobs."""
    manifest = load(service)
    settings = _settings(service, [manifest])

    def announce(address: str) -> None:
        if json:
            print_json({"service": service, "grpc": address})
        else:
            print_text(f"{service}: grpc {address}")

    resolve("chassis.rpc.server:serve")(manifest, settings, announce=announce)


@app.command()
def work(service: str, json: Json = False) -> None:
    """Run the consumers of one service, which handle events of other services."""
    _settings("work", [load(service)])
    # In a new process, because gRPC must not be imported into a process with eventlet's sockets.
    command = [sys.executable, "-P", "-m", "chassis.bus.nameko", service, *(["--json"] if json else [])]
    os.execv(sys.executable, command)  # noqa: S606


@app.command()
def gateway(
    port: Annotated[int | None, typer.Option(help="Port to listen on; the same as PORT.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; the same as HOST.")] = None,
    json: Json = False,
) -> None:
    """Run the HTTP gateway: the API and the pages. The services run in other processes."""
    settings = _settings("gateway", [], gateway=True, port=port, host=host)

    def announce(address: str) -> None:
        if json:
            print_json({"address": address})
        else:
            print_text(f"gateway: {address}")

    resolve("chassis.cli.up:serve_gateway")(settings, announce=announce)


@app.command()
def migrate(
    services: Annotated[list[str] | None, typer.Argument(help="Names of services; all of them by default.")] = None,
    json: Json = False,
) -> None:
    """Apply the missing migrations to the databases."""
    manifests = [load(name) for name in services] if services else discover()
    settings = _settings("migrate", manifests)
    resolve("chassis.operations.health:check_folder")(settings.data)
    print_folder(settings)
    applied: dict[str, list[str]] = {}
    for service in manifests:
        applied[service.name] = _migrate(settings, service)
        if not json:
            print_text(f"{service.name}: {', '.join(applied[service.name]) or 'nothing to do'}")
    if json:
        print_json({"applied": applied})


def _migrate(settings: Settings, service: Service) -> list[str]:
    revisions: list[str] = resolve("chassis.migrations.migrate:migrate")(
        service, owner_url=settings.database_owner(service.name), app_url=settings.database(service.name)
    )
    return revisions


@app.command()
def doctor(
    services: Annotated[list[str] | None, typer.Argument(help="Names of services; all of them by default.")] = None,
    json: Json = False,
) -> None:
    """Check every part, and print what is wrong and what to do."""
    manifests = [load(name) for name in services] if services else discover()
    variables = resolve("chassis.settings:variables")(settings_models(discover(), gateway=True), service_names())
    environ = resolve("chassis.settings:environment_with")()
    check_urls([variable.name for variable in variables], environ)
    settings: Settings = resolve("chassis.settings:load")(environ)
    resolve("chassis.metrics.telemetry:start")(settings, "doctor")
    findings = resolve("chassis.operations.health:examine")(settings, manifests)
    well = all(finding.ok for finding in findings)
    if json:
        print_json({"well": well, "findings": [finding.as_json() for finding in findings]})
    else:
        rows = [
            (
                finding.mark,
                finding.part,
                finding.message.in_language(settings.language),
                finding.advice.in_language(settings.language),
            )
            for finding in findings
        ]
        print_table(("", "part", "finding", "what to do"), rows, colours=MARK_COLOURS)
        print_text(resolve("chassis.operations.health:summary")(findings).in_language(settings.language))
    raise typer.Exit(DONE if well else FINDINGS)


@app.command("settings")
def settings_(json: Json = False) -> None:
    """List every setting: its variable, its owners, its default and its purpose."""
    models = settings_models(discover(), gateway=True)
    variables = resolve("chassis.settings:variables")(models, service_names())
    if json:
        keys = ("name", "owners", "default", "description")
        print_json({"settings": [{key: getattr(variable, key) for key in keys} for variable in variables]})
        return
    rows = [
        (variable.name, ", ".join(variable.owners), variable.default, variable.description) for variable in variables
    ]
    print_table(("variable", "owner", "default", "purpose"), rows)


def _settings(
    process: str, services: Sequence[Service], *, gateway: bool = False, forks: bool = False, **options: object
) -> Settings:
    """Read the settings of this process, and start logging, metrics and tracing.

    forks    the process forks others, which start metrics and tracing themselves
    options  values that replace the variables of the same names; an error names the variable
    """
    changes = {name.upper(): str(value) for name, value in options.items() if value is not None}
    settings = process_settings(services, gateway=gateway, changes=changes)
    resolve(f"chassis.metrics.telemetry:{'start_logs' if forks else 'start'}")(settings, process)
    return settings


def main() -> None:
    """Run a command; print an error as a sentence and end with its exit code."""
    accept_any_text()
    try:
        if "--json" not in sys.argv:
            app()
        code = app(standalone_mode=False)
        raise SystemExit(code if isinstance(code, int) else DONE)
    except typer.Abort:
        raise SystemExit(FINDINGS) from None
    except TyperException as problem:
        exit_with(Invalid("USAGE", why=problem.format_message()))
    except Error as error:
        exit_with(error)
    except OSError as problem:
        file = problem.filename or "-"
        exit_with(Unavailable("FILE_OR_DEVICE_FAILED", file=str(file), why=problem.strerror or str(problem)))
    except Exception:
        # A bug of the program: developers need the traceback, without control characters for the terminal.
        print_text(traceback.format_exc(), to_errors=True)
        raise SystemExit(FINDINGS) from None


if __name__ == "__main__":
    main()
