"""`rangkiang dead`: what an operator sees of events that no handler could take, and does about them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from chassis.bus.local import Deliveries
from chassis.dead import app
from chassis.errors import Invalid, NotFound
from tests.example_services.installation import Installation, open_installation, settings_of

ORDERS = ["--service", "tests.example_services.orders.service:SERVICE"]


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    with settings_of("local", tmp_path) as settings, open_installation(settings) as installation:
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


def listed() -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(run("list", "--json").stdout)["dead"]
    return found


def test_list_tells_all_in_one_json_line(installation: Installation) -> None:
    answer = json.loads(run("list", "--json").stdout)
    assert answer["total"] == 2
    first = answer["dead"][0]
    assert (first["handler"], first["type"], first["attempts"]) == ("place_order", "examples.v1.ArticleReceived", 1)
    assert first["error"] == "RuntimeError: orders are broken"


def test_list_is_readable_on_a_terminal(installation: Installation) -> None:
    assert "broken" in run("list").stdout


def test_show_tells_one_whole_by_key_or_event_id(installation: Installation) -> None:
    key = listed()[0]["key"]
    assert '"guava"' in json.loads(run("show", key, "--json").stdout)["body"]
    assert "guava" in run("show", key.split("/")[1]).stdout


def test_replay_gives_it_to_its_handler_again(installation: Installation) -> None:
    installation.break_orders(False)
    assert json.loads(run("replay", listed()[1]["key"], "--json").stdout) == {"replayed": 1}
    Deliveries(installation.orders).run_due(threading.Event())
    assert installation.placed() == ["mango"]
    assert len(listed()) == 1


def test_replay_all(installation: Installation) -> None:
    assert run("replay", "--all").stdout == "2 replayed\n"
    assert listed() == []


def test_drop_forgets_it_for_good(installation: Installation) -> None:
    first, second = listed()
    assert json.loads(run("drop", first["key"], "--json").stdout) == {"dropped": 1}
    assert listed() == [second]


def test_a_key_that_is_not_there_is_said_and_nothing_is_done(installation: Installation) -> None:
    with pytest.raises(NotFound) as refusal:
        run("drop", listed()[0]["key"], "place_order/nothing")
    assert refusal.value.reason == "DEAD_EVENT_NOT_FOUND"
    assert len(listed()) == 2


def test_drop_without_a_choice_drops_nothing(installation: Installation) -> None:
    with pytest.raises(Invalid):
        run("drop")
    assert len(listed()) == 2
