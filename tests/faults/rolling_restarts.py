"""Restarts gateways and services in turn, as Kubernetes does, while clients search and names are answered late.

Each process has an address of its own on the loopback network, as a Pod has: a new one is ready before the old one
ends. `LaggingNames` is a DNS server that gRPC asks; the clients of the gateways find them in the same late way, keep
their connections, and try nothing again.
"""

from __future__ import annotations

import http.client
import itertools
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.faults.imports import Store
from tests.servers.processes import free_port

PATH = "/api/v1/search?q=a"
START_SECONDS = 60
# A request that is lost gets no answer, however long the gateway waits; one on a busy machine gets it late.
CALL_SECONDS = 20
ANSWER_SECONDS = 30
CLIENTS = 6


class LaggingNames:
    """A DNS server of one name. Each change of its addresses is seen `lag` seconds later."""

    def __init__(self, lag: float) -> None:
        self._lag = lag
        self._changes: list[tuple[float, tuple[str, ...]]] = [(0.0, ())]
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.queries = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def set(self, addresses: list[str], *, at_once: bool = False) -> None:
        self._changes.append((time.monotonic() + (0 if at_once else self._lag), tuple(addresses)))

    def addresses(self) -> tuple[str, ...]:
        """What a client is told now."""
        now = time.monotonic()
        return next(addresses for since, addresses in reversed(self._changes) if since <= now)

    def close(self) -> None:
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                query, client = self._socket.recvfrom(512)
                self._socket.sendto(self._reply(query), client)
            except OSError:
                return
            self.queries += 1

    def _reply(self, query: bytes) -> bytes:
        """RFC 1035: the question again, and an A record for each address; no record of another type."""
        end = query.index(b"\0", 12) + 1
        (kind,) = struct.unpack(">H", query[end : end + 2])
        addresses = self.addresses() if kind == 1 else ()
        header = query[:2] + b"\x84\x00" + struct.pack(">HHHH", 1, len(addresses), 0, 0)
        records = (b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(address) for address in addresses)
        return header + query[12 : end + 4] + b"".join(records)


@dataclass
class Replica:
    """One process, at an address of its own."""

    host: str
    process: subprocess.Popen[bytes]


class Replicas:
    """The processes of one deployment, replaced one after the other as by maxSurge 1 and maxUnavailable 0."""

    def __init__(self, store: Store, words: tuple[str, ...], hosts: Iterator[str], names: LaggingNames) -> None:
        self._store, self._words, self._hosts, self._names = store, words, hosts, names
        self.port = free_port()
        self.replicas: list[Replica] = []

    def start(self, count: int) -> None:
        self.replicas = [self._start() for _ in range(count)]
        self._announce(at_once=True)

    def restart(self, *, min_ready: float, pre_stop: float) -> None:
        """Replace each process."""
        for old in list(self.replicas):
            self.replicas.append(self._start())
            self._announce()
            time.sleep(min_ready)
            self.replicas.remove(old)
            self._announce()
            time.sleep(pre_stop)
            old.process.send_signal(signal.SIGTERM)
            assert old.process.wait(timeout=60) == 0

    def close(self) -> None:
        for replica in self.replicas:
            replica.process.kill()
            replica.process.communicate()

    def _announce(self, *, at_once: bool = False) -> None:
        self._names.set([replica.host for replica in self.replicas], at_once=at_once)

    def _start(self) -> Replica:
        host = next(self._hosts)
        variables = {"HOST": host, "GRPC_HOST": host, "PORT": str(self.port), "GRPC_PORT": str(self.port)}
        process = self._store.start(*self._words, "--json", **variables)
        assert process.stdout is not None
        assert process.stdout.readline(), process.stderr.read().decode()[-2000:]  # type: ignore[union-attr]
        self._wait_until_ready(host)
        return Replica(host, process)

    def _wait_until_ready(self, host: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not (is_serving(host, self.port) if self._words[0] == "serve" else is_ready(host, self.port)):
            assert time.monotonic() < deadline, f"{self._words} is not ready"
            time.sleep(0.1)


def is_serving(host: str, port: int, service: str = "") -> bool:
    with grpc.insecure_channel(f"{host}:{port}") as channel:
        try:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            reply = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=2)
        except grpc.RpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def is_ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/api/v1/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@dataclass
class Load:
    """Clients that search without pause over connections that they keep, each at every gateway that it knows of.

    failures  what went wrong with a request; nothing is tried again
    """

    names: LaggingNames
    port: int
    most_per_second: float
    requests: int = 0
    failures: list[str] = field(default_factory=list)
    _ended: bool = False

    def run(self) -> None:
        connections: dict[str, http.client.HTTPConnection] = {}
        pause = CLIENTS / self.most_per_second
        for turn in itertools.count():
            if self._ended:
                break
            hosts = self.names.addresses()
            for gone in set(connections) - set(hosts):
                connections.pop(gone).close()
            host = hosts[turn % len(hosts)]
            connection = connections.setdefault(
                host, http.client.HTTPConnection(host, self.port, timeout=ANSWER_SECONDS)
            )
            self.requests += 1
            try:
                # http.client connects again after a response with `Connection: close`.
                connection.request("GET", PATH)
                response = connection.getresponse()
                body = response.read()
                if response.status != 200 or b'"degraded":true' in body:
                    self.failures.append(f"{time.monotonic():.2f} {host}: {response.status} {body.decode()}")
            except (OSError, http.client.HTTPException) as problem:
                self.failures.append(f"{host}: {type(problem).__name__}: {problem}")
                connections.pop(host).close()
            time.sleep(pause)
        for connection in connections.values():
            connection.close()

    def end(self) -> None:
        self._ended = True


@contextmanager
def load(names: LaggingNames, port: int, *, most_per_second: float) -> Iterator[Load]:
    clients = Load(names, port, most_per_second)
    threads = [threading.Thread(target=clients.run) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        clients.end()
        for thread in threads:
            thread.join()


def restart_all(
    store: Store,
    *,
    rounds: int,
    requests: int,
    lag: float,
    min_ready: float,
    pre_stop: float,
    drain: float,
    most_per_second: float,
) -> Load:
    """Restart two services in turn, and beside them two gateways, while clients send at least `requests` requests.

    lag        seconds until clients see a change of addresses
    min_ready  seconds from the readiness of a process to the end of the one that it replaces
    pre_stop   seconds from the removal of an address to the SIGTERM of its process
    drain      DRAIN_SECONDS
    """
    addresses = (f"127.0.{third}.{fourth}" for third in range(1, 255) for fourth in range(1, 255))
    store.environment |= {"DRAIN_SECONDS": str(drain), "RATE_LIMIT": "0", "REQUESTS_AT_ONCE": "0", "LOG_LEVEL": "ERROR"}
    store.environment["CALL_SECONDS"] = str(CALL_SECONDS)
    service_names, gateway_names = LaggingNames(lag), LaggingNames(lag)
    services = Replicas(store, ("serve", "catalog"), addresses, service_names)
    store.environment["CATALOG_URL"] = f"dns://127.0.0.1:{service_names.port}/catalog.test:{services.port}"
    gateways = Replicas(store, ("gateway",), addresses, gateway_names)
    try:
        services.start(2)
        gateways.start(2)
        with load(gateway_names, gateways.port, most_per_second=most_per_second) as clients:
            for _ in range(rounds):
                with ThreadPoolExecutor() as rollouts:
                    pauses = {"min_ready": min_ready, "pre_stop": pre_stop}
                    for rollout in [rollouts.submit(group.restart, **pauses) for group in (services, gateways)]:
                        rollout.result()
            while clients.requests < requests:
                time.sleep(0.1)
        return clients
    finally:
        for replicas in (gateways, services):
            replicas.close()
        for names in (service_names, gateway_names):
            names.close()
