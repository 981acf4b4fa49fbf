"""Reads the processes of k8s/ and docker-compose.yml: commands, environments and probes."""

from __future__ import annotations

import base64
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import CHECKOUT

KUBECTL = str(Path(sys.executable).with_name("kubectl"))
IMAGE = "rangkiang"


@dataclass(frozen=True)
class Process:
    """One process of the cluster edition as its manifest states it."""

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
    return [item for item in yaml.safe_load_all(output) if item]


def kubernetes(overlay: str) -> dict[str, Process]:
    """The processes of this project in an overlay, by name."""
    objects = {(item["kind"], item["metadata"]["name"]): item for item in rendered(overlay)}
    processes: dict[str, Process] = {}
    for (kind, name), item in objects.items():
        if kind not in ("Deployment", "Job"):
            continue
        pod = item["spec"]["template"]["spec"]
        container = pod["containers"][0]
        environment: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            environment |= objects["ConfigMap", source["configMapRef"]["name"]]["data"]
        for variable in container.get("env", ()):
            environment[variable["name"]] = _value(variable, objects)
        processes[name] = Process(name, kind, tuple(container["args"]), environment, container, pod)
    return processes


def _value(variable: dict[str, Any], objects: dict[tuple[str, str], dict[str, Any]]) -> str:
    if "value" in variable:
        return str(variable["value"])
    reference = variable["valueFrom"]["secretKeyRef"]
    secret = objects.get(("Secret", reference["name"]))
    # In production the Secret belongs to the operator; the manifests have only its name.
    return base64.b64decode(secret["data"][reference["key"]]).decode() if secret else f"secret:{reference['name']}"


def compose() -> dict[str, dict[str, Any]]:
    """The services of this project in docker-compose.yml, by name."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
    return {name: service for name, service in services.items() if str(service.get("image", "")).startswith(IMAGE)}
