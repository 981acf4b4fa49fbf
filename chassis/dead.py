"""`rangkiang dead`: see, replay and drop the events a service's handlers could not take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from chassis.bus.dead import ADAPTERS, DeadEvent, DeadList
from chassis.errors import Invalid, NotFound
from chassis.service import Resources, load
from chassis.settings import load as load_settings
from chassis.urls import open_url

app = typer.Typer(name="dead", no_args_is_help=True, help="Events that a handler could not take.")
Service = Annotated[str, typer.Option("--service", help="Whose handlers.")]
Keys = Annotated[list[str] | None, typer.Argument(help="Keys as `dead list` shows them, or event ids.")]
Everything = Annotated[bool, typer.Option("--all", help="Every one on the list.")]
Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]


@app.command("list")
def list_(service: Service, json: Json = False) -> None:
    """What is on the dead list."""
    with _opened(service) as dead:
        found = dead.find()
    if json:
        _print({"total": len(found), "dead": [each.as_json() for each in found]})
        return
    table = Table("key", "event", "occurred", "attempts", "error")
    for each in found:
        table.add_row(each.key, each.type, each.occurred, str(each.attempts), each.error[:120])
    Console().print(table if found else "—")


@app.command()
def show(service: Service, key: str, json: Json = False) -> None:
    """One of them, whole."""
    with _opened(service) as dead:
        each = _named(dead.find(), [key])[0]
    if json:
        _print(each.as_json())
    else:
        for name, value in each.as_json().items():
            typer.echo(f"{name:12}{value}")


@app.command()
def replay(service: Service, keys: Keys = None, everything: Everything = False, json: Json = False) -> None:
    """Give events to their handlers again, once what was wrong is mended."""
    with _opened(service) as dead:
        done = dead.replay(_chosen(dead, keys, everything))
    _print({"replayed": done}) if json else typer.echo(f"{done} replayed")


@app.command()
def drop(service: Service, keys: Keys = None, everything: Everything = False, json: Json = False) -> None:
    """Forget events for good: their effect will never come."""
    with _opened(service) as dead:
        done = dead.drop(_chosen(dead, keys, everything))
    _print({"dropped": done}) if json else typer.echo(f"{done} dropped")


@contextmanager
def _opened(name: str) -> Iterator[DeadList]:
    settings, service = load_settings(), load(name)
    with closing(service.open_database(settings, pool_size=2)) as database:
        resources = Resources(settings=settings, database=database, service=service)
        with closing(open_url(settings.bus_url, ADAPTERS, resources=resources)) as dead:
            yield dead


def _chosen(dead: DeadList, keys: list[str] | None, everything: bool) -> list[str]:
    if bool(keys) == everything:
        raise Invalid("NOTHING_CHOSEN")
    found = dead.find()
    return [each.key for each in (found if everything else _named(found, keys or []))]


def _named(found: list[DeadEvent], keys: list[str]) -> list[DeadEvent]:
    """Those with these keys or event ids. Raises NotFound DEAD_EVENT_NOT_FOUND for the first that is not there."""
    chosen = []
    for key in keys:
        matching = [each for each in found if key in (each.key, each.key.rpartition("/")[2])]
        if not matching:
            raise NotFound("DEAD_EVENT_NOT_FOUND", key=key)
        chosen += matching
    return chosen


def _print(told: dict[str, object]) -> None:
    typer.echo(orjson.dumps(told).decode())
