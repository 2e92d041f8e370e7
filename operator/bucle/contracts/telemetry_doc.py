"""docs/metrics.md, made from the closed list: `python -m bucle.contracts.telemetry_doc [--check]`.

Exit codes: 0 written or equal, 1 the page differs from the list.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from bucle.contracts.generated_page import write_or_check
from bucle.contracts.telemetry import OPERATOR, SERVER, Label, Metric

PAGE = Path("docs") / "metrics.md"
HEAD = """# Metrics for Prometheus

What Bucle's own programs count, for an on-call engineer. For the metrics of models (`log_loss` and the like) see
[contracts](contracts/README.md#metrics); for the alerts on these series see [alerts](alerts.md).

Names follow Prometheus' conventions: base units, `_total` for what only grows since the process began. A `namespace` and a `name`
are those of the object that a series speaks of. Scrape the operator with `honor_labels: true` (`metrics.serviceMonitor` does), or
Prometheus calls them `exported_namespace` and `exported_name` and puts the operator's namespace in their place. A series goes with what it
speaks of: with a deleted object, a rollout that ended, a signal or a gate that left the spec. Every other label has few
values: a closed list, or names that a person wrote into one spec.

`metrics.serviceMonitor.enabled` and `metrics.podMonitor.enabled` make the objects of the Prometheus operator; without it, scrape
the Service `<release>-operator` and the pods labelled `bucle.dev/component: serve`, port `http`, path `/metrics`.

This page is made from `operator/bucle/contracts/telemetry*.py` by `python -m bucle.contracts.telemetry_doc`.
"""
COLUMNS = "| metric | type | unit | labels | meaning |\n|---|---|---|---|---|\n"


def page() -> str:
    """The page as Markdown, in the order of the list."""
    return (
        f"{HEAD}\n## The operator, port 8080, `/metrics`\n\n{COLUMNS}{_rows(OPERATOR)}"
        f"\n## A model server, port 8080, `/metrics`\n\n{COLUMNS}{_rows(SERVER)}"
    )


def main(arguments: list[str]) -> int:
    return write_or_check(PAGE, page(), "bucle.contracts.telemetry_doc", arguments)


def _rows(metrics: Iterable[Metric]) -> str:
    return "".join(
        f"| `{m.name}` | {m.kind} | {m.unit} | {'; '.join(_labels(m))} | {m.meaning}. |\n" for m in metrics
    ).replace(" |  | ", " | | ")


def _labels(metric: Metric) -> Iterable[str]:
    if metric.of_objects:
        yield "`namespace`, `name`"
    yield from (_label(label) for label in metric.labels)


def _label(label: Label) -> str:
    values = ", ".join(label.values) if len(label.values) <= 8 else f"{len(label.values)} words"
    return f"`{label.name}` ({values or label.bound})"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
