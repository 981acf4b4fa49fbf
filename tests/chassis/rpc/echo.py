"""A service that behaves as its request demands: `echo.proto`, its generated code and its servicer."""

from __future__ import annotations

import functools
import sys
import tempfile
import threading
import time
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from chassis import rpc
from chassis.errors import NotFound, Refusal, Refused

DAY = date(2026, 12, 24)
HERE = Path(__file__).parent
PROTO = HERE.parents[2] / "proto"


@functools.cache
def generated() -> tuple[Any, Any]:
    """echo_pb2 and echo_pb2_grpc, generated in each run of the tests."""
    from grpc_tools import protoc

    folder = tempfile.mkdtemp(prefix="echo-")
    exit_code = protoc.main(
        ["protoc", f"-I{HERE}", f"-I{PROTO}", f"-I{Path(protoc.__file__).parent / '_proto'}",
         f"--python_out={folder}", f"--grpc_python_out={folder}", "echo.proto"]
    )  # fmt: skip
    assert not exit_code
    sys.path.insert(0, folder)
    return import_module("echo_pb2"), import_module("echo_pb2_grpc")


def words(text: str = "", number: int = 0) -> Any:
    return generated()[0].Words(text=text, number=number)


class Echo:
    """The text of a request decides: echo, describe the context or the thread, refuse, raise an error, or sleep."""

    def __init__(self) -> None:
        self.calls = 0

    def Say(self, request: Any, context: Any) -> Any:
        self.calls += 1
        if request.text == "refuse":
            raise NotFound("WORD_NOT_FOUND", word="{x}", limit=3)
        if request.text == "object":
            facts = {"open": 3, "share": 0.5, "blocked": True, "until": None, "cards": ["0012", "0013"], "day": DAY}
            raise Refused(refusals=(Refusal("LIMIT_REACHED", limit=3), Refusal("MEMBER_BLOCKED", **facts)))
        if request.text == "object at length":
            raise Refused(refusals=[Refusal("RAMBLING", text="ꦱꦸꦫꦠ" * 1000, n=n) for n in range(request.number)])
        if request.text == "ramble":
            long = "ꦱꦸꦫꦠ" * request.number
            raise NotFound("RAMBLING", text=long, **{f"fact_{n}": long for n in range(30)})
        if request.text == "break":
            raise ZeroDivisionError("a secret")
        if request.text == "sleep":
            time.sleep(request.number / 1000)
        if request.text == "compute":
            end = time.thread_time() + request.number / 1000
            while time.thread_time() < end:
                pass
        if request.text == "thread":
            return words(threading.current_thread().name, int((rpc.context(context).remaining() or 0) * 1000))
        if request.text == "context":
            caller = rpc.context(context)
            remaining = caller.remaining()
            text = f"{caller.language} {caller.request_id} {caller.actor!r} {remaining is not None}"
            return words(text, int((remaining or 0) * 1000))
        return words(request.text, request.number)

    SayOnce = SayKeyed = Whisper = Confide = Say


def add(servicer: Any, server: Any) -> None:
    """The generated function that adds a servicer to a server."""
    generated()[1].add_EchoServicer_to_server(servicer, server)


def build(_resources: Any) -> Echo:
    """Build the servicer, as manifests do."""
    return Echo()
