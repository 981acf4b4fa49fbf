"""Images, licences, bill of materials and advisories: the parts of the product are pinned, listed and checked."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import yaml

from tests.architecture import licences
from tests.architecture.manifests import IMAGE, rendered
from tests.conftest import CHECKOUT

# Name, then a tag with at least two numbers: `15.19-bookworm`, `4.2.9-management`.
EXACT = re.compile(r"[a-z][\w./-]*:\d+\.\d+(\.\d+)?(-[a-z][\w-]*)?")
# Licences that bind whoever distributes the product. LGPL allows the use of the unchanged library (psycopg).
COPYLEFT = re.compile(r"\b(A?GPL|EUPL|SSPL)")


def dockerfile() -> list[str]:
    """The instructions of the Dockerfile, each on one line."""
    text = (CHECKOUT / "Dockerfile").read_text().replace("\\\n", "")
    return [line for line in text.split("\n") if line and not line.startswith("#")]


def images() -> dict[str, str]:
    """Every foreign image, by where it is used."""
    image_of = {line: line.split()[1] for line in dockerfile() if line.startswith("FROM")}
    services = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
    image_of |= {f"compose {name}": service["image"] for name, service in services.items() if "build" not in service}
    for overlay in ("dev", "prod"):
        for item in rendered(overlay):
            for container in item.get("spec", {}).get("template", {}).get("spec", {}).get("containers", ()):
                name = f"{overlay} {item['metadata']['name']}"
                image_of[name] = container["image"]
    return {name: image for name, image in image_of.items() if image.split("/")[-1].partition(":")[0] != IMAGE}


def test_every_foreign_image_has_an_exact_tag():
    assert len(images()) >= 5
    assert not {name: image for name, image in images().items() if not EXACT.fullmatch(image)}


def test_compose_and_kubernetes_use_the_same_images():
    for name in ("postgres", "rabbitmq", "elasticsearch"):
        assert images()[f"compose {name}"] == images()[f"dev {name}"]


@contextmanager
def answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """A server on a free port of this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class Silent(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.mark.parametrize(("status", "is_healthy"), [(200, True), (503, False)])
def test_the_health_check_of_the_image_asks_the_gateway(status: int, is_healthy: bool) -> None:
    (line,) = (line for line in dockerfile() if line.startswith("HEALTHCHECK"))
    _python, *arguments = json.loads(line.partition(" CMD ")[2])
    paths: list[str] = []

    class Gateway(Silent):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.answer(status, {})

    with answering(Gateway) as port:
        environment = {**os.environ, "PORT": str(port)}
        assert (subprocess.run([sys.executable, *arguments], env=environment).returncode == 0) is is_healthy
    assert paths == ["/api/v1/health/live"]
    # Nothing listens on the port any more.
    assert subprocess.run([sys.executable, *arguments], env=environment, capture_output=True).returncode != 0


def test_the_page_of_licences_has_every_package_of_the_lock():
    page = licences.PAGE.read_text()
    rows = dict(re.findall(r"^\| ([\w.-]+) \| (\S+) \| [^|]+ \| (?:product|development) \|$", page, re.MULTILINE))
    assert rows == {package.name: package.version for package in licences.packages()}, "run `make licences`"


def test_no_package_of_the_product_has_a_licence_that_binds_its_users():
    page = licences.PAGE.read_text()
    rows = re.findall(r"^\| ([\w.-]+) \| \S+ \| ([^|]+) \| product \|$", page, re.MULTILINE)
    assert len(rows) > 50
    assert not {name: licence for name, licence in rows if COPYLEFT.search(licence)}


def test_the_bill_of_materials_has_every_package_of_the_product(tmp_path):
    path = tmp_path / "sbom.json"
    recipe = subprocess.run(
        ["make", "--dry-run", "sbom", f"SBOM={path}"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    (command,) = (line for line in recipe.split("\n") if "uv export" in line)
    subprocess.run(command, shell=True, cwd=CHECKOUT, check=True)
    materials = json.loads(path.read_text())
    assert (materials["bomFormat"], materials["specVersion"]) == ("CycloneDX", "1.5")
    names = {(component["name"], component["version"]) for component in materials["components"]}
    assert names == {(package.name, package.version) for package in licences.packages() if package.is_product}


def advisories(port: int) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "UV_HTTP_RETRIES": "0"}
    command = [".ci/advisories", f"http://127.0.0.1:{port}/"]
    return subprocess.run(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


class Advisories(Silent):
    """OSV's interface: one advisory about the package `affected`, or none."""

    affected = ""

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        self.answer(200, {"results": [self.result(query["package"]["name"]) for query in queries]})

    def do_GET(self) -> None:
        affected = [{"package": {"ecosystem": "PyPI", "name": self.affected}}]
        self.answer(200, {"id": "TEST-1", "modified": "2026-01-01T00:00:00Z", "affected": affected})

    def result(self, name: str) -> dict[str, Any]:
        return {"vulns": [{"id": "TEST-1", "modified": "2026-01-01T00:00:00Z"}]} if name == self.affected else {}


class OneAdvisory(Advisories):
    affected = "fastapi"


@pytest.mark.parametrize(
    ("service", "code", "sentence"),
    [(Advisories, 0, "none is known"), (OneAdvisory, 1, "at least one is known")],
)
def test_advisories_are_reported(service: type[Advisories], code: int, sentence: str) -> None:
    with answering(service) as port:
        run = advisories(port)
    assert (run.returncode, sentence in run.stdout) == (code, True), run.stdout
    assert "NOT CHECKED" not in run.stdout


def test_a_service_that_does_not_answer_is_never_reported_as_no_advisory() -> None:
    class Failing(Silent):
        def do_POST(self) -> None:
            self.answer(503, {})

    with answering(Failing) as port:
        failing = advisories(port)
    silent = advisories(port)
    for run in (failing, silent):
        assert run.returncode == 3
        assert "NOT CHECKED" in run.stdout
        assert "none is known" not in run.stdout
