"""`rangkiang dead`: an operator lists, shows, replays and drops events whose handler failed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from chassis.bus.local_delivery import Deliveries
from chassis.errors import Invalid, NotFound
from chassis.operations.dead import app
from tests.example_services.installation import Installation, installation_of
from tests.migrated import MigratedDatabases

ORDERS = ["--service", "tests.example_services.orders.service:SERVICE"]


@pytest.fixture
def installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated: MigratedDatabases
) -> Iterator[Installation]:
    with installation_of("local", tmp_path, migrated) as installation:
        monkeypatch.setenv("DATA", str(tmp_path))
        monkeypatch.setenv("BUS_URL", "local:")
        monkeypatch.delenv("DATABASE_URL", raising=False)
        installation.break_orders(True)
        installation.receive("guava", "mango")
        installation.publish()
        Deliveries(installation.orders, backoff=()).run_due(threading.Event())
        yield installation


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, *ORDERS], catch_exceptions=False)


def dead_events() -> list[dict[str, str]]:
    events: list[dict[str, str]] = json.loads(run("list", "--json").stdout)["dead"]
    return events


def test_list_prints_all_events_in_one_json_line(installation: Installation) -> None:
    listing = json.loads(run("list", "--json").stdout)
    assert listing["total"] == 2
    event = listing["dead"][0]
    assert (event["handler"], event["type"], event["attempts"]) == ("place_order", "examples.v1.ArticleReceived", 1)
    assert event["error"] == "RuntimeError: orders are broken"


def test_list_is_readable_on_a_terminal(installation: Installation) -> None:
    assert "broken" in run("list").stdout


def test_show_prints_an_event_by_key_or_event_id(installation: Installation) -> None:
    key = dead_events()[0]["key"]
    assert '"guava"' in json.loads(run("show", key, "--json").stdout)["body"]
    assert "guava" in run("show", key.split("/")[1]).stdout


def test_replay_delivers_an_event_to_its_handler_again(installation: Installation) -> None:
    installation.break_orders(False)
    assert json.loads(run("replay", dead_events()[1]["key"], "--json").stdout) == {"replayed": 1}
    Deliveries(installation.orders).run_due(threading.Event())
    assert installation.placed() == ["mango"]
    assert len(dead_events()) == 1


def test_replay_all(installation: Installation) -> None:
    assert run("replay", "--all").stdout == "2 replayed\n"
    assert dead_events() == []


def test_drop_deletes_an_event(installation: Installation) -> None:
    dropped, remaining = dead_events()
    assert json.loads(run("drop", dropped["key"], "--json").stdout) == {"dropped": 1}
    assert dead_events() == [remaining]


def test_a_missing_key_is_an_error_and_drops_nothing(installation: Installation) -> None:
    with pytest.raises(NotFound) as refusal:
        run("drop", dead_events()[0]["key"], "place_order/nothing")
    assert refusal.value.reason == "DEAD_EVENT_NOT_FOUND"
    assert len(dead_events()) == 2


def test_drop_without_a_choice_drops_nothing(installation: Installation) -> None:
    with pytest.raises(Invalid):
        run("drop")
    assert len(dead_events()) == 2
