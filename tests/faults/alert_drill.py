"""Alerts in Debian's Prometheus on a running cluster: each fault fires its own within two minutes, normal work none.

`make soak` runs it; ALERT_MINUTES is the time of normal work.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import amqp
import httpx
import yaml
from sqlalchemy import func, select, update

from chassis import clock
from chassis.bus.amqp import Publisher, dead_queue, queue_of
from chassis.bus.outbox import outbox, unpublished_rows
from chassis.context import system
from chassis.database.db import Database
from chassis.jobs.job_runs import LAST_BACKUP, job_runs
from chassis.operations.certificates import make_certificates
from chassis.service import load
from chassis.settings import load as load_settings
from services.notifications.tables import Institution, Notice
from tests.architecture.test_monitoring import RULES
from tests.builders import book
from tests.conditions import eventually
from tests.fakes.mail_server import MailServer
from tests.fakes.proxy import Proxy
from tests.faults.lending_outages import through_proxy
from tests.journeys.library import Library
from tests.journeys.shared.test_many_desks import act, client, send
from tests.servers.cluster import SERVICES, Cluster
from tests.servers.processes import free_port
from tests.servers.state import ServerError

DRILL = system("drill")
FIRES_SECONDS = 120
CLEARS_SECONDS = 400
TOKEN_SECONDS = 240
ITEM = "SIRINE0001"

Alert = tuple[str, str]  # name, and the value of the label that tells what it is about


@dataclass
class Drill:
    """A cluster whose servers are behind proxies, its mail server, and Prometheus."""

    cluster: Cluster
    library: Library
    broker: Proxy
    database: Proxy
    mail: MailServer
    prometheus: str
    folder: Path
    office: httpx.Client
    seconds: dict[Alert, float] = field(default_factory=dict)
    token_until: float = 0.0

    def firing(self) -> set[Alert]:
        with urllib.request.urlopen(f"{self.prometheus}/api/v1/alerts", timeout=20) as reply:
            alerts = json.load(reply)["data"]["alerts"]
        return {
            (alert["labels"]["alertname"].removeprefix("Rangkiang"), _subject(alert["labels"]))
            for alert in alerts
            if alert["state"] == "firing"
        }

    def fire(self, expected: set[Alert], *, mend: Callable[[], object]) -> None:
        """Assert that a fault fires its alerts in time and no other; mend it, and wait until none fires."""
        start = time.monotonic()
        try:
            while True:
                fired, seconds = self.firing(), time.monotonic() - start
                self.seconds |= {alert: seconds for alert in expected & fired if alert not in self.seconds}
                assert fired <= expected, f"not expected: {sorted(fired - expected)}"
                if fired == expected:
                    break
                assert seconds < FIRES_SECONDS, f"silent after {seconds:.0f} s: {sorted(expected - fired)}"
                time.sleep(1)
        finally:
            mend()
        eventually(lambda: not self.firing(), seconds=CLEARS_SECONDS)

    def end(self, *names: str) -> None:
        """Kill processes of the cluster."""
        for name in names:
            self.cluster.processes[name].kill()
            self.cluster.processes[name].wait()

    def lend(self) -> None:
        """Lend the item and take it back; with a new token before the last one ends."""
        if time.monotonic() > self.token_until:
            self.office.close()
            self.office = client(self.library, "administrator")
            self.token_until = time.monotonic() + TOKEN_SECONDS
        act(self.office, "/check-outs", item=ITEM, member=self.member)
        act(self.office, "/check-ins", item=ITEM)

    def prepare(self) -> None:
        """Make an item and a member who may lend it."""
        self.library.put([book("1", "Sirine di Sawahlunto", items=[("PST", ITEM)])], source="SIRINE")
        self.member = self.register()
        body = {"member": self.member, "item": ITEM, "branch": "PKS/PST", "dry_run": True}
        eventually(lambda: send(self.office, "/check-outs", body).status_code == 200, seconds=180)

    def register(self) -> str:
        """Register a member, who gets a mail of welcome."""
        name = uuid.uuid4().hex[:8]
        body = {"name": f"Anggota {name}", "category": "umum", "email": f"{name}@example.org"}
        response = send(self.office, "/members", body)
        assert response.is_success, response.text
        number: str = response.json()["number"]
        return number

    def open(self, service: str) -> Any:
        settings = load_settings({**self.library.environment, "DATABASE_URL": self.cluster.owner_url})
        return closing(load(service).open_database(settings, pool_size=1))


def _subject(labels: dict[str, str]) -> str:
    return labels.get("process") or labels.get("service") or labels.get("channel") or ""


def run(*, minutes: float) -> str:
    """Plant the faults one after another, then work normally for this time. Returns a line for the report."""
    with tempfile.TemporaryDirectory() as folder, drill_of(Path(folder)) as drill:
        for part in (processes_end, broker_goes, database_goes, gateway_ends):
            part(drill)
            print(f"alerts: {part.__name__}: {_times(drill)}", flush=True)
            drill.seconds.clear()
        acts, refused = work(drill, minutes=minutes)
    return f"alerts: none during {minutes:g} minutes of normal work with {acts} acts; {refused} searches came too late"


def work(drill: Drill, *, minutes: float) -> tuple[int, int]:
    """Lend and search for this time; assert that no alert fires. Returns the number of acts and of late searches.

    A machine that other programs keep busy answers some searches with 503 or 504; that is no fault of a rule of alerts.
    """
    acts, late, end = 0, 0, time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        drill.lend()
        status = drill.library.get("/api/v1/search", q="sejarah").status_code
        assert status in (200, 503, 504), status
        late += status != 200
        acts += 2
        assert not drill.firing()
        time.sleep(1)
    return acts, late


def _times(drill: Drill) -> str:
    return ", ".join(f"{' '.join(alert).strip()} {seconds:.0f} s" for alert, seconds in sorted(drill.seconds.items()))


def processes_end(drill: Drill) -> None:
    """Circulation and the catalogue's worker end; mail, a backup and an event fail; a certificate ends soon."""
    with suppress(ServerError):
        drill.cluster.run("backup", "/dev/null/backup", DATABASE_OWNER_URL=drill.cluster.owner_url)
    ending = drill.folder / "ending"
    with clock.frozen(clock.now() - timedelta(days=790)):
        make_certificates(ending, ["localhost"], renew=False)
    drill.end("members-work")
    drill.cluster.restart("members-work", GRPC_CERT=str(ending / "members.crt"))
    drill.mail.close()
    for _ in range(5):
        drill.register()
    queue = dead_queue(queue_of("notifications", "loan-opened"))
    with closing(Publisher(drill.cluster.environment["BUS_URL"])) as publisher:
        publisher.channel().basic_publish(amqp.Message("?"), routing_key=queue)
    drill.end("catalog-work")
    drill.lend()
    eventually(lambda: _is_published(drill), seconds=60)
    drill.end("circulation-serve")

    def mend() -> None:
        drill.mail.start()
        with closing(Publisher(drill.cluster.environment["BUS_URL"])) as publisher:
            publisher.channel().queue_purge(queue)
        drill.end("members-work")
        for name in ("members-work", "catalog-work", "circulation-serve"):
            drill.cluster.restart(name)
        _back_up(drill)

    drill.fire(
        {
            ("ProcessMissing", "circulation"),
            ("ProcessMissing", "catalog-work"),
            ("NoLeaseHolder", "circulation"),
            ("QueueWithoutWorker", "catalog"),
            ("HandlerBehind", "catalog"),
            ("ChannelFailing", "smtp"),
            ("CertificateEnds", "members-work"),
            ("DeadEvents", "notifications"),
            *(("BackupFailed", name) for name in SERVICES),
        },
        mend=mend,
    )


def broker_goes(drill: Drill) -> None:
    """RabbitMQ is away, and the last backup of members is three days old."""
    with drill.open("members") as database, database.transaction(DRILL) as session:
        old = clock.now() - timedelta(days=3)
        session.execute(update(job_runs).where(job_runs.c.name == LAST_BACKUP).values(started_at=old))
    drill.broker.shut()
    drill.lend()

    def mend() -> None:
        drill.broker.open()
        _back_up(drill)

    drill.fire(
        {
            *(("BusAway", name) for name in SERVICES),
            ("OutboxStuck", "circulation"),
            ("BackupOld", "members"),
        },
        mend=mend,
    )


def database_goes(drill: Drill) -> None:
    """PostgreSQL is away."""
    drill.database.shut()
    expected = {(name, service) for name in ("SamplesOld", "NoLeaseHolder") for service in SERVICES}
    drill.fire(expected, mend=drill.database.open)


def gateway_ends(drill: Drill) -> None:
    """The gateway and members end, so that a notice stays late."""
    drill.end("gateway", "members-serve")
    with drill.open("notifications") as database:
        _add_late_notice(database)

    def mend() -> None:
        drill.cluster.restart("members-serve")
        drill.cluster.restart("gateway")
        eventually(lambda: _is_ready(drill), seconds=180)

    drill.fire(
        {
            ("Down", ""),
            ("ProcessMissing", "gateway"),
            ("ProcessMissing", "members"),
            ("NoLeaseHolder", "members"),
            ("NoticesLate", ""),
        },
        mend=mend,
    )


def _back_up(drill: Drill) -> None:
    folder = str(drill.folder / f"backup-{uuid.uuid4().hex[:8]}")
    drill.cluster.run("backup", folder, DATABASE_OWNER_URL=drill.cluster.owner_url)


def _is_published(drill: Drill) -> bool:
    with drill.open("circulation") as database, database.reading(DRILL) as session:
        return not session.scalar(select(func.count()).select_from(outbox).where(unpublished_rows))


def _add_late_notice(database: Database) -> None:
    """Add a notice that should have been sent two hours ago."""
    now = clock.now()
    with database.transaction(DRILL) as session:
        institution = session.scalars(select(Institution.id)).first()
        assert institution is not None
        session.add(
            Notice(
                id=uuid.uuid4(), institution_id=institution, member_id=uuid.uuid4(), kind="welcome",
                subject_key=f"drill:{uuid.uuid4()}", title="", facts={}, due_at=now - timedelta(hours=2),
                state="waiting", reason="", traceparent="", made_at=now, changed_at=now,
            )
        )  # fmt: skip


def _is_ready(drill: Drill) -> bool:
    with suppress(httpx.HTTPError):
        return drill.library.get("/api/v1/health/ready").status_code == 200
    return False


@contextmanager
def drill_of(folder: Path) -> Iterator[Drill]:
    """Start the cluster with metrics, and Prometheus with the rules of k8s/."""
    with ExitStack() as stack:
        cluster = Cluster(prefix=f"alerts_{uuid.uuid4().hex[:8]}_")
        stack.callback(cluster.remove)
        mail = stack.enter_context(MailServer(requires_login=False))
        bus_url, broker = through_proxy(stack, cluster.environment["BUS_URL"])
        database_url, database = through_proxy(stack, cluster.environment["DATABASE_URL"])
        metrics_port = free_port()
        cluster.environment |= {
            "DATA": str(folder / "var"),
            "BUS_URL": bus_url,
            "DATABASE_URL": database_url,
            "METRICS_PORT": str(metrics_port),
            "RATE_LIMIT": "0",
            "CHANNELS": f"smtp://127.0.0.1:{mail.port}?tls=none&from=pustaka%40kota.example",
        }
        cluster.copy_databases()
        stack.callback(cluster.stop)
        log = stack.enter_context((folder / "server.log").open("wb"))
        cluster.start(log=log)
        library = Library("cluster", cluster.address, cluster.environment, folder, None)  # type: ignore[arg-type]
        library.command("sample", "load")
        office = client(library, "administrator")
        prometheus = stack.enter_context(prometheus_of(folder, metrics_port))
        drill = Drill(cluster, library, broker, database, mail, prometheus, folder, office)
        drill.prepare()
        eventually(lambda: not drill.firing(), seconds=CLEARS_SECONDS)
        yield drill
        drill.office.close()


@contextmanager
def prometheus_of(folder: Path, metrics_port: int) -> Iterator[str]:
    """Run Prometheus as PodMonitor configures it: every 15 seconds. Yields its address."""
    program = shutil.which("prometheus")
    assert program, "apt-get install prometheus"
    (folder / "rules.yml").write_text(yaml.dump({"groups": [RULES]}))
    scrape = {"job_name": "rangkiang", "static_configs": [{"targets": [f"127.0.0.1:{metrics_port}"]}]}
    own = {"global": {"scrape_interval": "15s"}, "rule_files": ["rules.yml"], "scrape_configs": [scrape]}
    (folder / "prometheus.yml").write_text(yaml.dump(own))
    port = free_port()
    command = [
        program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    address = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{address}/-/ready", verify=False).status_code == 200
        return False

    with subprocess.Popen(command) as process:
        try:
            eventually(is_ready, seconds=60)
            yield address
        finally:
            process.terminate()
