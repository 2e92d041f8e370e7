"""`python -m hack.dashboards [--check]`: observe/dashboards/*.json, Grafana's dashboards of the loop and of one deployment.

Knows Grafana's JSON and PromQL on series of docs/metrics.md. A test asks each query of a real Prometheus.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "observe" / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
IN = 'namespace=~"$namespace"'
OF = 'namespace="$namespace", name="$name"'


@dataclass(frozen=True)
class Panel:
    """`queries`: PromQL, each with its legend. `unit`: in Grafana's words."""

    title: str
    queries: Sequence[tuple[str, str]]
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 7
    about: str = ""


def stat(title: str, query: str, about: str = "", legend: str = "") -> Panel:
    return Panel(title, [(query, legend)], "stat", width=6, height=4, about=about)


LOOP: tuple[Panel, ...] = (
    stat("Operators that lead", "sum(bucle_leader)", "One. Without it nothing is decided."),
    stat("Stalled objects", f'count(bucle_condition{{type="Stalled", {IN}}} == 1) or vector(0)', "They need a person."),
    stat(
        "Policies that see drift",
        f'count(bucle_condition{{kind="DriftPolicy", type="DriftDetected", {IN}}} == 1) or vector(0)',
    ),
    stat("Rollouts that run", f"count(bucle_rollout_phase{{{IN}}} == 1) or vector(0)"),
    Panel(
        "Objects by readiness",
        [(f'sum by (kind) (clamp_min(bucle_condition{{type="Ready", {IN}}}, 0))', "{{kind}} ready"),
         (f'count by (kind) (bucle_condition{{type="Ready", {IN}}})', "{{kind}} in all")],
    ),
    Panel(
        "Signals: value", [(f"max by (namespace, name, signal) (bucle_signal_value{{{IN}}})", "{{name}} {{signal}}"),
         (f"max by (namespace, name, signal) (bucle_signal_limit{{{IN}}})", "{{name}} {{signal}}: limit")],
    ),
    Panel(
        "Signals that drift, are breached or have no data",
        [(f'max by (namespace, name, signal, verdict) (bucle_signal_verdict{{verdict=~"Breached|NoData|Error", {IN}}})',
          "{{name}} {{signal}} {{verdict}}"),
         (f"max by (namespace, name, signal) (bucle_signal_drifting{{{IN}}})", "{{name}} {{signal}} drifts")],
    ),
    Panel("Retrains in a day, by outcome", [(f"sum by (outcome) (increase(bucle_retrains_total{{{IN}}}[1d]))", "{{outcome}}")]),
    Panel("Rollouts in a day, by outcome", [(f"sum by (outcome) (increase(bucle_rollouts_total{{{IN}}}[1d]))", "{{outcome}}")]),
    Panel("Trials, by state", [(f"sum by (state) (bucle_experiment_trials{{{IN}}})", "{{state}}")]),
    Panel("Rows of datasets", [(f"max by (namespace, name) (bucle_dataset_rows{{{IN}}})", "{{name}}")]),
    Panel("Share of good rows", [(f"min by (namespace, name, dimension) (bucle_dataset_quality_ratio{{{IN}}})", "{{name}} {{dimension}}")], unit="percentunit"),
    Panel("Age of dataset versions", [(f"time() - max by (namespace, name) (bucle_dataset_version_timestamp_seconds{{{IN}}})", "{{name}}")], unit="s"),
    Panel("Operator: runs per second", [("sum by (kind, outcome) (rate(bucle_reconcile_total[5m]))", "{{kind}} {{outcome}}")], unit="ops"),
    Panel(
        "Operator: time of a run, 99 of 100",
        [("histogram_quantile(0.99, sum by (le, kind) (rate(bucle_reconcile_seconds_bucket[5m])))", "{{kind}}")], unit="s",
    ),
    Panel("Operator: objects that wait", [("max(bucle_queue_depth)", "queue")]),
    Panel("Operator: requests to the API server", [("sum by (verb, code) (rate(bucle_kubernetes_requests_total[5m]))", "{{verb}} {{code}}")], unit="ops"),
    Panel("Operator: effects", [("sum by (effect, outcome) (increase(bucle_effects_total[1h]))", "{{effect}} {{outcome}}")]),
    Panel("Notifications in an hour", [("sum by (sink, outcome) (increase(bucle_notifications_total[1h]))", "{{sink}} {{outcome}}")]),
)  # fmt: skip

DEPLOYMENT: tuple[Panel, ...] = (
    stat("Version", f"max by (role) (bucle_model_version{{{OF}}})", "Numbers in the registry.", "{{role}}"),
    stat("Step", f"max(bucle_rollout_step{{{OF}}}) + 1 or vector(0)", "0 while no rollout runs."),
    stat("Steps", f"max(bucle_rollout_steps{{{OF}}}) or vector(0)"),
    stat("Available", f'max(bucle_condition{{kind="ModelDeployment", type="Available", {OF}}})', "1: callers are answered."),
    Panel("Weight of the candidate", [(f"max by (weight) (bucle_rollout_weight_ratio{{{OF}}})", "{{weight}}")], unit="percentunit"),
    Panel("Phase of the rollout", [(f"max by (phase) (bucle_rollout_phase{{{OF}}})", "{{phase}}")]),
    Panel("Conditions", [(f'max by (type) (bucle_condition{{kind="ModelDeployment", {OF}}})', "{{type}}")]),
    Panel(
        "Gates: candidate against stable",
        [(f"max by (gate) (bucle_gate_estimate{{{OF}}})", "{{gate}}"),
         (f"max by (gate) (bucle_gate_limit{{{OF}}})", "{{gate}}: limit"),
         (f"max by (gate, bound) (bucle_gate_interval{{{OF}}})", "{{gate}}: {{bound}}")],
    ),
    Panel("Gates: verdict", [(f"max by (gate, verdict) (bucle_gate_verdict{{{OF}}})", "{{gate}} {{verdict}}")]),
    Panel(
        "Gates: evidence",
        [(f"max by (gate) (bucle_gate_samples{{{OF}}})", "{{gate}}: samples"), (f"max by (gate) (bucle_gate_groups{{{OF}}})", "{{gate}}: groups"), (f"max by (gate) (bucle_gate_independent_groups{{{OF}}})", "{{gate}}: independent groups")],
    ),
    Panel("Requests per second", [(f"sum by (role, code) (rate(bucle_requests_total{{{OF}}}[5m]))", "{{role}} {{code}}")], unit="reqps"),
    Panel(
        "Time to answer",
        [(f"histogram_quantile({q}, sum by (le) (rate(bucle_request_seconds_bucket{{{OF}}}[5m])))", f"{q}") for q in (0.5, 0.99)], unit="s",
    ),
    Panel("Requests refused", [(f"sum by (reason) (increase(bucle_refused_requests_total{{{OF}}}[1h]))", "{{reason}}")]),
    Panel(
        "Rows stored and lost in an hour",
        [(f"sum(increase(bucle_captured_rows_total{{{OF}}}[1h]))", "stored"), (f"sum by (reason) (increase(bucle_dropped_rows_total{{{OF}}}[1h]))", "lost: {{reason}}")],
    ),
    Panel(
        "Labels in an hour",
        [(f"sum(increase(bucle_feedback_rows_total{{{OF}}}[1h]))", "stored"),
         (f"sum by (reason) (increase(bucle_feedback_refused_rows_total{{{OF}}}[1h]))", "refused: {{reason}}")],
    ),
    Panel("Rollouts that ended, by outcome", [(f"sum by (outcome) (bucle_rollouts_total{{{OF}}})", "{{outcome}}")]),
)  # fmt: skip


def variable(name: str, query: str, *, many: bool) -> dict[str, Any]:
    chosen = {"selected": True, "text": "All", "value": "$__all"} if many else {}
    return {
        "name": name, "label": name, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name},
        "definition": query, "refresh": 2, "sort": 1, "includeAll": many, "multi": many, "current": chosen,
    }  # fmt: skip


def laid_out(panels: Iterable[Panel]) -> list[dict[str, Any]]:
    """From left to right, a new row where one is full."""
    x = y = tallest = 0
    found = []
    for number, panel in enumerate(panels, 1):
        if x + panel.width > COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
        found.append(_panel(number, panel, place))
        x, tallest = x + panel.width, max(tallest, panel.height)
    return found


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + i), "datasource": SOURCE, "expr": query, "legendFormat": legend or "__auto"}
        for i, (query, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number, "title": panel.title, "description": panel.about, "type": panel.kind, "datasource": SOURCE,
        "gridPos": place, "targets": targets, "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
    }  # fmt: skip


def dashboard(uid: str, title: str, panels: Iterable[Panel], variables: Sequence[dict[str, Any]]) -> dict[str, Any]:
    source = {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    return {
        "uid": uid, "title": title, "tags": ["bucle"], "schemaVersion": 41, "editable": True, "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"}, "timezone": "", "version": 1,
        "templating": {"list": [source, *variables]}, "panels": laid_out(panels),
    }  # fmt: skip


def dashboards() -> dict[str, dict[str, Any]]:
    """By file name."""
    everywhere = variable("namespace", "label_values(bucle_condition, namespace)", many=True)
    one = variable("namespace", 'label_values(bucle_condition{kind="ModelDeployment"}, namespace)', many=False)
    name = variable(
        "name", 'label_values(bucle_condition{kind="ModelDeployment", namespace="$namespace"}, name)', many=False
    )
    return {
        "bucle-loop.json": dashboard("bucle-loop", "Bucle: the loop", LOOP, [everywhere]),
        "bucle-deployment.json": dashboard("bucle-deployment", "Bucle: one deployment", DEPLOYMENT, [one, name]),
    }


def main(arguments: list[str]) -> int:
    """0 when everything is written, or with --check equal."""
    behind = []
    for name, content in dashboards().items():
        path, text = FOLDER / name, json.dumps(content, indent=1) + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            behind.append(name)
            if "--check" not in arguments:
                FOLDER.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    if behind and "--check" in arguments:
        sys.stderr.write(f"observe/dashboards: {', '.join(behind)} differ: run `python -m hack.dashboards`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
