"""The dashboard and the alerts: their metrics and labels exist in the code, and each alert has its runbook."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
import yaml

from tests.architecture.manifests import kubernetes, rendered
from tests.architecture.test_network import allows, labels_of
from tests.architecture.test_tree import PACKAGES, sources
from tests.conftest import CHECKOUT

COMPONENT = CHECKOUT / "k8s" / "components" / "monitoring"
OPERATIONS = (CHECKOUT / "docs" / "operations.md").read_text()
METRICS_ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|([^|]*)\|", re.MULTILINE)
# What Prometheus' text format appends to the name of a metric, by its type.
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",)}
# Words of PromQL that stand where a metric may stand.
KEYWORDS = {"and", "by", "ignoring", "offset", "on", "or", "unless", "without"}
SEVERITIES = {"critical", "warning", "info"}
PARTS = ("Arti", "Sebab", "Lakukan", "Meaning", "Causes", "First")


def alerts() -> list[dict[str, Any]]:
    """The rules of PrometheusRule."""
    (rule,) = (item for item in rendered("operators") if item["kind"] == "PrometheusRule")
    return [alert for group in rule["spec"]["groups"] for alert in group["rules"]]


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard, as Grafana's sidecar gets it."""
    (item,) = (item for item in rendered("operators") if item["metadata"]["name"] == "rangkiang-dashboard")
    assert item["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard: dict[str, Any] = json.loads(item["data"]["rangkiang.json"])
    found: list[dict[str, Any]] = dashboard["panels"]
    return found


def expressions(alerts: list[dict[str, Any]], panels: list[dict[str, Any]]) -> dict[str, str]:
    """PromQL by the name of its alert or panel."""
    queries = {alert["alert"]: alert["expr"] for alert in alerts}
    for panel in panels:
        queries |= {f"{panel['title']} {target['refId']}": target["expr"] for target in panel["targets"]}
    return queries


# Each process of a run collects the tests; the files name them, because kustomize takes a second of CPU time.
(RULES,) = yaml.safe_load((COMPONENT / "alerts.yaml").read_text())["spec"]["groups"]
ALERTS = [alert["alert"] for alert in RULES["rules"]]
EXPRESSIONS = list(expressions(RULES["rules"], json.loads((COMPONENT / "dashboard.json").read_text())["panels"]))


@cache
def code() -> str:
    """The text of every module of the product."""
    return "".join((CHECKOUT / path).read_text() for path in sources(*PACKAGES))


@cache
def documented() -> dict[str, set[str]]:
    """Names in Prometheus' text format, from docs/metrics.md, with their labels."""
    text = (CHECKOUT / "docs" / "metrics.md").read_text()
    return {
        name + suffix: _labels(labels) | ({"le"} if suffix == "_bucket" else set())
        for name, kind, labels in METRICS_ROW.findall(text)
        for suffix in SUFFIXES[kind]
    }


def _labels(cell: str) -> set[str]:
    """Labels of a row, with the one that Prometheus adds; `job`, which it adds too, is no label of ours."""
    return {*re.findall(r"`(\w+)`", cell), "instance"} - {"job"}


def names_in(query: str) -> tuple[set[str], set[str]]:
    """Metrics and labels that a PromQL query names."""
    labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query))
    for group in re.findall(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)", query):
        labels |= set(re.findall(r"\w+", group))
    bare = re.sub(r"\b(?:by|on|without|ignoring)\s*\([^)]*\)|\{[^}]*\}|\[[^]]*\]", " ", query)
    metrics = {name for name in re.findall(r"\b[a-z_]\w*\b(?!\s*\()", bare) if name not in KEYWORDS}
    return metrics, labels


def test_a_query_is_read_as_prometheus_reads_it():
    query = 'sum by (le) (rate(a_bucket{b=~"c|d"}[5m])) > 0.9 * max(e_count) or absent(f{g="h"})'
    assert names_in(query) == ({"a_bucket", "e_count", "f"}, {"le", "b", "g"})


def test_the_manifests_have_the_queries_of_the_files_and_no_other():
    assert list(expressions(alerts(), panels())) == EXPRESSIONS


@pytest.mark.parametrize("title", EXPRESSIONS)
def test_every_metric_and_label_of_the_dashboard_and_the_alerts_exists_in_the_code(title):
    metrics, labels = names_in(expressions(alerts(), panels())[title])
    assert metrics
    assert not metrics - set(documented())
    assert not labels - set().union(*(documented()[name] for name in metrics))
    for metric in metrics:
        name = re.sub(r"_(bucket|count|sum|total)$", "", metric)
        assert f'"{name}"' in code() or f'"{metric}"' in code(), metric


def test_every_metric_of_the_code_is_on_the_dashboard():
    shown = set().union(*(names_in(target["expr"])[0] for panel in panels() for target in panel["targets"]))
    of_one_metric = {re.sub(r"_(bucket|count|sum)$", "", name) for name in documented()}
    assert not of_one_metric - {re.sub(r"_(bucket|count|sum)$", "", name) for name in shown} - NOT_SHOWN


# They are parts of others that are shown, or only lead to them.
NOT_SHOWN = {"rangkiang_import_age_seconds", "rangkiang_imports_unfinished"}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_leads_to_its_runbook(name):
    (alert,) = (alert for alert in alerts() if alert["alert"] == name)
    assert alert["labels"]["severity"] in SEVERITIES
    assert alert["for"]
    assert set(alert["annotations"]) == {"summary", "ringkasan", "runbook_url"}
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert page == "docs/operations.md"
    # The anchor of a heading of one word is the word in small letters.
    assert anchor == alert["alert"].lower()
    (runbook,) = re.findall(rf"^### {alert['alert']}\n(.*?)(?=^#|\Z)", OPERATIONS, re.MULTILINE | re.DOTALL)
    assert tuple(re.findall(r"^- \*\*(\w+)\*\*: \S", runbook, re.MULTILINE)) == PARTS


def test_every_runbook_has_an_alert():
    runbooks = re.findall(r"^### (Rangkiang\w+)$", OPERATIONS, re.MULTILINE)
    assert runbooks == [alert["alert"] for alert in alerts()]


def test_every_process_shows_its_metrics_to_the_namespace_of_prometheus_alone():
    (monitor,) = (item["spec"] for item in rendered("operators") if item["kind"] == "PodMonitor")
    monitoring = {"kubernetes.io/metadata.name": "monitoring"}
    for name in ("gateway", "catalog-serve"):
        process = kubernetes("operators")[name]
        (endpoint,) = monitor["podMetricsEndpoints"]
        assert str(process.port(endpoint["port"])) == process.environment["METRICS_PORT"]
        assert process.environment["METRICS_HOST"] == "0.0.0.0"
        pod = labels_of("operators", name)
        assert monitor["selector"]["matchLabels"].items() <= pod.items()
        assert allows("operators", "Ingress", pod, monitoring, "metrics", same=False)
        assert not allows("operators", "Ingress", pod, {"kubernetes.io/metadata.name": "other"}, "metrics", same=False)
