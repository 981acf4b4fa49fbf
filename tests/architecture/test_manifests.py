"""The manifests: what Kubernetes and Compose would start is what the command line knows, and it really runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.settings import Settings
from tests import servers as development
from tests.architecture.manifests import Process, compose, kubernetes
from tests.servers import processes

RANGKIANG = str(Path(sys.executable).with_name("rangkiang"))
COMMANDS = {
    "catalog-migrate": ("migrate", "catalog"),
    "catalog-serve": ("serve", "catalog"),
    "catalog-work": ("work", "catalog"),
    "gateway": ("gateway",),
}
PORTS = ("PORT", "GRPC_PORT", "GRPC_HEALTH_PORT")
PROBE_SECONDS = 60


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_kubernetes_runs_the_processes_of_the_house(overlay):
    assert {name: process.command for name, process in kubernetes(overlay).items()} == COMMANDS


def test_compose_runs_the_same_processes():
    assert {name: tuple(each["command"]) for name, each in compose().items()} == COMMANDS


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_every_variable_is_a_setting(overlay):
    known = {name.upper() for name in Settings.model_fields} | {"CATALOG_URL"}
    given = {name: set(process.environment) - known for name, process in kubernetes(overlay).items()}
    given |= {f"compose {name}": set(each["environment"]) - known for name, each in compose().items()}
    assert not {name: strange for name, strange in given.items() if strange}


def test_compose_and_kubernetes_agree_on_the_environment():
    # Where the cluster logs for machines, compose logs for the person who looks.
    ignored = {"LOG_FORMAT"}
    k8s = {name: set(process.environment) - ignored for name, process in kubernetes("dev").items()}
    assert {name: set(each["environment"]) - ignored for name, each in compose().items()} == k8s


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_every_process_is_locked_down(overlay):
    for process in kubernetes(overlay).values():
        locked = process.container["securityContext"]
        assert process.pod["securityContext"]["runAsNonRoot"] is True
        assert locked["readOnlyRootFilesystem"] is True
        assert locked["allowPrivilegeEscalation"] is False
        assert locked["capabilities"] == {"drop": ["ALL"]}
        assert set(process.container["resources"]) == {"requests", "limits"}


def test_only_migrate_knows_the_owner_and_the_gateway_no_database():
    given = kubernetes("prod")
    owners = {name for name, process in given.items() if "DATABASE_OWNER_URL" in process.environment}
    assert owners == {"catalog-migrate"}
    assert not {"DATABASE_URL", "BUS_URL", "SEARCH_URL"} & set(given["gateway"].environment)


def test_production_is_production_and_has_no_secret_in_the_tree():
    for process in kubernetes("prod").values():
        assert process.environment["ENVIRONMENT"] == "production"
        assert not any("://" in value and "@" in value for value in process.environment.values())


class Cluster:
    """The dev overlay's processes on this machine: servers' URLs, HOST and ports are translated, nothing else."""

    def __init__(self, urls: dict[str, str], name: str, data: Path) -> None:
        self.urls, self.name, self.data = urls, name, data
        self.ports: dict[int, int] = defaultdict(processes.free_port)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def environment(self, process: Process) -> dict[str, str]:
        local = {
            "DATABASE_URL": self.urls["DATABASE_URL"].replace("{service}", f"{self.name}_{{service}}"),
            "DATABASE_OWNER_URL": self.urls["DATABASE_OWNER_URL"].replace("{service}", f"{self.name}_{{service}}"),
            "BUS_URL": development.vhost_url(self.name),
            "SEARCH_URL": f"{self.urls['SEARCH_ROOT_URL']}/{self.name.replace('_', '-')}",
            "CATALOG_URL": f"dns:///127.0.0.1:{self.ports[50051]}",
            "HOST": "127.0.0.1",
        }
        local |= {name: str(self.ports[int(process.environment.get(name) or 0)]) for name in PORTS}
        own = {name: local.get(name, value) for name, value in process.environment.items()}
        return {"PATH": os.environ["PATH"], "DATA": str(self.data / process.name), **own}

    def run(self, process: Process) -> subprocess.Popen[bytes]:
        started = subprocess.Popen(
            [RANGKIANG, *process.command], env=self.environment(process), cwd=self.data, stdout=subprocess.PIPE
        )
        self.running[process.name] = started
        return started

    def probe(self, process: Process, probe: dict[str, Any]) -> bool:
        if "grpc" in probe:
            with grpc.insecure_channel(f"127.0.0.1:{self.ports[probe['grpc']['port']]}") as channel:
                request = health_pb2.HealthCheckRequest(service=probe["grpc"].get("service", ""))
                try:
                    reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=probe.get("timeoutSeconds", 1))
                except grpc.RpcError:
                    return False
                return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)
        if "httpGet" in probe:
            port = self.ports[process.port(probe["httpGet"]["port"])]
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{probe['httpGet']['path']}", timeout=3) as answer:
                    return bool(200 <= answer.status < 400)
            except OSError:
                return False
        command = probe["exec"]["command"]
        return subprocess.run(command, env=self.environment(process), cwd=self.data, check=False).returncode == 0

    def until_well(self, process: Process) -> None:
        said = self.running[process.name].stdout
        assert said is not None
        assert said.readline(), f"{process.name} ended before it was up"
        until = time.monotonic() + PROBE_SECONDS
        for name, probe in process.probes.items():
            while not self.probe(process, probe):
                assert self.running[process.name].poll() is None, f"{process.name} has ended"
                assert time.monotonic() < until, f"{name} of {process.name} never passed"
                time.sleep(0.2)


@pytest.fixture
def cluster(servers: dict[str, str], tmp_path: Path) -> Iterator[Cluster]:
    """The dev overlay's processes, on a database, a virtual host and an index of their own."""
    name = f"manifests_{os.getpid()}"
    development.create_database(f"{name}_catalog")
    development.create_vhost(name)
    running = Cluster(servers, name, tmp_path)
    yield running
    for process in running.running.values():
        process.kill()
        process.communicate()
    development.drop_database(f"{name}_catalog")
    development.drop_vhost(name)
    development.drop_indices(name.replace("_", "-"))


def test_what_the_manifests_name_runs_passes_its_probes_and_stops_when_told(cluster):
    given = kubernetes("dev")
    assert cluster.run(given["catalog-migrate"]).wait(timeout=60) == 0
    deployed = [given[name] for name in ("catalog-serve", "catalog-work", "gateway")]
    for process in deployed:
        cluster.run(process)
    for process in deployed:
        cluster.until_well(process)
    for process in reversed(deployed):
        running = cluster.running[process.name]
        running.send_signal(signal.SIGTERM)
        ended = running.wait(timeout=process.pod["terminationGracePeriodSeconds"])
        assert ended == 0, process.name
