"""A power cut: PostgreSQL and RabbitMQ of this checkout are killed within two seconds, while events wait for attempts.

`make soak` runs it. It restarts the servers of this checkout, so nothing else may use them.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

from chassis.bus.amqp import Publisher
from chassis.errors import Unavailable
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.example_services.installation import Installation, open_installation, settings_of, start_worker
from tests.servers import processes, state

OTHER_QUEUES = 200  # a broker restarts its queues one after another; all services together have so many
EVENTS = 300  # of each round
# Each failed attempt waits a second, so most events are in that waiting queue when the power is cut.
BACKOFF_SECONDS = (1.0,) * 200
BREAK_SECONDS = 2.0
HANDLED_SECONDS = 300  # RabbitMQ offers a message again after three minutes if its queue was not there


def kill_server(name: str) -> None:
    """End all processes of a server at once, as a power cut does; epmd of RabbitMQ stays."""
    for pid in processes.members(state.read(name)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def start_servers() -> None:
    subprocess.run([sys.executable, "-m", "tests.servers", "up"], cwd=CHECKOUT, check=True, capture_output=True)


def cut_power(installation: Installation, names: list[str], *, random_: random.Random) -> None:
    """Publish events whose handler fails, kill both servers while the events wait, and start them again."""
    installation.break_orders(True)
    installation.receive(*names)
    installation.publish()
    time.sleep(2 + random_.uniform(0, BREAK_SECONDS))
    first, second = random_.sample(["postgres", "rabbitmq"], 2)
    kill_server(first)
    time.sleep(random_.uniform(0, 2))
    kill_server(second)
    start_servers()


def lose_nothing(rounds: int, *, seed: int) -> str:
    """Cut the power several times; assert that each event has its effect once. Returns a line for the report.

    Each round has a virtual host of its own: the names decide in which order the broker restarts queues, and only a
    waiting queue that is restarted before the first queue can lose events.
    """
    random_ = random.Random(seed)
    for _ in range(rounds):
        with (
            tempfile.TemporaryDirectory() as folder,
            settings_of("amqp", Path(folder)) as settings,
            open_installation(settings) as installation,
        ):
            _lose_nothing_once(installation, random_=random_)
    return f"{rounds} power cuts, {rounds * EVENTS} events, each handled once"


def _lose_nothing_once(installation: Installation, *, random_: random.Random) -> None:
    installation.declare()
    with closing(Publisher(installation.settings.bus_url)) as publisher:
        for number in range(OTHER_QUEUES):
            publisher.channel().queue_declare(f"other{number}", durable=True, auto_delete=False)
    worker = start_worker(installation.orders, backoff=BACKOFF_SECONDS)
    names = [f"{event:03}" for event in range(EVENTS)]
    try:
        cut_power(installation, names, random_=random_)
        eventually(lambda: _mend(installation), seconds=30)
        with suppress(AssertionError):
            eventually(lambda: _handled(installation) == names, seconds=HANDLED_SECONDS)
        handled = _handled(installation)
        assert handled == names, f"{len(handled)} of {EVENTS} events after {HANDLED_SECONDS} s"
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.communicate()
    with installation.open_dead("orders") as dead_list:
        assert dead_list.find() == []


def _mend(installation: Installation) -> bool:
    """Let the handlers succeed. Returns False while PostgreSQL does not answer."""
    with suppress(Unavailable):
        installation.break_orders(False)
        return True
    return False


def _handled(installation: Installation) -> list[str]:
    with suppress(Unavailable):
        return installation.placed()
    return []


if __name__ == "__main__":
    print(lose_nothing(int(sys.argv[1]), seed=int(os.environ.get("SOAK_SEED") or random.randrange(1_000_000))))
