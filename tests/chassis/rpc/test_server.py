"""The gRPC server of a service: health, reflection, TLS and graceful shutdown."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from chassis.errors import Forbidden, Invalid, TooLate, Unavailable
from chassis.operations.certificates import make_certificates
from chassis.rpc import inproc, server
from chassis.rpc.client import check_health_sync, sync_channel
from chassis.rpc.server import Server
from chassis.settings import Settings
from tests.chassis.rpc import echo
from tests.chassis.rpc.echo import Echo, words
from tests.conditions import eventually
from tests.servers.processes import free_port

SETTINGS = Settings(grpc_port=0, grpc_threads=2)
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Running:
    """A server with an Echo servicer, and a channel to it."""

    def __init__(self, is_healthy: Callable[[], bool] = lambda: True, **changes: Any) -> None:
        self.echo = Echo()
        settings = SETTINGS.model_copy(update=changes)
        self.server = Server(self.echo, echo.add, settings, is_healthy=is_healthy)
        self.server.start()
        self.channel = sync_channel(f"dns:///{self.server.address}", SETTINGS)
        self.stub = echo.generated()[1].EchoStub(self.channel)

    def health(self, service: str = "") -> Any:
        with grpc.insecure_channel(self.server.address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            return stub.Check(health_pb2.HealthCheckRequest(service=service)).status

    def close(self) -> None:
        self.channel.close()
        self.server.stop(0)


@pytest.fixture
def running() -> Iterator[Running]:
    server_and_channel = Running()
    yield server_and_channel
    server_and_channel.close()


def test_health_is_reported_for_the_server_and_the_named_service(running: Running) -> None:
    assert running.health() == SERVING
    assert running.health("rangkiang.tests.echo.v1.Echo") == SERVING


def test_health_follows_the_check_of_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEALTH_CHECK_SECONDS", 0.05)
    healthy = threading.Event()
    running = Running(is_healthy=healthy.is_set)
    assert running.health() == NOT_SERVING
    healthy.set()
    eventually(lambda: running.health() == SERVING)
    healthy.clear()
    eventually(lambda: running.health() == NOT_SERVING)
    running.close()


def test_liveness_follows_no_dependency() -> None:
    running = Running(is_healthy=lambda: False)
    assert (running.health(), running.health("liveness")) == (NOT_SERVING, SERVING)
    running.close()


def test_a_draining_server_reports_that_it_is_not_ready_and_answers(running: Running) -> None:
    running.server.drain()
    assert (running.health(), running.health("liveness")) == (NOT_SERVING, SERVING)
    assert running.stub.Say(words("still here")).text


def test_a_health_check_that_hangs_is_not_serving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEALTH_CHECK_SECONDS", 0.05)
    hangs, released = threading.Event(), threading.Event()

    def is_healthy() -> bool:
        if hangs.is_set():
            released.wait(10)
        return True

    running = Running(is_healthy=is_healthy)
    hangs.set()
    eventually(lambda: running.health() == NOT_SERVING)
    hangs.clear()
    released.set()
    eventually(lambda: running.health() == SERVING)
    running.close()


def test_readiness_is_checked_in_the_same_way_on_every_transport() -> None:
    running = Running(is_healthy=lambda: False)
    with pytest.raises(Unavailable) as raised:
        check_health_sync(running.channel, 1)
    assert raised.value.reason == "NOT_SERVING"
    running.close()
    for is_healthy, reason in ((lambda: False, "NOT_SERVING"), (lambda: True, "")):
        inproc.register("echo", Echo(), echo.add, is_healthy=is_healthy)
        try:
            check_health_sync(sync_channel("inproc:echo", SETTINGS), 1)
            problem_reason = ""
        except Unavailable as problem:
            problem_reason = problem.reason
        assert problem_reason == reason
    inproc.unregister("echo")


def test_reflection_lists_the_services(running: Running) -> None:
    database = ProtoReflectionDescriptorDatabase(grpc.insecure_channel(running.server.address))
    assert "rangkiang.tests.echo.v1.Echo" in set(database.get_services())


def test_a_method_without_a_scope_refuses_to_start() -> None:
    with pytest.raises(Invalid) as raised:
        Server(Echo(), echo.generated()[1].add_CarelessServicer_to_server, SETTINGS)
    assert raised.value.reason == "SCOPE_MISSING"
    assert raised.value.facts["method"] == "rangkiang.tests.echo.v1.Careless/Say"


def test_methods_that_are_not_public_are_served_beyond_loopback_only_with_tls() -> None:
    with pytest.raises(Invalid) as raised:
        Server(Echo(), echo.add, Settings(grpc_host="0.0.0.0", grpc_port=0))
    assert raised.value.reason == "GRPC_NOT_PROTECTED"


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(Unavailable) as raised:
        Server(Echo(), echo.add, Settings(grpc_port=listener.getsockname()[1]))
    assert raised.value.reason == "PORT_TAKEN"


def test_mutual_tls_accepts_clients_with_a_certificate(tmp_path: Path) -> None:
    secured = Settings(grpc_host="127.0.0.1", grpc_port=0, **_authority(tmp_path))
    secured_server = Server(Echo(), echo.add, secured)
    secured_server.start()
    url = f"dns:///localhost:{secured_server.port}"
    with sync_channel(url, secured) as channel:
        assert echo.generated()[1].EchoStub(channel).Say(words("hi")).text == "hi"
    with sync_channel(url, SETTINGS) as channel, pytest.raises(Unavailable):
        echo.generated()[1].EchoStub(channel).Say(words("hi"))
    secured_server.stop(0)


@pytest.mark.parametrize(("caller", "is_allowed"), [("catalog", True), ("members", True), ("circulation", False)])
def test_a_method_for_a_list_of_services_knows_them_by_their_certificates(
    services_authority: Path, caller: str, is_allowed: bool
) -> None:
    def identity(name: str) -> Settings:
        files = {"grpc_cert": f"{name}.crt", "grpc_key": f"{name}.key", "grpc_ca": "services-authority.crt"}
        return Settings(grpc_port=0, **{setting: str(services_authority / file) for setting, file in files.items()})

    server = Server(Echo(), echo.add, identity("circulation"))
    server.start()
    with sync_channel(f"dns:///127.0.0.1:{server.port}", identity(caller)) as channel:
        stub = echo.generated()[1].EchoStub(channel)
        assert stub.Say(words("hi")).text == "hi"
        if is_allowed:
            assert stub.Confide(words("hi")).text == "hi"
        else:
            with pytest.raises(Forbidden) as refusal:
                stub.Confide(words("hi"))
            assert (refusal.value.reason, refusal.value.facts) == ("SERVICE_ONLY", {"services": ["catalog", "members"]})
    server.stop(0)


def test_probes_without_a_certificate_get_only_health(tmp_path: Path) -> None:
    healthy, health_port = threading.Event(), free_port()
    secured = Settings(grpc_port=0, grpc_health_port=health_port, **_authority(tmp_path))
    guarded = Server(Echo(), echo.add, secured, is_healthy=healthy.is_set)
    guarded.start()
    with grpc.insecure_channel(f"127.0.0.1:{health_port}") as probe:
        stub = health_pb2_grpc.HealthStub(probe)
        assert stub.Check(health_pb2.HealthCheckRequest()).status == NOT_SERVING
        healthy.set()
        eventually(lambda: stub.Check(health_pb2.HealthCheckRequest()).status == SERVING)
        with pytest.raises(grpc.RpcError) as refusal:
            echo.generated()[1].EchoStub(probe).Say(words("hi"))
        assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(grpc.RpcError) as refusal:
            next(stub.Watch(health_pb2.HealthCheckRequest()))
        assert refusal.value.code() is grpc.StatusCode.UNIMPLEMENTED
    with grpc.insecure_channel(f"127.0.0.1:{guarded.port}") as bare, pytest.raises(grpc.RpcError):
        health_pb2_grpc.HealthStub(bare).Check(health_pb2.HealthCheckRequest(), timeout=2)
    with sync_channel(f"dns:///localhost:{guarded.port}", secured) as channel:
        check_health_sync(channel, 2)
    guarded.stop(0)


def test_probes_get_not_serving_while_running_calls_end() -> None:
    health_port = free_port()
    running = Running(grpc_health_port=health_port)
    replies: list[Any] = []
    call = threading.Thread(target=lambda: replies.append(running.stub.Say(words("sleep", 600)).number))
    call.start()
    eventually(lambda: running.echo.calls == 1)
    stop = threading.Thread(target=running.server.stop)
    stop.start()
    with grpc.insecure_channel(f"127.0.0.1:{health_port}") as probe:
        stub = health_pb2_grpc.HealthStub(probe)
        eventually(lambda: stub.Check(health_pb2.HealthCheckRequest()).status == NOT_SERVING, seconds=0.5)
    call.join()
    stop.join(5)
    assert replies == [600]


def test_a_taken_health_port_is_named_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(Unavailable) as raised:
        Server(Echo(), echo.add, Settings(grpc_port=0, grpc_health_port=listener.getsockname()[1]))
    assert (raised.value.reason, raised.value.facts["variable"]) == ("PORT_TAKEN", "GRPC_HEALTH_PORT")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"grpc_cert": "cert.pem"}, "GRPC_TLS_INCOMPLETE"),
        ({"grpc_cert": "no.pem", "grpc_key": "no.pem", "grpc_ca": "no.pem"}, "FILE_UNREADABLE"),
    ],
)
def test_incomplete_tls_settings_are_refused_by_server_and_client(options: dict[str, str], reason: str) -> None:
    for start in (
        lambda settings: Server(Echo(), echo.add, settings),
        lambda settings: sync_channel("dns:///localhost:1", settings),
    ):
        with pytest.raises(Invalid) as raised:
            start(Settings(grpc_port=0, **options))
        assert raised.value.reason == reason


def test_at_shutdown_running_calls_finish_and_new_ones_are_refused(running: Running) -> None:
    replies: list[Any] = []
    call = threading.Thread(target=lambda: replies.append(running.stub.Say(words("sleep", 400)).number))
    call.start()
    eventually(lambda: running.echo.calls == 1)
    stop = threading.Thread(target=running.server.stop)
    stop.start()
    time.sleep(0.1)
    with pytest.raises((Unavailable, TooLate)):
        running.stub.SayOnce(words("late"), timeout=1)
    call.join()
    stop.join(5)
    assert replies == [400]
    assert not stop.is_alive()


def test_a_read_is_retried_when_the_connection_breaks_and_a_write_is_not() -> None:
    """A proxy breaks the first connection of each kind of call; only the read succeeds without the caller."""
    running = Running()
    for method, succeeds in (("Say", True), ("SayOnce", False)):
        proxy = _BreaksFirstConnection(running.server.port)
        with sync_channel(f"dns:///127.0.0.1:{proxy.port}", SETTINGS) as channel:
            call = getattr(echo.generated()[1].EchoStub(channel), method)
            if succeeds:
                assert call(words("again")).text == "again"
            else:
                with pytest.raises(Unavailable):
                    call(words("again"))
        proxy.close()
    running.close()


def test_sigterm_ends_the_process_and_lets_a_call_finish(tmp_path: Path) -> None:
    script = (
        "from chassis.rpc import server; from chassis.settings import Settings;"
        "from chassis.service import Service; from sqlalchemy import MetaData;"
        "from chassis.jobs import jobs; jobs.CHASSIS = ();"
        "s = Service(name='echo', tables=MetaData(), migrations='', rpc='tests.chassis.rpc.echo:build',"
        " adder='tests.chassis.rpc.echo:add');"
        f"server.serve(s, Settings(grpc_port=0, data={str(tmp_path)!r}), announce=lambda a: print(a, flush=True))"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env={**os.environ})
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    with sync_channel(f"dns:///{address}", SETTINGS) as channel:
        check_health_sync(channel, 2)
        replies: list[Any] = []
        stub = echo.generated()[1].EchoStub(channel)
        call = threading.Thread(target=lambda: replies.append(stub.Say(words("sleep", 500)).number))
        call.start()
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        call.join()
    assert replies == [500]
    assert process.wait(10) == 0


class _BreaksFirstConnection:
    """A TCP proxy that breaks its first connection after the request and passes later ones."""

    def __init__(self, target: int) -> None:
        self._target, self._count = target, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._count += 1
            threading.Thread(target=self._forward, args=(server, client), daemon=True).start()
            threading.Thread(target=self._forward, args=(client, server, self._count == 1), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket, cut: bool = False) -> None:
        received = b""
        # Either side may have closed its connection already.
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                received += data
                if cut and b"again" in received:
                    # The server receives the request, but its reply cannot reach the client.
                    source.shutdown(socket.SHUT_RDWR)
                    sink.sendall(data)
                    break
                sink.sendall(data)
        for connection in (source, sink):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def services_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of every service, signed by one authority."""
    folder = tmp_path_factory.mktemp("certificates") / "tls"
    make_certificates(folder, ["localhost", "127.0.0.1"], renew=False)
    return folder


def _authority(folder: Path) -> dict[str, str]:
    """A self-signed certificate for localhost, which is also its authority."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    names = {"grpc_cert": folder / "cert.pem", "grpc_key": folder / "key.pem", "grpc_ca": folder / "cert.pem"}
    subprocess.run(
        [*command, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(names["grpc_key"]), "-out", str(names["grpc_cert"])],
        check=True, capture_output=True,
    )  # fmt: skip
    return {name: str(path) for name, path in names.items()}
