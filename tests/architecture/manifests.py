"""Reads the processes of k8s/ and docker-compose.yml: commands, environments and probes.

`python -m tests.architecture.manifests` copies manifests from standard input to standard output without the resources
of operators, of which kubernetes-validate has no schema; test_operators.py checks the fields of those.
"""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

# Not that of tests.conftest: its imports take longer than what the linter does here.
CHECKOUT = Path(__file__).resolve().parents[2]
# Those of libyaml, where PyYAML has them: in Python an overlay takes a second.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
KUBECTL = str(Path(sys.executable).with_name("kubectl"))
IMAGE = "rangkiang"
# Resources of operators. Any other kind without a schema is an error of the linter.
CUSTOM_RESOURCES = {
    ("postgresql.cnpg.io/v1", "Cluster"),
    ("postgresql.cnpg.io/v1", "ScheduledBackup"),
    ("barmancloud.cnpg.io/v1", "ObjectStore"),
    ("rabbitmq.com/v1beta1", "RabbitmqCluster"),
    ("elasticsearch.k8s.elastic.co/v1", "Elasticsearch"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
}


@dataclass(frozen=True)
class Process:
    """One process of the cluster edition as its manifest states it.

    kind  of its object; "Init" for a container that runs before the others of its Pods
    """

    name: str
    kind: str
    command: tuple[str, ...]
    environment: dict[str, str]
    container: dict[str, Any]
    pod: dict[str, Any]

    @property
    def probes(self) -> dict[str, dict[str, Any]]:
        """Probes by kind: startupProbe, readinessProbe, livenessProbe."""
        return {name: self.container[name] for name in self.container if name.endswith("Probe")}

    def port(self, port_name: int | str) -> int:
        """Number of a container port, which a probe names by number or name."""
        numbers = {port["name"]: port["containerPort"] for port in self.container.get("ports", ())}
        return numbers[port_name] if isinstance(port_name, str) else port_name


@cache
def rendered(overlay: str) -> list[dict[str, Any]]:
    """Every object of an overlay, built by kustomize."""
    output = subprocess.run(
        [KUBECTL, "kustomize", f"k8s/overlays/{overlay}"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    return [item for item in yaml.load_all(output, _LOADER) if item]


def is_custom(item: dict[str, Any]) -> bool:
    """Return True for a resource of an operator."""
    return (item["apiVersion"], item["kind"]) in CUSTOM_RESOURCES


def pod_of(item: dict[str, Any]) -> dict[str, Any] | None:
    """The template of the Pods of an object, or None."""
    spec = item.get("spec", {})
    template: dict[str, Any] | None = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    return None if is_custom(item) else template


def kubernetes(overlay: str) -> dict[str, Process]:
    """The processes of this project in an overlay, by name; `migrate` of a service runs before each of its others."""
    objects = {(item["kind"], item["metadata"]["name"]): item for item in rendered(overlay)}
    processes: dict[str, Process] = {}
    for (kind, name), item in objects.items():
        template = pod_of(item)
        if template is None or not any("args" in container for container in _ours(template["spec"])):
            continue
        pod = template["spec"]
        for container in pod.get("initContainers", ()):
            init_name = f"{container['args'][1]}-{container['name']}"
            process = _process(init_name, "Init", container, pod, objects)
            assert init_name not in processes or processes[init_name].container == container
            processes.setdefault(init_name, process)
        processes[name] = _process(name, kind, pod["containers"][0], pod, objects)
    return processes


def _ours(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [container for container in pod["containers"] if container["image"].split("/")[-1].startswith(IMAGE + ":")]


def _process(
    name: str,
    kind: str,
    container: dict[str, Any],
    pod: dict[str, Any],
    objects: dict[tuple[str, str], dict[str, Any]],
) -> Process:
    environment: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        environment |= objects["ConfigMap", source["configMapRef"]["name"]]["data"]
    for variable in container.get("env", ()):
        reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
        if reference.get("optional") and ("Secret", reference["name"]) not in objects:
            continue
        # As Kubernetes does: a value may use the variables before it.
        value = re.sub(r"\$\((\w+)\)", lambda match: environment[match[1]], _value(variable, objects))
        environment[variable["name"]] = value
    return Process(name, kind, tuple(container["args"]), environment, container, pod)


def _value(variable: dict[str, Any], objects: dict[tuple[str, str], dict[str, Any]]) -> str:
    if "value" in variable:
        return str(variable["value"])
    reference = variable["valueFrom"]["secretKeyRef"]
    secret = objects.get(("Secret", reference["name"]))
    # In production the Secret belongs to the operator; the manifests have only its name.
    return base64.b64decode(secret["data"][reference["key"]]).decode() if secret else f"secret-{reference['name']}"


def compose(profile: list[str] | None = None) -> dict[str, dict[str, Any]]:
    """The services of this project in docker-compose.yml, by name, without profile or of one."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
    ours = {name: service for name, service in services.items() if str(service.get("image", "")).startswith(IMAGE)}
    return {name: service for name, service in ours.items() if service.get("profiles") == profile}


if __name__ == "__main__":
    documents = [item for item in yaml.load_all(sys.stdin, _LOADER) if item and not is_custom(item)]
    yaml.dump_all(documents, sys.stdout, _DUMPER)
