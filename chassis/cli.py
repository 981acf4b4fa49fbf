"""The command `rangkiang`: processes, migrations and health; each service adds its own commands.

Help lists a service's commands from its `commands.toml`; the service is imported when one of its commands is called.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from chassis.errors import Error, Invalid, Unavailable
from chassis.service import discover, load, process_settings, service_names, settings_models
from chassis.urls import resolve

if TYPE_CHECKING:
    from chassis.service import Service
    from chassis.settings import Settings

DONE, UNWELL, USAGE, UNAVAILABLE = 0, 1, 2, 3
# Commands of the chassis' own that are imported when they are called: where they are, and their line of help.
LAZY = {"dead": ("chassis.dead:app", "Events that a handler could not take.")}
COMMANDS_FILE = "commands.toml"


class RootGroup(TyperGroup):
    """Lists commands that are not imported yet, and imports one when it is called."""

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
    """Commands that are imported when they are called, with their line of help."""
    helps = {name: line for name, (_, line) in LAZY.items()}
    for service in service_names():
        helps |= _listed_commands(service)
    return helps


def _listed_commands(service: str) -> dict[str, str]:
    """What a service's `commands.toml` lists; the service is not imported."""
    spec = find_spec("services")
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []
    for folder in folders:
        path = folder / service / COMMANDS_FILE
        if path.is_file():
            commands: dict[str, str] = tomllib.loads(path.read_text(encoding="utf-8"))
            return commands
    return {}


def import_command(name: str) -> Any:
    """One of `lazy_commands`, with the options that it takes."""
    if name in LAZY:
        place = LAZY[name][0]
    else:
        [place] = [load(service).commands for service in service_names() if name in _listed_commands(service)]
    imported = typer.Typer(add_completion=False, rich_markup_mode=None)
    imported.add_typer(resolve(place))
    return typer.main.get_group(imported).commands[name]


app = typer.Typer(
    name="rangkiang",
    cls=RootGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # Rich help costs 0.2 s more.
    rich_markup_mode=None,
    help="Rangkiang: the library's services, from one old PC to a cluster.",
)
Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"rangkiang {resolve('importlib.metadata:version')('rangkiang')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options before any command."""


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="Port; the same as PORT.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; the same as HOST.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; the same as WORKERS.")] = None,
    json: Json = False,
) -> None:
    """Run everything here: all services, the local bus and the web pages."""
    services = discover()
    settings = _settings("up", services, gateway=True, port=port, host=host, workers=workers)
    resolve("chassis.health:check_folder")(settings.data)
    for service in services:
        _migrate(settings, service)

    def announce(address: str) -> None:
        if json:
            _print_json({"address": address, "workers": settings.workers})
        else:
            print(f"Rangkiang: {address}   (Ctrl-C menghentikan · Ctrl-C stops it)", flush=True)

    resolve("chassis.up:up")(settings, announce=announce)


@app.command()
def serve(service: str, json: Json = False) -> None:
    """Run one service: gRPC, its relay and its jobs."""
    manifest = load(service)
    settings = _settings(service, [manifest])

    def announce(address: str) -> None:
        if json:
            _print_json({"service": service, "grpc": address})
        else:
            print(f"{service}: grpc {address}", flush=True)

    resolve("chassis.rpc.server:serve")(manifest, settings, announce=announce)


@app.command()
def work(service: str, json: Json = False) -> None:
    """Run one service's consumers, which handle other services' facts."""
    _settings("work", [load(service)])
    # A process of its own from the first import on: green sockets and gRPC cannot share one.
    os.execv(sys.executable, [sys.executable, "-m", "chassis.bus.nameko", service, *(["--json"] if json else [])])  # noqa: S606


@app.command()
def gateway(
    port: Annotated[int | None, typer.Option(help="Port; the same as PORT.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; the same as HOST.")] = None,
    json: Json = False,
) -> None:
    """Run the HTTP gateway: the API and the pages, in front of services elsewhere."""
    settings = _settings("gateway", [], gateway=True, port=port, host=host)

    def announce(address: str) -> None:
        if json:
            _print_json({"address": address})
        else:
            print(f"gateway: {address}", flush=True)

    resolve("chassis.up:serve_gateway")(settings, announce=announce)


@app.command()
def migrate(
    services: Annotated[list[str] | None, typer.Argument(help="Which services; all when none is named.")] = None,
    json: Json = False,
) -> None:
    """Bring databases to their newest revision."""
    manifests = [load(name) for name in services] if services else discover()
    settings = _settings("migrate", manifests)
    resolve("chassis.health:check_folder")(settings.data)
    applied: dict[str, list[str]] = {}
    for service in manifests:
        applied[service.name] = _migrate(settings, service)
        if not json:
            print(f"{service.name}: {', '.join(applied[service.name]) or 'nothing to do'}")
    if json:
        _print_json({"applied": applied})


def _migrate(settings: Settings, service: Service) -> list[str]:
    revisions: list[str] = resolve("chassis.migrate:migrate")(
        service, owner_url=settings.database_owner(service.name), app_url=settings.database(service.name)
    )
    return revisions


@app.command()
def doctor(json: Json = False) -> None:
    """Check every part; say what is wrong and what to do about it."""
    settings: Settings = resolve("chassis.settings:load")()
    resolve("chassis.telemetry:start")(settings, "doctor")
    findings = resolve("chassis.health:examine")(settings, discover())
    well = all(finding.ok for finding in findings)
    if json:
        _print_json({"well": well, "findings": [finding.as_json() for finding in findings]})
    else:
        rows = [
            (
                "[green]ok[/]" if finding.ok else "[red]no[/]",
                finding.part,
                finding.message.speak(settings.language),
                finding.advice.speak(settings.language),
            )
            for finding in findings
        ]
        _print_table(("", "part", "finding", "what to do"), rows)
    raise typer.Exit(DONE if well else UNWELL)


@app.command("settings")
def settings_(json: Json = False) -> None:
    """List every setting: its variable, who reads it, its default, and what it is for."""
    models = settings_models(discover(), gateway=True)
    variables = resolve("chassis.settings:variables")(models, service_names())
    if json:
        keys = ("name", "owners", "default", "description")
        _print_json({"settings": [{key: getattr(variable, key) for key in keys} for variable in variables]})
        return
    rows = [(each.name, ", ".join(each.owners), each.default, each.description) for each in variables]
    _print_table(("variable", "owner", "default", "what for"), rows)


def _settings(process: str, services: Sequence[Service], *, gateway: bool = False, **options: object) -> Settings:
    """The settings of this process, with logging and tracing started as they say.

    options  count as the variable of the same name would, so that a wrong one is refused with that name
    """
    changes = {name.upper(): str(value) for name, value in options.items() if value is not None}
    settings = process_settings(services, gateway=gateway, changes=changes)
    resolve("chassis.telemetry:start")(settings, process)
    return settings


def _print_json(line: dict[str, Any]) -> None:
    print(orjson.dumps(line, default=str).decode(), flush=True)


def _print_table(columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> None:
    table = resolve("rich.table:Table")(*columns)
    for row in rows:
        table.add_row(*row)
    resolve("rich.console:Console")().print(table)


def main() -> None:
    """Entry point: runs a command and turns a named error into a sentence and an exit code."""
    try:
        if "--json" not in sys.argv:
            app()
        code = app(standalone_mode=False)
        raise SystemExit(code if isinstance(code, int) else DONE)
    except typer.Abort:
        raise SystemExit(UNWELL) from None
    except TyperException as problem:
        # As every other error: with --json the last line is JSON whatever happens.
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
        _print_json({"error": {"reason": problem.reason, "facts": problem.facts, "sentence": sentence}})
    else:
        print(f"{problem.reason}: {problem.sentence.speak(operator_language())}", file=sys.stderr)


def operator_language() -> str:
    """The operator's language; English when the settings cannot be read."""
    try:
        language: str = resolve("chassis.settings:load")().language
    except Error:
        return "en"
    return language


if __name__ == "__main__":
    main()
