"""CPU time of a request, with that of the calls it makes, over both transports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from chassis.rpc import inproc, server
from chassis.rpc.client import aio_channel
from chassis.rpc.cpu_time import Measured
from chassis.settings import Settings
from tests.chassis.rpc import echo

SETTINGS = Settings(grpc_port=0, grpc_threads=2)


@pytest.fixture(params=["inproc", "dns"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "inproc":
        inproc.register("echo", echo.Echo(), echo.add)
        yield "inproc:echo"
        inproc.unregister("echo")
    else:
        running = server.Server(echo.Echo(), echo.add, SETTINGS)
        running.start()
        yield f"dns:///{running.address}"
        running.stop(0)


async def _cpu_seconds(url: str, method: str, text: str, milliseconds: int) -> float:
    """Return the CPU seconds of a request that waits 20 ms, and calls the method twice at once."""

    async def request() -> None:
        await asyncio.sleep(0.02)
        call = getattr(stub, method)
        await asyncio.gather(*(call(echo.words(text, milliseconds), timeout=10) for _ in range(2)))

    channel = aio_channel(url, SETTINGS)
    stub = echo.generated()[1].EchoStub(channel)
    measured = Measured(request())
    await measured
    await channel.close()
    return measured.cpu.seconds


def test_calls_count_with_the_cpu_time_of_their_service(url: str) -> None:
    assert 0.2 <= asyncio.run(_cpu_seconds(url, "Say", "compute", 100)) < 0.4
    assert asyncio.run(_cpu_seconds(url, "Say", "sleep", 100)) < 0.1


def test_a_request_counts_its_own_steps_and_may_be_cancelled() -> None:
    async def request() -> None:
        try:
            end = time.thread_time() + 0.05
            while time.thread_time() < end:
                pass
            await asyncio.sleep(10)
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def scenario() -> float:
        measured = Measured(request())

        async def run() -> None:
            await measured

        task = asyncio.create_task(run())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return measured.cpu.seconds

    ended: list[bool] = []
    assert 0.05 <= asyncio.run(scenario()) < 0.2
    assert ended == [True]
