"""A mail server in a process of its own (aiosmtpd) that writes down when each mail came, and to whom."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

_SERVER = """
import asyncio, sys, time
from aiosmtpd.smtp import SMTP
class Sink:
    def __init__(self, folder):
        self.log, self.last = open(folder + "/mails", "a", buffering=1), folder + "/last-mail"
        self.count = 0
    async def handle_DATA(self, server, session, envelope):
        self.log.write(f"{time.time():.6f} {envelope.rcpt_tos[0]}\\n")
        if self.count < 3:
            with open(self.last, "wb") as file:
                file.write(envelope.content)
        self.count += 1
        return "250 taken"
async def serve():
    loop = asyncio.get_running_loop()
    sink = Sink(sys.argv[2])
    server = await loop.create_server(lambda: SMTP(sink, loop=loop), "127.0.0.1", int(sys.argv[1]))
    print("ready", flush=True)
    async with server:
        await server.serve_forever()
asyncio.run(serve())
"""


def smtp_url(port: int) -> str:
    """Return the channel of this server, without the usual limit of 20 mails a second."""
    return f"smtp://127.0.0.1:{port}?tls=none&from=perpustakaan@example.org&rate=100000"


class MailSink:
    """The server: a port that stays the same when it is started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._folder = folder / f"mails-{self.port}"
        self._folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> MailSink:
        self.start()
        return self

    def __exit__(self, *_problem: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        command = [sys.executable, "-c", _SERVER, str(self.port), str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def count(self) -> int:
        """Return the number of mails. It takes far less time than `mails`, so it can be read beside measurements."""
        file = self._folder / "mails"
        return file.read_bytes().count(b"\n") if file.exists() else 0

    def mails(self) -> list[tuple[float, str]]:
        """Return time (of time.time) and recipient of each mail, in order."""
        file = self._folder / "mails"
        lines = file.read_text().splitlines() if file.exists() else []
        return [(float(moment), address) for moment, address in (line.split(" ", 1) for line in lines)]

    def last_mail(self) -> bytes:
        return (self._folder / "last-mail").read_bytes()
