"""Processes that respond with their own id, for the tests of the supervisor.

python -m tests.chassis.prefork_worker WORKERS     prints its port once all workers are ready
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import uvicorn

from chassis.http.prefork import WorkerServer
from chassis.http.supervisor import Supervisor
from chassis.ids import new_id_text
from chassis.settings import environment_with

SLOW_SECONDS = 0.7
NEW_IDS = 1_000


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Respond with the id of this process, after SLOW_SECONDS to /slow; to /new-ids with identifiers that it makes."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/slow":
        await asyncio.sleep(SLOW_SECONDS)
    body = str(os.getpid())
    if scope["path"] == "/new-ids":
        body = " ".join(new_id_text() for _ in range(NEW_IDS))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body.encode()})


def work(channel: socket.socket, _number: int) -> None:
    starts = environment_with().get("STARTS", "")
    if starts:
        with Path(starts).open("a") as file:
            file.write("started\n")
        if starts.endswith("refused"):
            sys.exit(3)
        if starts.endswith("slow"):
            time.sleep(60)
        os.abort()
    channel.setblocking(False)
    WorkerServer(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5), channel).run()


def supervise(workers: int) -> None:
    new_id_text()  # so that the state of the generator exists before the forks
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    supervisor = Supervisor(
        listener,
        work=work,
        workers=workers,
        ready=lambda: print(port, flush=True),
    )
    sys.exit(supervisor.run())


if __name__ == "__main__":
    supervise(int(sys.argv[1]))
