"""Samples of a service: what waits in its outbox and for its handlers, on both buses; backups and certificates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chassis import clock, metrics
from chassis.bus.depths import open_depths
from chassis.errors import Unavailable
from chassis.metrics.shared import SharedMetrics
from chassis.operations import backup
from chassis.operations.certificates import make_certificates
from chassis.operations.sampling import samples_of
from chassis.service import Resources
from chassis.settings import Settings
from tests.conditions import eventually
from tests.example_services.installation import Installation, installation_of
from tests.fakes.proxy import proxy_to
from tests.migrated import MigratedDatabases


@pytest.fixture(params=["local", pytest.param("amqp", marks=pytest.mark.servers)])
def installation(request: pytest.FixtureRequest, tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Installation]:
    if request.param == "amqp":
        request.getfixturevalue("servers")
    with installation_of(request.param, tmp_path, migrated) as installation:
        installation.declare()
        yield installation


class Samples:
    """Reads the samples of a service."""

    def __init__(self, resources: Resources, folder: Path) -> None:
        self._resources, self._shared = resources, SharedMetrics(folder / "metrics")
        self._depths = open_depths(resources)

    def read(self) -> dict[str, float]:
        """Values by name; of several handlers the largest."""
        values: dict[str, float] = {}
        for sample in samples_of(self._resources, self._depths, self._shared):
            values[sample.name] = max(sample.value, values.get(sample.name, 0.0))
        return values

    def close(self) -> None:
        self._depths.close()
        self._shared.close()


def test_the_oldest_waiting_event_has_an_age_until_it_is_handled(installation: Installation, tmp_path: Path) -> None:
    with closing(Samples(installation.orders, tmp_path)) as samples:
        assert samples.read()["rangkiang_handler_oldest_seconds"] == 0
        installation.receive("mango", "guava")
        installation.publish()
        eventually(lambda: samples.read()["rangkiang_handler_oldest_seconds"] > 0.2)
        with installation.at_work("orders"):
            eventually(lambda: samples.read()["rangkiang_handler_oldest_seconds"] == 0)
            eventually(lambda: installation.placed() == ["guava", "mango"])


@pytest.fixture
def on_broker(servers: dict[str, str], tmp_path: Path, migrated: MigratedDatabases) -> Iterator[Installation]:
    with installation_of("amqp", tmp_path, migrated) as installation:
        installation.declare()
        yield installation


def test_a_queue_without_a_worker_is_seen(on_broker: Installation, tmp_path: Path) -> None:
    with closing(Samples(on_broker.orders, tmp_path)) as samples:
        assert samples.read()["rangkiang_handler_workers"] == 0
        with on_broker.at_work("orders"):
            eventually(lambda: samples.read()["rangkiang_handler_workers"] == 1)
        eventually(lambda: samples.read()["rangkiang_handler_workers"] == 0)


@pytest.mark.parametrize("outage", ["shut", "stall"])
def test_the_outbox_is_sampled_while_the_broker_is_away(on_broker: Installation, tmp_path: Path, outage: str) -> None:
    url = urlsplit(on_broker.settings.bus_url)
    with proxy_to(str(url.hostname), int(url.port or 0)) as proxy:
        through_proxy = on_broker.on_bus(
            url._replace(netloc=f"{url.username}:{url.password}@127.0.0.1:{proxy.port}").geturl()
        )
        with closing(Samples(through_proxy.stock, tmp_path)) as samples:
            assert samples.read()["rangkiang_bus_answers"] == 1
            getattr(proxy, outage)()
            on_broker.receive("mango", "guava")
            values = samples.read()
            assert values["rangkiang_bus_answers"] == 0
            assert values["rangkiang_outbox_unpublished_events"] == 2
            assert "rangkiang_handler_waiting_events" not in values
            proxy.open()
            eventually(lambda: samples.read()["rangkiang_bus_answers"] == 1)


def test_the_moment_of_the_last_backup_and_its_failure_are_sampled(installation: Installation, tmp_path: Path) -> None:
    services = (installation.stock.service, installation.orders.service)
    with closing(Samples(installation.stock, tmp_path)) as samples:

        def read() -> tuple[float, float]:
            values = samples.read()
            return values["rangkiang_backup_last_timestamp_seconds"], values["rangkiang_backup_failed"]

        migrated_at, failed = read()
        assert failed == 0
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(Unavailable):
            backup.make_backup(installation.settings, services, tmp_path / "file" / "backup", quiet=True)
        assert read() == (migrated_at, 1)
        before = clock.now().timestamp()
        backup.make_backup(installation.settings, services, tmp_path / "backup", quiet=True)
        assert read()[0] >= before
        assert read()[1] == 0


def test_a_process_shows_when_its_certificates_expire_and_of_several_the_earliest(tmp_path: Path) -> None:
    end = make_certificates(tmp_path / "tls", ["katalog.example"], renew=False).replace(microsecond=0)
    certificate = str(tmp_path / "tls" / "catalog.crt")
    with closing(SharedMetrics(tmp_path / "data" / "metrics")) as other:
        earlier = end.timestamp() - 60
        other.certificates.labels("catalog", "GRPC_CERT").set(earlier)
        metrics.start(Settings(data=tmp_path / "data", metrics_port=1, grpc_cert=certificate), "catalog")
    try:
        shared = metrics.own()
        assert shared is not None
        assert _ends(shared) == {("catalog", "GRPC_CERT"): end.timestamp()}
        with closing(SharedMetrics(tmp_path / "data" / "metrics")) as other:
            other.certificates.labels("catalog", "GRPC_CERT").set(earlier)
            assert _ends(shared) == {("catalog", "GRPC_CERT"): earlier}
    finally:
        metrics.stop()


def _ends(shared: SharedMetrics) -> dict[tuple[str, str], float]:
    return {
        (sample.labels["process"], sample.labels["variable"]): sample.value
        for family in shared.collect()
        for sample in family.samples
        if sample.name == "rangkiang_certificate_end_timestamp_seconds"
    }
