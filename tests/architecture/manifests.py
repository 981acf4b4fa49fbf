"""Reads what k8s/ and docker-compose.yml say a process is: its command, environment and probes."""

from __future__ import annotations

import base64
import subprocess
import sys
from dataclasses import dataclass
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

    def port(self, named: int | str) -> int:
        """Number of a container port, given by number or name."""
        numbers = {port["name"]: port["containerPort"] for port in self.container.get("ports", ())}
        return numbers[named] if isinstance(named, str) else named


def rendered(overlay: str) -> list[dict[str, Any]]:
    """Every object of an overlay as kustomize builds it."""
    built = subprocess.run(
        [KUBECTL, "kustomize", f"k8s/overlays/{overlay}"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    return [each for each in yaml.safe_load_all(built) if each]


def kubernetes(overlay: str) -> dict[str, Process]:
    """Our own processes in an overlay, by name."""
    objects = rendered(overlay)
    named = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    found: dict[str, Process] = {}
    for each in objects:
        if each["kind"] not in ("Deployment", "Job"):
            continue
        pod = each["spec"]["template"]["spec"]
        container = pod["containers"][0]
        environment: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            environment |= named["ConfigMap", source["configMapRef"]["name"]]["data"]
        for variable in container.get("env", ()):
            environment[variable["name"]] = _value(variable, named)
        name = each["metadata"]["name"]
        found[name] = Process(name, each["kind"], tuple(container["args"]), environment, container, pod)
    return found


def _value(variable: dict[str, Any], named: dict[tuple[str, str], dict[str, Any]]) -> str:
    if "value" in variable:
        return str(variable["value"])
    wanted = variable["valueFrom"]["secretKeyRef"]
    secret = named.get(("Secret", wanted["name"]))
    # In production the Secret is the operator's: only its name is known here.
    return base64.b64decode(secret["data"][wanted["key"]]).decode() if secret else f"secret:{wanted['name']}"


def compose() -> dict[str, dict[str, Any]]:
    """Our own services in docker-compose.yml, by name."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
    return {name: each for name, each in services.items() if str(each.get("image", "")).startswith(IMAGE)}
