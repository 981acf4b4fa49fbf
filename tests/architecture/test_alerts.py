"""The alerts on made-up metrics, in Debian's promtool: normal work fires none, each fault fires its own in time."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from chassis.service import discover
from tests.architecture.test_monitoring import ALERTS, RULES

SERVICES = tuple(service.name for service in discover())
HTTP = "http_server_request_duration_seconds"
HOUR = 240  # values, one each 15 seconds
USED_CONNECTIONS = (
    'db_client_connection_count{db_client_connection_pool_name="catalog",db_client_connection_state="used"}'
)
GONE = "_"  # the value of a series that is not there

# Metrics of the cluster edition at normal work, in promtool's notation: first value + growth. Time begins at 0.
NORMAL = {
    'rangkiang_processes{process="gateway"}': "2+0",
    **{f'rangkiang_processes{{process="{name}"}}': "1+0" for name in SERVICES},
    **{f'rangkiang_processes{{process="{name}-work"}}': "1+0" for name in SERVICES},
    **{f'rangkiang_lease_held{{role="relay",service="{name}"}}': "1+0" for name in SERVICES},
    'rangkiang_lease_held{role="index",service="catalog"}': "1+0",
    **{f'rangkiang_outbox_oldest_seconds{{service="{name}"}}': "2+0" for name in SERVICES},
    **{f'rangkiang_bus_answers{{service="{name}"}}': "1+0" for name in SERVICES},
    **{f'rangkiang_sample_age_seconds{{service="{name}"}}': "4+0" for name in SERVICES},
    **{f'rangkiang_backup_last_timestamp_seconds{{service="{name}"}}': "-90000+0" for name in SERVICES},
    **{f'rangkiang_backup_failed{{service="{name}"}}': "0+0" for name in SERVICES},
    'rangkiang_handler_oldest_seconds{service="catalog",handler="loan-opened"}': "1+0",
    'rangkiang_handler_workers{service="catalog",handler="loan-opened"}': "1+0",
    'rangkiang_handler_workers{service="catalog",handler="loan-returned"}': "1+0",
    'rangkiang_dead_events{service="catalog",handler="loan-opened"}': "0+0",
    "rangkiang_index_behind_seconds": "20+0",
    'rangkiang_degraded_answers_total{rpc_method="Search"}': "7+0",
    "rangkiang_notices_late_seconds": "600+0",
    'rangkiang_channel_failures{channel="smtp"}': "1+0",
    'rangkiang_certificate_end_timestamp_seconds{process="gateway",variable="GRPC_CERT"}': "5000000+0",
    USED_CONNECTIONS: "5+0",
    'db_client_connection_max{db_client_connection_pool_name="catalog"}': "17+0",
    'rangkiang_job_failed{service="catalog",job_name="gaps"}': "0+0",
    'rangkiang_job_last_success_timestamp_seconds{service="catalog",job_name="gaps"}': "-50000+0",
    'rangkiang_import_age_seconds{source="pks"}': "0+15",
    'rangkiang_import_read_records{source="pks"}': "0+900",
    'rangkiang_http_rate_limited_requests_total{quota="address"}': "0+3",
    f'{HTTP}_count{{http_response_status_code="200"}}': "0+150",
    f'{HTTP}_count{{http_response_status_code="503"}}': "0+1",
    f'{HTTP}_bucket{{le="1.0"}}': "0+145",
    f'{HTTP}_bucket{{le="5.0"}}': "0+150",
    f'{HTTP}_bucket{{le="+Inf"}}': "0+150",
}

Firing = tuple[str, dict[str, str]]
# What differs from normal work from the beginning -> minutes until the alerts fire at the latest, and all that do.
FAULTS: dict[str, tuple[dict[str, str], float, list[Firing]]] = {
    "circulation has ended": (
        {
            'rangkiang_processes{process="circulation"}': GONE,
            'rangkiang_lease_held{role="relay",service="circulation"}': GONE,
        },
        2,
        [
            ("RangkiangProcessMissing", {"process": "circulation"}),
            ("RangkiangNoLeaseHolder", {"role": "relay", "service": "circulation"}),
        ],
    ),
    "the catalogue's worker has ended": (
        {
            'rangkiang_processes{process="catalog-work"}': GONE,
            'rangkiang_handler_oldest_seconds{service="catalog",handler="loan-opened"}': "0+15",
            'rangkiang_handler_workers{service="catalog",handler="loan-opened"}': "0+0",
            'rangkiang_handler_workers{service="catalog",handler="loan-returned"}': "0+0",
        },
        2,
        [
            ("RangkiangProcessMissing", {"process": "catalog-work"}),
            ("RangkiangQueueWithoutWorker", {"service": "catalog"}),
            ("RangkiangHandlerBehind", {"service": "catalog", "handler": "loan-opened"}),
        ],
    ),
    "the gateway has ended": (
        {'rangkiang_processes{process="gateway"}': GONE},
        2,
        [("RangkiangDown", {}), ("RangkiangProcessMissing", {"process": "gateway"})],
    ),
    "everything has ended": (
        dict.fromkeys(NORMAL, GONE),
        2,
        [
            ("RangkiangDown", {}),
            ("RangkiangNoLeaseHolder", {"role": "index", "service": "catalog"}),
            *(("RangkiangNoLeaseHolder", {"role": "relay", "service": name}) for name in SERVICES),
        ],
    ),
    "the broker is away for the catalogue": (
        {
            'rangkiang_bus_answers{service="catalog"}': "0+0",
            'rangkiang_outbox_oldest_seconds{service="catalog"}': "0+15",
            'rangkiang_handler_workers{service="catalog",handler="loan-opened"}': GONE,
            'rangkiang_handler_workers{service="catalog",handler="loan-returned"}': GONE,
        },
        2,
        [("RangkiangBusAway", {"service": "catalog"}), ("RangkiangOutboxStuck", {"service": "catalog"})],
    ),
    "the database of members is away": (
        {'rangkiang_sample_age_seconds{service="members"}': "0+15"},
        2,
        [("RangkiangSamplesOld", {"service": "members"})],
    ),
    "the mail server is away": (
        {'rangkiang_channel_failures{channel="smtp"}': "3+0"},
        2,
        [("RangkiangChannelFailing", {"channel": "smtp"})],
    ),
    "notices wait": ({"rangkiang_notices_late_seconds": "3600+15"}, 2, [("RangkiangNoticesLate", {})]),
    "the last backup is old": (
        {'rangkiang_backup_last_timestamp_seconds{service="members"}': "-172800+0"},
        2,
        [("RangkiangBackupOld", {"service": "members"})],
    ),
    "a backup failed": (
        {'rangkiang_backup_failed{service="members"}': "1+0"},
        2,
        [("RangkiangBackupFailed", {"service": "members"})],
    ),
    "a certificate ends": (
        {'rangkiang_certificate_end_timestamp_seconds{process="gateway",variable="GRPC_CERT"}': "1200000+0"},
        2,
        [("RangkiangCertificateEnds", {"process": "gateway", "variable": "GRPC_CERT"})],
    ),
    "an event is dead": (
        {'rangkiang_dead_events{service="catalog",handler="loan-opened"}': "1+0"},
        2,
        [("RangkiangDeadEvents", {"service": "catalog", "handler": "loan-opened"})],
    ),
    "requests fail": (
        {f'{HTTP}_count{{http_response_status_code="503"}}': "0+5"},
        6,
        [("RangkiangErrors", {})],
    ),
    "requests are slow": ({f'{HTTP}_bucket{{le="1.0"}}': "0+100"}, 11, [("RangkiangSlow", {})]),
    "the search engine is away": (
        {'rangkiang_degraded_answers_total{rpc_method="Search"}': "0+9"},
        3,
        [("RangkiangSearchDegraded", {})],
    ),
    "the index is behind": ({"rangkiang_index_behind_seconds": "301+15"}, 6, [("RangkiangIndexBehind", {})]),
    "connections run out": (
        {
            USED_CONNECTIONS: "16+0",
        },
        6,
        [("RangkiangPoolFull", {"db_client_connection_pool_name": "catalog"})],
    ),
    "a job failed": (
        {'rangkiang_job_failed{service="catalog",job_name="gaps"}': "1+0"},
        11,
        [("RangkiangJobFailed", {"service": "catalog", "job_name": "gaps"})],
    ),
    "a job is overdue": (
        {'rangkiang_job_last_success_timestamp_seconds{service="catalog",job_name="gaps"}': "-172800+0"},
        11,
        [("RangkiangJobOverdue", {"service": "catalog", "job_name": "gaps"})],
    ),
    "an import stands still": (
        {'rangkiang_import_read_records{source="pks"}': "500+0"},
        21,
        [("RangkiangImportStalled", {"source": "pks"})],
    ),
    "a robot is refused": (
        {'rangkiang_http_rate_limited_requests_total{quota="address"}': "0+30"},
        19,
        [("RangkiangRateLimited", {"quota": "address"})],
    ),
}


def failure(folder: Path, changes: dict[str, str], expected: dict[float, list[Firing]]) -> str:
    """Evaluate the rules for an hour.

    expected  minutes -> all alerts that fire at that time
    returns   what promtool reports; "" when the expected alerts fired
    """
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in RULES["rules"]}

    def sample(name: str, labels: dict[str, str]) -> dict[str, Any]:
        pairs = {"alertname": name, "alertstate": "firing", "severity": severities[name], **labels}
        text = ",".join(f'{key}="{value}"' for key, value in pairs.items())
        return {"labels": f"ALERTS{{{text}}}", "value": 1}

    queries = [
        {
            "expr": 'ALERTS{alertstate="firing"}',
            "eval_time": f"{int(60 * minutes)}s",
            "exp_samples": [sample(*alert) for alert in alerts],
        }
        for minutes, alerts in expected.items()
    ]
    series = [{"series": name, "values": f"{value}x{HOUR}"} for name, value in {**NORMAL, **changes}.items()]
    test = {"interval": "15s", "input_series": series, "promql_expr_test": queries}
    (folder / "rules.yml").write_text(yaml.dump({"groups": [RULES]}))
    (folder / "tests.yml").write_text(
        yaml.dump({"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": [test]})
    )
    promtool = shutil.which("promtool")
    assert promtool, "apt-get install prometheus"
    command = [promtool, "test", "rules", "tests.yml"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return "" if result.returncode == 0 else result.stdout + result.stderr


def test_an_hour_of_normal_work_fires_no_alert(tmp_path: Path) -> None:
    assert failure(tmp_path, {}, {minutes: [] for minutes in (2, 5, 12, 21, 40, 60)}) == ""


def test_the_embedded_edition_has_no_processes_of_the_cluster(tmp_path: Path) -> None:
    changes = dict.fromkeys((name for name in NORMAL if name.startswith("rangkiang_processes")), GONE)
    changes['rangkiang_processes{process="up"}'] = "3+0"
    assert failure(tmp_path, changes, {2: [], 60: []}) == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fires_its_alerts_in_time_and_no_other(tmp_path: Path, fault: str) -> None:
    changes, minutes, expected = FAULTS[fault]
    assert failure(tmp_path, changes, {0: [], minutes: expected}) == ""


def test_every_alert_fires_for_a_fault() -> None:
    assert {name for _, _, expected in FAULTS.values() for name, _ in expected} == set(ALERTS)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("process", ["{}", "{}-work"])
def test_the_end_of_each_process_of_each_service_fires_an_alert_with_its_name(
    tmp_path: Path, service: str, process: str
) -> None:
    name = process.format(service)
    gone = {f'rangkiang_processes{{process="{name}"}}': GONE}
    assert failure(tmp_path, gone, {2: [("RangkiangProcessMissing", {"process": name})]}) == ""


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_whose_events_nobody_publishes_fires_an_alert_with_its_name(tmp_path: Path, service: str) -> None:
    gone = {f'rangkiang_lease_held{{role="relay",service="{service}"}}': GONE}
    assert failure(tmp_path, gone, {2: [("RangkiangNoLeaseHolder", {"role": "relay", "service": service})]}) == ""
