"""`python -m tests.servers up|down|urls|env`: the servers of this checkout."""

from __future__ import annotations

import shlex
import sys
import time
from types import ModuleType

from tests.servers import compose, elasticsearch, packages, postgres, rabbitmq, state

LOCAL: dict[str, ModuleType] = {"postgres": postgres, "rabbitmq": rabbitmq, "elasticsearch": elasticsearch}


def up() -> None:
    """Start the servers that do not respond."""
    with state.locked():
        entries = state.load()
        unavailable = [name for name in LOCAL if not (entries.get(name) and LOCAL[name].healthy(entries[name]))]
        in_containers = compose.serves(entries)
        packages.ensure(packages.TOOLS if in_containers else packages.TOOLS | packages.SERVERS)
        if unavailable and in_containers:
            state.save(compose.up(entries))
            unavailable = []
        for name in unavailable:
            start = time.monotonic()
            if name in entries:
                LOCAL[name].stop(entries[name])
            entries[name] = LOCAL[name].start(entries.get(name, {}))
            state.save(entries)
            print(f"{name} is up ({time.monotonic() - start:.0f} s)", flush=True)
    show()


def down() -> None:
    """Stop the servers that `up` started."""
    with state.locked():
        entries = state.load()
        if compose.started(entries):
            compose.down()
        else:
            for name, entry in entries.items():
                LOCAL[name].stop(entry)
                print(f"{name} stopped")
        state.save({})


def show() -> None:
    """Print the addresses for people."""
    for name, value in state.urls(state.read_all()).items():
        print(f"{name:20} {value}")


def env() -> None:
    """Print the addresses for a shell: `eval "$(python -m tests.servers env)"`."""
    for name, value in state.urls(state.read_all()).items():
        print(f"export {name}={shlex.quote(value)}")


COMMANDS = {"up": up, "down": down, "urls": show, "env": env}


def main() -> int:
    """Run one command; an error is one sentence and exit code 3."""
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        print("usage: python -m tests.servers " + "|".join(COMMANDS), file=sys.stderr)
        return 2
    try:
        COMMANDS[sys.argv[1]]()
    except (state.NotRunning, state.ServerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    return 0


sys.exit(main())
