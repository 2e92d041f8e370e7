"""The dashboards: generated from one list of panels, on series and labels of the table of metrics, carried by the chart as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hack.dashboards import FOLDER, dashboards

from bucle.contracts.telemetry import METRICS, Metric

Render = Callable[[Mapping[str, object]], list[dict[str, Any]]]
SERIES: dict[str, Metric] = {series: metric for metric in METRICS.values() for series in metric.exposed}
SCRAPED = {"namespace", "name", "pod", "le"}


def queries() -> Iterator[tuple[str, str, str]]:
    """Dashboard, panel, query."""
    for name, content in dashboards().items():
        for panel in content["panels"]:
            yield from ((name, panel["title"], target["expr"]) for target in panel["targets"])


@pytest.mark.parametrize(("name", "title", "query"), [*queries()])
def test_a_panel_asks_for_series_and_labels_of_the_table(name: str, title: str, query: str) -> None:
    used = re.findall(r"(bucle_\w+)(?:\{([^}]*)\})?", query)
    assert used, title
    for series, labels in used:
        metric = SERIES[series]
        known = {label.name: label.values for label in metric.labels}
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', labels):
            assert label in {*known, *SCRAPED}, f"{series}{{{label}}}"
            assert "$" in value or not known.get(label) or set(value.split("|")) <= set(known[label]), value
        grouped = {word for group in re.findall(r"by \(([^)]*)\)", query) for word in group.split(", ")}
        assert grouped <= {*known, *SCRAPED}, f"{title}: {grouped}"


def test_the_files_follow_the_list() -> None:
    found = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
    assert found == dashboards(), "run `python -m hack.dashboards`"


def test_panels_of_one_dashboard_do_not_lie_on_each_other() -> None:
    for content in dashboards().values():
        places = [panel["gridPos"] for panel in content["panels"]]
        cells = [(p["x"] + dx, p["y"] + dy) for p in places for dx in range(p["w"]) for dy in range(p["h"])]
        assert len(cells) == len(set(cells)) and all(x < 24 for x, _ in cells)
        assert len({panel["id"] for panel in content["panels"]}) == len(places)


def test_the_chart_carries_them_as_they_are_under_the_label_that_grafana_looks_for(render: Render) -> None:
    objects = render({"metrics": {"dashboards": {"enabled": True, "labels": {"grafana_dashboard": "1"}}}})
    held = [thing for thing in objects if "-dashboard-" in thing["metadata"]["name"]]
    assert {thing["metadata"]["labels"]["grafana_dashboard"] for thing in held} == {"1"}
    data = {name: json.loads(text) for thing in held for name, text in thing["data"].items()}
    assert data == dashboards()
    assert not [thing for thing in render({}) if "-dashboard-" in thing["metadata"]["name"]]
