"""`rangkiang dead`: list, replay and drop the events that handlers could not process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated

import typer

from chassis.bus import DEAD_ADAPTERS, DeadEvent, DeadList
from chassis.errors import Invalid, NotFound
from chassis.output import print_json, print_table, print_text
from chassis.service import open_for_command
from chassis.urls import open_url

app = typer.Typer(name="dead", no_args_is_help=True, help="Events that a handler could not process.")
Service = Annotated[str, typer.Option("--service", help="Service of the handlers.")]
Keys = Annotated[list[str] | None, typer.Argument(help="Keys as `dead list` shows them, or event ids.")]
Everything = Annotated[bool, typer.Option("--all", help="Every event on the list.")]
Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]


@app.command("list")
def list_(service: Service, json: Json = False) -> None:
    """List the events on the dead list."""
    with _open_dead_list(service) as dead:
        events = dead.find()
    if json:
        print_json({"total": len(events), "dead": [event.as_json() for event in events]})
        return
    if not events:
        print_text("—")
        return
    rows = [(event.key, event.type, event.occurred, str(event.attempts), event.error[:120]) for event in events]
    print_table(("key", "event", "occurred", "attempts", "error"), rows)


@app.command()
def show(service: Service, key: str, json: Json = False) -> None:
    """Show all data of one event."""
    with _open_dead_list(service) as dead:
        event = _find_events(dead.find(), [key])[0]
    if json:
        print_json(event.as_json())
    else:
        for name, value in event.as_json().items():
            print_text(f"{name:12}{value}")


@app.command()
def replay(service: Service, keys: Keys = None, everything: Everything = False, json: Json = False) -> None:
    """Deliver events to their handlers again, after you have corrected the cause of their failure."""
    with _open_dead_list(service) as dead:
        count = dead.replay(_select_keys(dead, keys, everything))
    print_json({"replayed": count}) if json else print_text(f"{count} replayed")


@app.command()
def drop(service: Service, keys: Keys = None, everything: Everything = False, json: Json = False) -> None:
    """Delete events; their handlers never process them."""
    with _open_dead_list(service) as dead:
        count = dead.drop(_select_keys(dead, keys, everything))
    print_json({"dropped": count}) if json else print_text(f"{count} dropped")


@contextmanager
def _open_dead_list(name: str) -> Iterator[DeadList]:
    with (
        open_for_command(name, pool_size=2) as resources,
        closing(open_url(resources.settings.bus_url, DEAD_ADAPTERS, resources=resources)) as dead,
    ):
        yield dead


def _select_keys(dead: DeadList, keys: list[str] | None, everything: bool) -> list[str]:
    if bool(keys) == everything:
        raise Invalid("NOTHING_CHOSEN")
    events = dead.find()
    return [event.key for event in (events if everything else _find_events(events, keys or []))]


def _find_events(events: list[DeadEvent], keys: list[str]) -> list[DeadEvent]:
    """Return the events with these keys or event ids. Raises NotFound DEAD_EVENT_NOT_FOUND for an unknown key."""
    selected = []
    for key in keys:
        matching = [event for event in events if key in (event.key, event.key.rpartition("/")[2])]
        if not matching:
            raise NotFound("DEAD_EVENT_NOT_FOUND", key=key)
        selected += matching
    return selected
