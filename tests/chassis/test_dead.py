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
from tests.toys.house import House, open_house, settings_of

KITCHEN = ["--service", "tests.toys.kitchen.service:SERVICE"]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with settings_of("local", tmp_path) as settings, open_house(settings) as house:
        monkeypatch.setenv("DATA", str(tmp_path))
        monkeypatch.setenv("BUS_URL", "local:")
        monkeypatch.delenv("DATABASE_URL", raising=False)
        house.stove_is_out(True)
        house.fill("guava", "mango")
        house.publish()
        Deliveries(house.kitchen, backoff=()).run_due(threading.Event())
        yield house


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, *KITCHEN], catch_exceptions=False)


def listed() -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(run("list", "--json").stdout)["dead"]
    return found


def test_list_tells_all_in_one_json_line(house: House) -> None:
    answer = json.loads(run("list", "--json").stdout)
    assert answer["total"] == 2
    first = answer["dead"][0]
    assert (first["handler"], first["type"], first["attempts"]) == ("cook", "toys.v1.JarFilled", 1)
    assert first["error"] == "RuntimeError: the stove is out"


def test_list_is_readable_on_a_terminal(house: House) -> None:
    assert "stove" in run("list").stdout


def test_show_tells_one_whole_by_key_or_event_id(house: House) -> None:
    key = listed()[0]["key"]
    assert '"guava"' in json.loads(run("show", key, "--json").stdout)["body"]
    assert "guava" in run("show", key.split("/")[1]).stdout


def test_replay_gives_it_to_its_handler_again(house: House) -> None:
    house.stove_is_out(False)
    assert json.loads(run("replay", listed()[1]["key"], "--json").stdout) == {"replayed": 1}
    Deliveries(house.kitchen).run_due(threading.Event())
    assert house.meals() == ["mango"]
    assert len(listed()) == 1


def test_replay_all(house: House) -> None:
    assert run("replay", "--all").stdout == "2 replayed\n"
    assert listed() == []


def test_drop_forgets_it_for_good(house: House) -> None:
    first, second = listed()
    assert json.loads(run("drop", first["key"], "--json").stdout) == {"dropped": 1}
    assert listed() == [second]


def test_a_key_that_is_not_there_is_said_and_nothing_is_done(house: House) -> None:
    with pytest.raises(NotFound) as refusal:
        run("drop", listed()[0]["key"], "cook/nothing")
    assert refusal.value.reason == "DEAD_EVENT_NOT_FOUND"
    assert len(listed()) == 2


def test_drop_without_a_choice_drops_nothing(house: House) -> None:
    with pytest.raises(Invalid):
        run("drop")
    assert len(listed()) == 2
