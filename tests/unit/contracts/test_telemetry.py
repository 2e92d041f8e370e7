"""The table of metrics: names by Prometheus' conventions, labels with few values, words that are those of the code, a page that follows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.core import Metric as Family

from bucle.contracts import telemetry, telemetry_doc
from bucle.contracts.telemetry import METRICS, OPERATOR, SERVER, Kind, Metric
from bucle.contracts.telemetry_server import UNJOINABLE
from bucle.kinds.driftpolicy.state import RetrainOutcome, RetrainState
from bucle.kinds.driftpolicy.state import Verdict as SignalVerdict
from bucle.kinds.experiment.state import TrialState
from bucle.kinds.modeldeployment.gates.verdict import Verdict as GateVerdict
from bucle.kinds.modeldeployment.state import Outcome, Phase
from bucle.pods.serve import feedback
from bucle.pods.serve.measures import Measures
from bucle.resources import KINDS
from bucle.resources.dataset_status import Quality

ROOT = Path(__file__).resolve().parents[3]
UNITS = {"seconds": "_seconds", "bytes": "_bytes", "ratio": "_ratio"}
NOT_BASE_UNITS = ("milliseconds", "minutes", "hours", "percent", "megabytes", "kilobytes")


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_a_name_follows_the_conventions_of_prometheus(metric: Metric) -> None:
    assert re.fullmatch(r"bucle_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert metric.name.endswith(UNITS.get(metric.unit, ""))
    assert metric.unit in ("", *UNITS)
    assert not any(word in metric.name for word in NOT_BASE_UNITS)
    assert metric.meaning[0].isupper() or metric.meaning[0].isdigit()
    assert not metric.meaning.endswith(".")


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_every_label_says_what_bounds_it(metric: Metric) -> None:
    for label in metric.labels:
        assert bool(label.values) != bool(label.bound), label.name
        assert not {"pod", "job", "instance", "namespace", "name"} & {label.name}, (
            "those are the scrape's or the object's"
        )


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        (telemetry.RECONCILES, KINDS),
        (telemetry.CONDITION, KINDS),
        (telemetry.TRIALS, TrialState),
        (telemetry.ROLLOUT_PHASE, Phase),
        (telemetry.ROLLOUTS, Outcome),
        (telemetry.GATE_VERDICT, GateVerdict),
        (telemetry.SIGNAL_VERDICT, SignalVerdict),
        (telemetry.RETRAINS, RetrainOutcome),
        (telemetry.RETRAIN_OPEN, RetrainState),
        (telemetry.DATASET_QUALITY, Quality.model_fields),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_closed_list_of_labels_is_that_of_the_code(metric: Metric, words: object) -> None:
    lists = [set(label.values) for label in metric.labels if label.values]
    assert {str(word) for word in words} in lists  # type: ignore[attr-defined]


def test_a_model_server_counts_what_the_table_says_and_nothing_else() -> None:
    measures = Measures("flights", "rev1")
    found: dict[str, Family] = {family.name: family for family in measures.registry.collect()}
    listed = {metric.name.removesuffix("_total"): metric for metric in SERVER}
    assert {name: family.type for name, family in found.items()} == {name: str(m.kind) for name, m in listed.items()}
    assert UNJOINABLE == feedback.UNJOINABLE
    for sample in (sample for family in found.values() for sample in family.samples):
        for name, value in sample.labels.items():
            label = next((one for metric in SERVER for one in metric.labels if one.name == name and one.values), None)
            allowed = {
                v for metric in SERVER if sample.name == metric.name for one in metric.labels for v in one.values
            }
            assert label is None or not allowed or value in allowed, (sample.name, value)


def test_no_two_metrics_share_a_name() -> None:
    assert len(METRICS) == len(OPERATOR) + len(SERVER)


def test_the_page_follows_the_table() -> None:
    page = (ROOT / telemetry_doc.PAGE).read_text(encoding="utf-8")
    assert page == telemetry_doc.page(), "run `python -m bucle.contracts.telemetry_doc`"
