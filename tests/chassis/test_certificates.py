"""`rangkiang tls init` makes certificates for HTTPS of `up` and `gateway`, and for gRPC between processes."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from chassis import clock
from chassis.errors import Error, Forbidden, Invalid
from chassis.http import tls_connections
from chassis.operations import certificates
from chassis.operations.certificate_files import load_certificate
from chassis.operations.certificates import check_certificates, make_certificates, names_of_machine
from chassis.rpc.client import sync_channel
from chassis.service import service_names
from chassis.settings import load
from rangkiang.catalog.v1 import searches_pb2
from rangkiang.catalog.v1.catalog_pb2_grpc import CatalogStub
from tests.conditions import eventually
from tests.conftest import CHECKOUT
from tests.programs import run_command, start_program
from tests.servers import processes

NAMES = ["perpustakaan", "perpustakaan.local", "localhost", "192.168.1.10", "127.0.0.1", "::1"]
READY_SECONDS = 60


def run(data: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Run a command with --json; return its exit code and its last line."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    result = run_command([*words, "--json"], environment=environment | {"DATA": str(data)}, folder=CHECKOUT)
    return result.returncode, json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of a machine."""
    made = tmp_path_factory.mktemp("made") / "tls"
    make_certificates(made, NAMES, renew=False)
    return made


@contextmanager
def serving(command: list[str], key: str, **settings: str) -> Iterator[str]:
    """Run a process until the end of the block; yield what its first line has under the key."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_URL")}
    with start_program([*command, "--json"], env=environment | settings, cwd=CHECKOUT) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())[key]
        finally:
            server.terminate()
            assert server.wait(30) == 0


def trusting(folder: Path) -> ssl.SSLContext:
    """A browser that trusts the authority."""
    return ssl.create_default_context(cafile=str(folder / "authority.crt"))


class TestFiles:
    def test_the_command_writes_keys_for_the_operator_alone_and_overwrites_nothing(self, tmp_path: Path) -> None:
        code, line = run(tmp_path / "data", "tls", "init", "--host", "buku.example.org", "--host", "203.0.113.9")
        folder = tmp_path / "data" / "tls"
        assert (code, line["folder"]) == (0, str(folder))
        assert {"buku.example.org", "203.0.113.9", "localhost", socket.gethostname().lower()} <= set(line["names"])
        assert set(line["services"]) == {*service_names(), "gateway"}
        files = {line["authority"], line["services_authority"], line["certificate"], line["key"]}
        files |= {path for pair in line["services"].values() for path in pair.values()}
        assert all(Path(path).is_file() for path in files)
        assert {path.stat().st_mode & 0o777 for path in folder.glob("*.key")} == {0o600}
        assert folder.stat().st_mode & 0o777 == 0o700
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        code, line = run(tmp_path / "data", "tls", "init")
        assert (code, line["error"]["reason"]) == (2, "TLS_EXISTS")
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert run(tmp_path / "data", "tls", "init", str(tmp_path / "other"))[1]["folder"] == str(tmp_path / "other")

    def test_renewing_keeps_authorities_and_keys(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(certificates, "DAYS", 20)
        make_certificates(tmp_path / "tls", NAMES, renew=True)
        before = {path.name: path.read_bytes() for path in (tmp_path / "tls").iterdir()}
        monkeypatch.undo()
        make_certificates(tmp_path / "tls", [*NAMES, "10.0.0.7"], renew=True)
        after = {path.name: path.read_bytes() for path in (tmp_path / "tls").iterdir()}
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"server.crt", "gateway.crt", *(f"{name}.crt" for name in service_names())}
        assert set(after) == set(before)
        renewed = load_certificate(tmp_path / "tls" / "server.crt")
        assert renewed.not_valid_after_utc > clock.now() + timedelta(days=700)
        # A service that a later release brings.
        for path in (tmp_path / "tls").glob("catalog.*"):
            path.unlink()
        make_certificates(tmp_path / "tls", NAMES, renew=True)
        assert (tmp_path / "tls" / "catalog.key").is_file()

    def test_the_authority_that_people_trust_signs_no_other_site(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(Invalid) as refusal:
            make_certificates(folder, [*NAMES, "bank.example.com"], renew=True)
        assert refusal.value.reason == "TLS_NAME_OUTSIDE"
        copy = Path(shutil.copytree(folder, tmp_path / "stolen"))
        certificates._sign(copy, "server", ["bank.example.com"], "authority", [x509.OID_SERVER_AUTH])
        command = ["openssl", "verify", "-CAfile", str(folder / "authority.crt")]
        assert subprocess.run([*command, str(folder / "server.crt")], capture_output=True).returncode == 0
        result = subprocess.run([*command, str(copy / "server.crt")], capture_output=True, text=True)
        assert "permitted subtree violation" in result.stderr

    def test_a_certificate_of_a_service_is_its_identity(self, folder: Path) -> None:
        for name in (*service_names(), "gateway"):
            (common_name,) = load_certificate(folder / f"{name}.crt").subject.get_attributes_for_oid(
                NameOID.COMMON_NAME
            )
            assert common_name.value == name

    def test_a_machine_has_its_addresses_and_the_public_host(self) -> None:
        names = names_of_machine(["10.9.8.7"], "https://perpus.example.org:8443")
        assert {"perpus.example.org", "10.9.8.7", "127.0.0.1", "localhost"} <= set(names)
        assert names[0] == socket.gethostname().lower()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))
            except OSError:
                return  # this machine has no network
            assert probe.getsockname()[0] in names


class TestDoctor:
    @pytest.mark.parametrize(("days", "is_well"), [(31, True), (29, False), (-1, False)])
    def test_it_warns_thirty_days_before_the_end(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, is_well: bool
    ) -> None:
        if days > 0:
            monkeypatch.setattr(certificates, "DAYS", days)
        make_certificates(tmp_path / "tls", NAMES, renew=False)
        if days < 0:
            later = clock.now() + timedelta(days=900)
            monkeypatch.setattr(certificates.clock, "now", lambda: later)
        settings = load({"TLS_CERT": str(tmp_path / "tls/server.crt"), "GRPC_CERT": str(tmp_path / "tls/catalog.crt")})
        findings = check_certificates(settings)
        assert [finding.ok for finding in findings] == [is_well, is_well]
        assert is_well or "tls init --renew" in findings[0].advice.en

    def test_a_file_that_is_no_certificate(self, folder: Path) -> None:
        with pytest.raises(Error) as refusal:
            check_certificates(load({"TLS_CERT": str(folder / "server.key")}))
        assert refusal.value.reason == "TLS_FILE_UNUSABLE"


@pytest.mark.parametrize(
    ("certificate", "key", "reason"),
    [
        ("server.crt", "", "TLS_INCOMPLETE"),
        ("missing.crt", "server.key", "FILE_UNREADABLE"),
        ("server.crt", "gateway.key", "TLS_UNUSABLE"),
        ("server.key", "server.key", "TLS_UNUSABLE"),
    ],
)
def test_files_that_cannot_serve_https(folder: Path, certificate: str, key: str, reason: str) -> None:
    settings = load({"TLS_CERT": str(folder / certificate), "TLS_KEY": str(folder / key) if key else ""})
    with pytest.raises(Invalid) as refusal:
        tls_connections.server_context(settings)
    assert refusal.value.reason == reason


@pytest.fixture(scope="module")
def address(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of `up --workers 2` over HTTPS."""
    settings = {
        "DATA": str(tmp_path_factory.mktemp("data")),
        "PORT": "0",
        "CONNECTIONS_PER_ADDRESS": "8",
        "TLS_CERT": str(folder / "server.crt"),
        "TLS_KEY": str(folder / "server.key"),
    }
    with serving(["up", "--workers", "2"], "address", **settings) as found:
        yield found


@pytest.fixture
def port(address: str) -> int:
    assert address.startswith("https://127.0.0.1:")
    return int(address.rpartition(":")[2])


class TestUp:
    def test_clients_that_trust_the_authority_are_served(self, address: str, folder: Path) -> None:
        with httpx.Client(verify=trusting(folder), base_url=address, timeout=20) as client:
            for _ in range(4):
                assert client.get("/api/v1/health/live").json()["status"] == "live"
            page = client.get(address.replace("127.0.0.1", "localhost"))
            assert page.status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(address, timeout=20)

    def test_a_plain_http_request_to_the_https_port_gets_an_error_that_names_https(self, port: int) -> None:
        response = httpx.get(f"http://127.0.0.1:{port}/api/v1/health/live", timeout=20)
        assert response.status_code == 400
        assert "https://" in response.text
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"\x00\x01\x02")
            eventually(lambda: is_closed(connection))

    def test_others_are_served_while_handshakes_hang_and_those_are_bounded(self, port: int, folder: Path) -> None:
        address = f"https://127.0.0.1:{port}"
        with silent_connections(port, 12) as silent:
            for connection in silent[::2]:
                connection.sendall(b"\x16\x03\x01")
            # Eight of an address, four in each worker.
            eventually(lambda: sum(map(is_closed, silent)) == 4)
            other = httpx.HTTPTransport(verify=trusting(folder), local_address="127.0.0.2")
            with httpx.Client(transport=other, timeout=20) as client:
                assert client.get(f"{address}/api/v1/health/live").status_code == 200
            assert sum(map(is_closed, silent)) == 4
            eventually(lambda: all(map(is_closed, silent)), seconds=tls_connections.HANDSHAKE_SECONDS + 20)
        assert httpx.get(f"{address}/api/v1/health/live", verify=trusting(folder), timeout=20).status_code == 200

    def test_the_bounds_of_http_hold(self, port: int, folder: Path) -> None:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as raw,
            trusting(folder).wrap_socket(raw, server_hostname="127.0.0.1") as connection,
        ):
            assert connection.version() == "TLSv1.3"
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000)
            assert b" 431 " in connection.recv(100)

    def test_clients_in_parallel(self, address: str, folder: Path) -> None:
        results: list[int] = []

        def ask() -> None:
            for _ in range(5):
                response = httpx.get(f"{address}/api/v1/health/live", verify=trusting(folder), timeout=30)
                results.append(response.status_code)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == [200] * 15


@contextmanager
def silent_connections(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Connections that send nothing."""
    connections = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


def is_closed(connection: socket.socket) -> bool:
    """Whether the other end has closed the connection."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_grpc_between_serve_and_gateway_and_https_of_the_gateway(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run(data, "migrate")[0] == 0

    def identity(name: str) -> dict[str, str]:
        pair = {"GRPC_CERT": f"{folder}/{name}.crt", "GRPC_KEY": f"{folder}/{name}.key"}
        return {**pair, "GRPC_CA": f"{folder}/services-authority.crt", "DATA": str(data)}

    port = str(processes.free_port())
    serve = serving(["serve", "catalog"], "grpc", **identity("catalog"), GRPC_HOST="0.0.0.0", GRPC_PORT=port)
    gateway_settings = {
        **identity("gateway"),
        "CATALOG_URL": f"dns:///localhost:{port}",
        "MEMBERS_URL": f"dns:///localhost:{port}",
        "PORT": "0",
        "TLS_CERT": f"{folder}/server.crt",
        "TLS_KEY": f"{folder}/server.key",
    }
    with serve, serving(["gateway"], "address", **gateway_settings) as address:
        with httpx.Client(verify=trusting(folder), base_url=address, timeout=20) as client:
            eventually(lambda: client.get("/api/v1/search").status_code == 200, seconds=READY_SECONDS)
        assert httpx.get(address.replace("https", "http"), timeout=20).status_code == 400
        # Without a certificate of the services' authority there is no connection.
        assert speaks(int(port), folder, "catalog")
        assert not speaks(int(port), folder, "")
        # A batch of the query log comes from the gateway alone, whatever another process says of itself.
        for name, reason in (("gateway", ""), ("members", "SERVICE_ONLY"), ("catalog", "SERVICE_ONLY")):
            assert note_search(f"dns:///localhost:{port}", identity(name)) == reason


def note_search(url: str, identity: Mapping[str, str]) -> str:
    """The reason why a process with this certificate may not send a batch of the query log; "" if it may."""
    settings = load({**identity, "CATALOG_URL": url})
    search = searches_pb2.Searched(day=clock.now().date().isoformat(), query="surau", total=1, language="id")
    with sync_channel(url, settings, caller="gateway") as channel:
        try:
            CatalogStub(channel).NoteSearches(searches_pb2.NoteSearchesRequest(searches=[search]), timeout=20)
        except Forbidden as refusal:
            return refusal.reason
    return ""


def speaks(port: int, folder: Path, identity: str) -> bool:
    """Whether a server of gRPC answers a client with the certificate of this service, or with none."""
    context = ssl.create_default_context(cafile=f"{folder}/services-authority.crt")
    context.set_alpn_protocols(["h2"])
    if identity:
        context.load_cert_chain(f"{folder}/{identity}.crt", f"{folder}/{identity}.key")
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as connection,
        ):
            return connection.recv(9) != b""
    except OSError:
        return False
