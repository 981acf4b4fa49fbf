"""The manifests of Kubernetes and Compose run every service with few privileges, and their processes start."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.addresses import networks
from chassis.operations.certificates import make_certificates
from chassis.rpc.server import GRACE_SECONDS, MOST_JOBS
from chassis.service import discover, service_names, settings_models
from chassis.settings import Settings, variables
from tests import servers as development
from tests.architecture.manifests import CHECKOUT, Process, compose, kubernetes, rendered
from tests.programs import start_program
from tests.servers import processes

SERVICES = tuple(service.name for service in discover())
CONSUMERS = {service.name for service in discover() if service.consumers}
COMMANDS = {
    "gateway": ("gateway",),
    **{f"{name}-{command}": (command, name) for name in SERVICES for command in ("migrate", "serve")},
    **{f"{name}-work": ("work", name) for name in CONSUMERS},
}
Z3950 = ("z3950", "--sru", "http://gateway/sru", "--listen", "tcp:@:9999")
ADDRESSES = {f"{name.upper()}_URL" for name in SERVICES}
PORTS = {"PORT", "GRPC_PORT", "GRPC_HEALTH_PORT"}
CERTIFICATES = {"GRPC_CERT": "{}.crt", "GRPC_KEY": "{}.key", "GRPC_CA": "services-authority.crt"}
PROBE_SECONDS = 60
LONGEST_DNS_LAG_SECONDS = 5
CONNECTIONS_OF_WORK = 20  # at most, as docs/operations.md counts them


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_kubernetes_runs_migrate_and_serve_of_every_service_work_where_there_are_consumers_and_the_gateway(overlay):
    processes_by_name = kubernetes(overlay)
    assert {
        name: process.command for name, process in processes_by_name.items() if process.kind != "CronJob"
    } == COMMANDS | ({"z3950": Z3950} if overlay == "prod" else {})


def test_the_manifests_have_no_job_because_a_changed_one_cannot_be_applied_again():
    kinds = {item["kind"] for overlay in ("dev", "prod", "embedded", "operators") for item in rendered(overlay)}
    assert "Job" not in kinds
    for name in {*SERVICES}:
        serve = kubernetes("prod")[f"{name}-serve"]
        assert [container["args"] for container in serve.pod["initContainers"]] == [["migrate", name]]


def test_compose_runs_the_same_processes():
    certificates = {"certificates": ("tls", "init", "/tls/made", "--renew")}
    commands = {name: tuple(service["command"]) for name, service in compose().items()}
    assert commands == COMMANDS | certificates


@pytest.mark.parametrize("overlay", ["dev", "prod", "embedded"])
def test_every_variable_is_a_setting(overlay):
    models = settings_models(discover(), gateway=True)
    settings = {variable.name for variable in variables(models, service_names())}
    unknown_variables = {name: set(process.environment) - settings for name, process in kubernetes(overlay).items()}
    unknown_variables |= {
        f"compose {name}": set(service.get("environment", ())) - settings for name, service in compose().items()
    }
    assert not {name: variables for name, variables in unknown_variables.items() if variables}


@pytest.mark.parametrize("overlay", ["prod", "embedded"])
def test_when_members_are_reminded_and_where_notices_go_is_set_in_the_manifests(overlay):
    processes = kubernetes(overlay)
    lending, notices = (
        ("rangkiang", "rangkiang") if overlay == "embedded" else ("circulation-serve", "notifications-serve")
    )
    assert {"DUE_SOON_DAYS", "OVERDUE_DAYS"} <= set(processes[lending].environment)
    assert {"PUBLIC_URL", "OUTGOING_PRIVATE_NETWORKS"} <= set(processes[notices].environment)


def test_compose_and_kubernetes_agree_on_the_environment():
    # The cluster logs JSON, compose logs text.
    differing = {"LOG_FORMAT"}
    variables = {name: set(process.environment) - differing for name, process in kubernetes("dev").items()}
    environments = {name: service["environment"] for name, service in compose().items() if "environment" in service}
    assert {name: set(environment) - differing for name, environment in environments.items()} == variables


@pytest.mark.parametrize("overlay", ["dev", "prod", "embedded", "operators"])
def test_every_process_is_locked_down(overlay):
    for process in kubernetes(overlay).values():
        privileges = process.container["securityContext"]
        assert process.pod["automountServiceAccountToken"] is False
        assert process.pod["securityContext"]["runAsNonRoot"] is True
        assert privileges["readOnlyRootFilesystem"] is True
        assert privileges["allowPrivilegeEscalation"] is False
        assert privileges["capabilities"] == {"drop": ["ALL"]}
        assert set(process.container["resources"]) == {"requests", "limits"}


def test_only_migrate_and_backup_know_the_owner_and_the_gateway_no_database():
    processes_by_name = kubernetes("prod")
    owners = {name for name, process in processes_by_name.items() if "DATABASE_OWNER_URL" in process.environment}
    assert owners == {f"{name}-migrate" for name in SERVICES} | {"backup"}
    assert all(processes_by_name[owner].kind == "Init" for owner in owners - {"backup"})
    assert not {"DATABASE_URL", "BUS_URL", "SEARCH_URL"} & set(processes_by_name["gateway"].environment)


def test_every_service_has_a_role_of_its_own():
    secrets = {name: process.environment.get("DATABASE_URL") for name, process in kubernetes("prod").items()}
    assert secrets == {
        "gateway": None,
        "z3950": None,
        "backup": "secret-rangkiang-database",
        "catalog-import": "secret-catalog-database",
        **{name: f"secret-{name.partition('-')[0]}-database" for name in COMMANDS if name != "gateway"},
    }
    in_kubernetes = {name: process.environment for name, process in kubernetes("dev").items()}
    in_compose = {name: service.get("environment", {}) for name, service in compose().items()}
    for environments in (in_kubernetes, in_compose):
        for name, environment in environments.items():
            if "DATABASE_URL" in environment:
                service = name.partition("-")[0]
                url = urlsplit(environment["DATABASE_URL"].replace("{service}", service))
                assert (url.username, url.path) == (f"rangkiang_{service}", f"/{service}")


def test_replacements_select_without_regular_expressions_which_older_kubectl_does_not_read():
    for path in (CHECKOUT / "k8s").rglob("kustomization.yaml"):
        for replacement in yaml.safe_load(path.read_text()).get("replacements", ()):
            for target in replacement["targets"]:
                assert re.fullmatch(r"[\w-]+", "".join(target["select"].values())), path


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_the_gateway_knows_the_address_of_every_service(overlay):
    headless = {
        item["metadata"]["name"]: item["spec"]["ports"][0]["port"]
        for item in rendered(overlay)
        if item["kind"] == "Service" and item["spec"].get("clusterIP") == "None"
    }
    gateway = kubernetes(overlay)["gateway"].environment
    assert {name: gateway[f"{name.upper()}_URL"] for name in SERVICES} == {
        name: f"dns:///{name}:{port}" for name, port in headless.items()
    }
    assert set(compose()["gateway"]["environment"]) >= ADDRESSES


def test_probes_of_a_service_use_the_port_without_tls():
    for name in SERVICES:
        serve = kubernetes("prod")[f"{name}-serve"]
        port = int(serve.environment["GRPC_HEALTH_PORT"])
        assert {kind: probe["grpc"]["port"] for kind, probe in serve.probes.items()} == {
            "startupProbe": port,
            "readinessProbe": port,
            "livenessProbe": port,
        }
        policy = next(
            item
            for item in rendered("prod")
            if item["metadata"]["name"] == f"{name}-serve" and item["kind"] == "NetworkPolicy"
        )
        assert serve.port("health") == port
        assert {"ports": [{"port": "health", "protocol": "TCP"}]} in policy["spec"]["ingress"]


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_no_probe_that_restarts_a_process_asks_about_a_dependency(overlay):
    for process in kubernetes(overlay).values():
        for kind in {"startupProbe", "livenessProbe"} & set(process.probes):
            probe = process.probes[kind]
            if "tcpSocket" in probe:
                continue
            target = probe["grpc"].get("service", "") if "grpc" in probe else probe["httpGet"]["path"]
            assert target in ("liveness", "/api/v1/health/live"), f"{kind} of {process.name}"


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_a_process_that_answers_calls_ends_and_starts_without_a_lost_call(overlay):
    deployments = {item["metadata"]["name"]: item for item in rendered(overlay) if item["kind"] == "Deployment"}
    for name in ("gateway", *(f"{service}-serve" for service in SERVICES)):
        process = kubernetes(overlay)[name]
        pause = int(process.container["lifecycle"]["preStop"]["exec"]["command"][1])
        drain = float(process.environment["DRAIN_SECONDS"])
        # Names of a terminated pod are answered for some seconds more.
        assert pause + drain > LONGEST_DNS_LAG_SECONDS
        assert deployments[name]["spec"]["minReadySeconds"] > LONGEST_DNS_LAG_SECONDS
        # Calls and jobs end within their grace after the drain.
        assert process.pod["terminationGracePeriodSeconds"] > pause + drain + 2 * GRACE_SECONDS


def test_production_scales_and_spreads_its_deployments_and_protects_them_from_drains():
    deployments = {
        item["metadata"]["name"]: item["spec"]
        for item in rendered("prod")
        if item["kind"] == "Deployment" and item["metadata"]["name"] in COMMANDS
    }
    budgets = {
        item["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]
        for item in rendered("prod")
        if item["kind"] == "PodDisruptionBudget"
    }
    scaled = {
        item["spec"]["scaleTargetRef"]["name"]: item["spec"]
        for item in rendered("prod")
        if item["kind"] == "HorizontalPodAutoscaler"
    }
    assert budgets == set(deployments)
    assert set(scaled) == {name for name in deployments if not name.endswith("-work")}
    for name, spec in deployments.items():
        # A number of replicas beside an autoscaler would undo its work at each `kubectl apply`.
        assert ("replicas" in spec) is (name not in scaled)
        assert scaled[name]["minReplicas"] >= 2 if name in scaled else spec["replicas"] >= 2
        pod = spec["template"]["spec"]
        assert {spread["topologyKey"] for spread in pod["topologySpreadConstraints"]} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        for spread in pod["topologySpreadConstraints"]:
            assert "app.kubernetes.io/name" in spread["matchLabelKeys"], "counted for each Deployment by itself"


def test_postgresql_has_connections_for_every_replica():
    (postgres,) = (
        item["spec"]
        for item in rendered("operators")
        if item["kind"] == "Cluster" and item["apiVersion"].startswith("postgresql.cnpg.io")
    )
    replicas = {
        item["spec"]["scaleTargetRef"]["name"]: item["spec"]["maxReplicas"]
        for item in rendered("operators")
        if item["kind"] == "HorizontalPodAutoscaler"
    }
    serve = Settings().grpc_threads + 1 + MOST_JOBS
    command = serve
    connections = command + sum(
        replicas[f"{name}-serve"] * serve + 2 * CONNECTIONS_OF_WORK * (name in CONSUMERS) for name in SERVICES
    )
    assert connections < int(postgres["postgresql"]["parameters"]["max_connections"])


@pytest.mark.parametrize("overlay", ["prod", "embedded"])
def test_the_host_of_the_ingress_is_that_of_links_and_its_addresses_are_trusted(overlay):
    (ingress,) = (item["spec"] for item in rendered(overlay) if item["kind"] == "Ingress")
    backend = ingress["rules"][0]["http"]["paths"][0]["backend"]["service"]
    gateway = kubernetes(overlay)[backend["name"]]
    host = urlsplit(gateway.environment["PUBLIC_URL"]).netloc
    assert [rule["host"] for rule in ingress["rules"]] == ingress["tls"][0]["hosts"] == [host]
    assert networks(gateway.environment["TRUSTED_PROXIES"])
    (service,) = (
        item["spec"]
        for item in rendered(overlay)
        if item["kind"] == "Service" and item["metadata"]["name"] == backend["name"]
    )
    assert [port["name"] for port in service["ports"]] == [backend["port"]["name"]]


def test_production_is_production_and_has_no_secret_in_the_tree():
    for process in kubernetes("prod").values():
        assert process.environment.get("ENVIRONMENT") == (None if process.command == Z3950 else "production")
        assert not any("://" in value and "@" in value for value in process.environment.values())


class Cluster:
    """The processes of the dev overlay on this machine; only URLs and ports of servers are changed."""

    def __init__(self, urls: dict[str, str], name: str, data: Path) -> None:
        self.urls, self.name, self.data = urls, name, data
        # Keys: process and port of its manifest.
        self.ports: dict[tuple[str, int], int] = defaultdict(processes.free_port)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        # The Secrets that the operator makes with `rangkiang tls init`.
        self.certificates = data / "tls"
        make_certificates(self.certificates, ["localhost"], renew=False)

    def environment(self, process: Process) -> dict[str, str]:
        local = {
            "DATABASE_URL": self.urls["DATABASE_URL"].replace("{service}", f"{self.name}_{{service}}"),
            "DATABASE_OWNER_URL": self.urls["DATABASE_OWNER_URL"].replace("{service}", f"{self.name}_{{service}}"),
            "BUS_URL": development.vhost_url(self.name),
            "SEARCH_URL": f"{self.urls['SEARCH_ROOT_URL']}/{self.name.replace('_', '-')}",
        }
        environment = dict(process.environment)
        for name, value in process.environment.items():
            if name in local:
                environment[name] = local[name]
            elif name in CERTIFICATES:
                environment[name] = str(self.certificates / CERTIFICATES[name].format(process.name.partition("-")[0]))
            elif name in PORTS:
                environment[name] = str(self.ports[process.name, int(value)])
            elif name in ADDRESSES:
                serve, port = f"{name.removesuffix('_URL').lower()}-serve", int(value.rpartition(":")[2])
                environment[name] = f"dns:///127.0.0.1:{self.ports[serve, port]}"
        return {"PATH": os.environ["PATH"], "DATA": str(self.data / process.name), **environment}

    def run(self, process: Process) -> subprocess.Popen[bytes]:
        """Start a process."""
        child = start_program(process.command, env=self.environment(process), cwd=self.data)
        self.running[process.name] = child
        return child

    def probe(self, process: Process, probe: dict[str, Any]) -> bool:
        if "grpc" in probe:
            with grpc.insecure_channel(f"127.0.0.1:{self.ports[process.name, probe['grpc']['port']]}") as channel:
                request = health_pb2.HealthCheckRequest(service=probe["grpc"].get("service", ""))
                try:
                    reply = health_pb2_grpc.HealthStub(channel).Check(request, timeout=probe.get("timeoutSeconds", 1))
                except grpc.RpcError:
                    return False
                return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)
        if "httpGet" in probe:
            port = self.ports[process.name, process.port(probe["httpGet"]["port"])]
            try:
                with urllib.request.urlopen(
                    f"http://127.0.0.1:{port}{probe['httpGet']['path']}", timeout=3
                ) as response:
                    return bool(200 <= response.status < 400)
            except OSError:
                return False
        command = probe["exec"]["command"]
        return subprocess.run(command, env=self.environment(process), cwd=self.data, check=False).returncode == 0

    def wait_until_healthy(self, process: Process) -> None:
        stdout = self.running[process.name].stdout
        assert stdout is not None
        assert stdout.readline(), f"{process.name} ended before it was up"
        until = time.monotonic() + PROBE_SECONDS
        for name, probe in process.probes.items():
            while not self.probe(process, probe):
                assert self.running[process.name].poll() is None, f"{process.name} has ended"
                assert time.monotonic() < until, f"{name} of {process.name} never passed"
                time.sleep(0.2)


@pytest.fixture
def cluster(servers: dict[str, str], tmp_path: Path) -> Iterator[Cluster]:
    """The dev overlay's processes, with their own database, virtual host and index."""
    name = f"manifests_{os.getpid()}"
    for service in SERVICES:
        development.create_database(f"{name}_{service}")
    development.create_vhost(name)
    cluster = Cluster(servers, name, tmp_path)
    yield cluster
    for child in cluster.running.values():
        child.kill()
        child.communicate()
    for service in SERVICES:
        development.drop_database(f"{name}_{service}")
    development.drop_vhost(name)
    development.drop_indices(name.replace("_", "-"))


def test_every_process_of_the_manifests_runs_passes_its_probes_and_stops_on_sigterm(cluster):
    manifests = kubernetes("dev")
    migrations = [process for process in manifests.values() if process.kind == "Init"]
    deployments = [process for process in manifests.values() if process.kind == "Deployment"]
    # Each Pod migrates before it starts: several at the same time, and again when there is nothing to do.
    for process in migrations:
        children = [cluster.run(process) for _ in range(3)]
        assert [child.wait(timeout=60) for child in children] == [0, 0, 0]
    # The gateway is last: it is ready after the services.
    deployments.sort(key=lambda process: process.name == "gateway")
    for process in deployments:
        cluster.run(process)
    for process in deployments:
        cluster.wait_until_healthy(process)
    # All at once: each answers for DRAIN_SECONDS more.
    for process in deployments:
        cluster.running[process.name].send_signal(signal.SIGTERM)
    for process in deployments:
        child = cluster.running[process.name]
        assert child.wait(timeout=process.pod["terminationGracePeriodSeconds"]) == 0, process.name
