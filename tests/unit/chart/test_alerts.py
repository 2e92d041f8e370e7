"""The alert rules: each has a page, uses series and labels that the table of metrics knows, and reaches the cluster in either form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bucle.contracts.telemetry import METRICS, Metric
from bucle.contracts.telemetry_types import Kind

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "observe/alerts.yaml"
Render = Callable[[Mapping[str, object]], list[dict[str, Any]]]
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]
SERIES: dict[str, Metric] = {series: metric for metric in METRICS.values() for series in metric.exposed}
SELECTOR = re.compile(r"(bucle_\w+)(?:\{([^}]*)\})?(\[)?")
SCRAPED = {"namespace", "name", "pod", "job"}
"""What the monitors of the chart give every series of a model server."""
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])


def selectors(expression: str) -> list[tuple[Metric, dict[str, str], bool]]:
    """What an expression selects: the metric, the labels it must have, whether over time."""
    found = SELECTOR.findall(expression)
    return [
        (SERIES[name], dict(re.findall(r'(\w+)="([^"]*)"', labels)), bool(range_)) for name, labels, range_ in found
    ]


@each_rule
def test_an_alert_uses_metrics_and_labels_of_the_table(rule: dict[str, Any]) -> None:
    used = selectors(rule["expr"])
    assert used
    for metric, labels, over_time in used:
        assert over_time == (metric.kind is Kind.COUNTER), "a counter is asked for its increase, a gauge for its value"
        known = {label.name: label.values for label in metric.labels}
        for label, value in labels.items():
            assert label in known and (not known[label] or value in known[label]), f"{metric.name}{{{label}={value!r}}}"
        grouped = {word for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for word in group.split(", ")}
        assert grouped <= {*metric.all_labels, *SCRAPED}


@each_rule
def test_a_condition_that_an_alert_is_set_on_is_one_that_the_operator_says(rule: dict[str, Any]) -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "operator/bucle").rglob("*.py"))
    types = {labels["type"] for _, labels, _ in selectors(rule["expr"]) if "type" in labels}
    assert {type_ for type_ in types if f'ConditionUpdate("{type_}"' not in sources} == set()


@each_rule
def test_an_alert_leads_to_a_page_of_its_own(rule: dict[str, Any]) -> None:
    name = rule["alert"]
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{name}.md"
    page = (ROOT / rule["annotations"]["runbook_url"]).read_text(encoding="utf-8")
    assert page.startswith(f"# {name}\n")
    assert all(part in page for part in ("**Means**", "**Look**", "**Do**", "**Clears**"))
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["labels"]["severity"] in ("critical", "warning") and re.fullmatch(r"\d+[mh]", rule["for"])


def test_every_page_belongs_to_an_alert_and_is_listed_with_its_severity_and_pause() -> None:
    assert {page.stem for page in (ROOT / "docs/runbooks").glob("*.md")} == {rule["alert"] for rule in RULES}
    listed = re.findall(
        r"^\| \[(\w+)\]\(runbooks/\w+\.md\) \| (\w+) \| .* \| (\w+) \|$", (ROOT / "docs/alerts.md").read_text(), re.M
    )
    assert listed == [(rule["alert"], rule["labels"]["severity"], rule["for"]) for rule in RULES]


@each_rule
def test_what_an_alert_says_names_labels_that_its_series_have(rule: dict[str, Any]) -> None:
    told = " ".join(rule["annotations"].values())
    grouped = {word for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for word in group.split(", ")}
    assert set(re.findall(r"\$labels\.(\w+)", told)) <= grouped


def test_both_forms_of_the_chart_carry_the_file_as_it_is(render: Render) -> None:
    objects = render({"metrics": {"prometheusRule": {"enabled": True}, "rulesConfigMap": {"enabled": True}}})
    rule = next(thing for thing in objects if thing["kind"] == "PrometheusRule")
    stored = next(thing for thing in objects if thing["metadata"]["name"] == "bucle-alerts")
    wanted = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert rule["spec"] == wanted
    assert yaml.safe_load(stored["data"]["alerts.yaml"]) == wanted


def test_alerts_link_to_where_the_pages_are_published(render: Render) -> None:
    base = "https://git.example.com/docs/runbooks"
    objects = render({"metrics": {"prometheusRule": {"enabled": True}, "runbooks": f"{base}/"}})
    rule = next(thing for thing in objects if thing["kind"] == "PrometheusRule")
    links = [r["annotations"]["runbook_url"] for group in rule["spec"]["groups"] for r in group["rules"]]
    assert links == [f"{base}/{r['alert']}.md" for r in RULES]


def test_a_series_keeps_the_namespace_of_what_it_speaks_of(render: Render) -> None:
    """Prometheus would put the namespace of the operator's pod in its place, and alerts would name that."""
    objects = render({"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}})
    service = next(thing for thing in objects if thing["kind"] == "ServiceMonitor")
    assert [endpoint["honorLabels"] for endpoint in service["spec"]["endpoints"]] == [True]
    pods = next(thing for thing in objects if thing["kind"] == "PodMonitor")
    assert {r["targetLabel"] for e in pods["spec"]["podMetricsEndpoints"] for r in e["relabelings"]} == {"name"}
