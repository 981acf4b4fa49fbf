"""`python -m tests.servers up|down|urls|env`: the servers of this checkout."""

from __future__ import annotations

import shlex
import sys
import time
from types import ModuleType

from tests.servers import compose, elasticsearch, packages, postgres, rabbitmq, state

LOCAL: dict[str, ModuleType] = {"postgres": postgres, "rabbitmq": rabbitmq, "elasticsearch": elasticsearch}


def up() -> None:
    """Start what does not answer; leave alone what does."""
    with state.locked():
        entries = state.load()
        sick = [name for name in LOCAL if not (entries.get(name) and LOCAL[name].healthy(entries[name]))]
        contained = compose.serves(entries)
        packages.ensure(packages.TOOLS if contained else packages.TOOLS | packages.SERVERS)
        if sick and contained:
            state.save(compose.up(entries))
            sick = []
        for name in sick:
            began = time.monotonic()
            if name in entries:
                LOCAL[name].stop(entries[name])
            entries[name] = LOCAL[name].start(entries.get(name, {}))
            state.save(entries)
            print(f"{name} is up ({time.monotonic() - began:.0f} s)", flush=True)
    show()


def down() -> None:
    """Stop exactly what `up` started."""
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
    """Run one command; trouble is one sentence and exit code 3."""
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        print("usage: python -m tests.servers " + "|".join(COMMANDS), file=sys.stderr)
        return 2
    try:
        COMMANDS[sys.argv[1]]()
    except (state.NotUp, state.Trouble) as trouble:
        print(f"error: {trouble}", file=sys.stderr)
        return 3
    return 0


sys.exit(main())
