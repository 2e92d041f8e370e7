"""Which signals a look takes, what begins one anew, and what each is compared with. Tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import drift_states as states
from tests.support.worlds import drift
from tests.support.worlds.drift import signal

from bucle.contracts import registry_tags
from bucle.contracts.canonical import canonical_json
from bucle.contracts.result import Failure, SignalResult
from bucle.contracts.task import MeasuredMetric
from bucle.engine.objects import JsonObject
from bucle.kinds.driftpolicy.drift_statistics import Measured
from bucle.kinds.driftpolicy.signal_verdicts import said_by_name, verdict_of, worst
from bucle.kinds.driftpolicy.signals import (
    can_look,
    cannot_be_watched,
    look_rule,
    measured_columns,
    measured_metrics,
    never_captured,
    rows_of,
    signal_rule,
    standard_of,
    window_rule,
    without_standard,
)
from bucle.kinds.driftpolicy.state import Rows
from bucle.kinds.driftpolicy.world import reference_of
from bucle.resources.driftpolicy_signals import Signal
from bucle.resources.driftpolicy_status import SignalVerdict
from bucle.resources.modeldeployment import ModelDeployment

LOSS, BRIER = signal(), signal("brier", metric="brier")
LOW = signal("low", metric="brier", maxDegradation=None, maximum="0.2")
HIGH = signal("high", metric="accuracy", maxDegradation=None, minimum="0.8")
NONE = signal("none", metric="roc_auc")


def of(written: JsonObject) -> Signal:
    return Signal.model_validate(written)


@pytest.mark.parametrize(
    ("other", "signal_anew", "look_anew"),
    [
        (LOSS, False, False),
        (signal(confidence="0.99"), False, False),
        (signal(decision={"breaches": 1}), False, False),
        (signal(maxDegradation="0.1"), True, False),
        (signal(maxDegradation=None, maximum="0.6"), True, False),
        (signal(metric="brier"), True, True),
        (signal(groupBy={"column": "hour"}), True, True),
        (signal("renamed"), False, True),
    ],
    ids=["nothing", "a default is spelt out", "decision", "limit", "bound", "metric", "groups", "name"],
)
def test_what_an_edit_of_a_signal_begins_anew(other: JsonObject, signal_anew: bool, look_anew: bool) -> None:
    assert (signal_rule(of(LOSS)) != signal_rule(of(other))) == signal_anew
    before, after = (states.world(policy=states.policy(signals=[written])) for written in (LOSS, other))
    assert (look_rule(before) != look_rule(after)) == look_anew
    assert window_rule(before) == window_rule(after)


def test_what_fills_a_window_begins_windows_and_the_look_anew() -> None:
    before, after = states.world(), states.world(policy=states.policy(windows={"rows": 100}))
    assert window_rule(before) != window_rule(after) and look_rule(before) != look_rule(after)


@pytest.mark.parametrize(
    ("signals", "taken", "waiting", "looks"),
    [
        ([LOSS], ["performance"], [], True),
        ([LOSS, BRIER], ["performance", "brier"], ["brier"], True),
        ([BRIER], ["brier"], ["brier"], False),
        ([LOW], ["low"], [], True),
        ([NONE], [], [], False),
        ([NONE, HIGH], ["high"], [], True),
    ],
)
def test_which_signals_are_taken_and_which_wait_for_a_reference(
    signals: list[JsonObject], taken: list[str], waiting: list[str], looks: bool
) -> None:
    policy = states.policy(signals=signals)
    assert [item.name for item in measured_metrics(policy)] == taken
    assert [item.name for item in without_standard(policy, states.SERVED)] == waiting
    assert can_look(policy, states.SERVED, Rows.LABELLED) == looks


def test_columns_that_are_dropped_from_captured_rows_are_asked_of_no_pod() -> None:
    columns = {"name": "columns", "dataDrift": {}}
    policy, spec = states.policy(signals=[LOSS, columns]), drift.deployment_spec()
    dropping = states.of(ModelDeployment, "flights", {**spec, "capture": {"drop": ["hour"]}})
    assert never_captured(dropping) == ("hour",) and never_captured(None) == ()
    worlds = [states.world(policy=policy, deployment=each) for each in (states.deployment(), dropping)]
    assert look_rule(worlds[0]) != look_rule(worlds[1])
    alone = [states.world(deployment=each) for each in (states.deployment(), dropping)]
    assert look_rule(alone[0]) == look_rule(alone[1]), "labelled rows are measured as before"


@pytest.mark.parametrize(
    ("written", "kind", "told"),
    [
        (
            {"dataDrift": {"columns": ["hour"], "share": 30}},
            "data_drift",
            {"columns": ["hour"], "minEffect": "0.1", "alpha": "0.01", "share": 30, "breaches": 2, "of": 3},
        ),
        (
            {"predictionDrift": {"alpha": "0.001"}, "decision": {"breaches": 1, "of": 1}},
            "prediction_drift",
            {"columns": [], "minEffect": "0.1", "alpha": "0.001", "breaches": 1, "of": 1},
        ),
        (
            {"dataQuality": {"maxNullPercent": 0, "maxUnknownPercent": 2}},
            "data_quality",
            {"columns": [], "maxNullPercent": 0, "maxUnknownPercent": 2},
        ),
    ],
)
def test_what_a_pod_is_told_of_columns(written: JsonObject, kind: str, told: JsonObject) -> None:
    (asked,) = measured_columns(states.policy(signals=[{"name": "s", **written}], actions=[]))
    assert getattr(asked, kind).as_json() == told
    assert rows_of(of({"name": "s", **written})) is Rows.SERVED


def test_a_pod_is_told_metric_and_groups() -> None:
    (asked,) = measured_metrics(states.policy(signals=[signal(groupBy={"column": "day", "unit": "Day"})]))
    assert isinstance(asked, MeasuredMetric) and asked.group_by is not None
    assert (asked.metric, asked.group_by.column, asked.group_by.unit) == ("log_loss", "day", "Day")


@pytest.mark.parametrize(("written", "names"), [(LOSS, False), (NONE, True), (signal(metric="nonsense"), True)])
def test_a_metric_that_is_no_mean_over_rows_is_named_with_those_that_are(written: JsonObject, names: bool) -> None:
    why = cannot_be_watched(of(written))
    assert (why is not None) == names
    assert why is None or ("accuracy, brier, log_loss" in why and f"signal {written['name']}" in why)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (LOSS, Measured(0.5, 0.003, 50)),
        (BRIER, None),
        (LOW, Measured(0.2, None, 0)),
        (HIGH, Measured(0.8, None, 0)),
        (signal("zero", metric="brier", maxDegradation=None, maximum="0"), Measured(0.0, None, 0)),
    ],
    ids=["reference", "none", "maximum", "minimum", "a bound of zero"],
)
def test_what_a_window_is_compared_with(written: JsonObject, expected: Measured | None) -> None:
    performance = of(written).performance
    assert performance is not None and standard_of(states.SERVED, performance) == expected


@pytest.mark.parametrize(
    ("written", "told", "verdict", "reason"),
    [
        (LOSS, {"value": "0.51", "standard_error": "0.01", "groups": 7}, "Healthy", None),
        (LOSS, {"value": "0.70", "standard_error": "0.01", "groups": 7}, "Breached", None),
        (LOSS, {"value": "0.60", "groups": 1}, "Inconclusive", None),
        (LOW, {"value": "0.21", "standard_error": "0.01", "groups": 7}, "Healthy", None),
        (LOW, {"value": "0.25", "standard_error": "0.01", "groups": 7}, "Breached", None),
        (HIGH, {"value": "0.79", "standard_error": "0.01", "groups": 7}, "Healthy", None),
        (HIGH, {"value": "0.75", "standard_error": "0.01", "groups": 7}, "Breached", None),
        (HIGH, {"value": "0.99", "standard_error": "0.01", "groups": 7}, "Healthy", None),
        (BRIER, {"value": "0.75", "standard_error": "0.01", "groups": 7}, "Inconclusive", "WaitingForReference"),
        (LOSS, {"failure": Failure(reason="UnknownColumn", message="no gate")}, "Error", "UnknownColumn"),
        (LOSS, {}, "NoData", None),
    ],
)
def test_what_is_said_of_one_signal_on_one_window(
    written: JsonObject, told: dict[str, Any], verdict: str, reason: str | None
) -> None:
    said = SignalResult(name=written["name"], **told)
    value, error = (float(told[key]) if key in told else None for key in ("value", "standard_error"))
    before = [Measured(value, error, told["groups"])] * 2 if value is not None else []
    found = verdict_of(states.SERVED, of(written), said, 5000, before)
    assert (found.name, found.verdict, found.reason) == (written["name"], verdict, reason)
    assert found.message


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["Healthy", "Breached", "Error"], "Breached"),
        (["Healthy", "Error", "Inconclusive"], "Error"),
        (["Healthy", "Inconclusive"], "Inconclusive"),
        (["Healthy", "NoData"], "NoData"),
        (["Healthy"], "Healthy"),
        ([], "NoData"),
    ],
)
def test_a_window_has_the_worst_verdict_of_its_signals(verdicts: list[str], expected: str) -> None:
    assert worst(verdicts) == expected


def test_each_signal_speaks_by_its_name() -> None:
    said = (SignalVerdict(name="a", message="one"), SignalVerdict(name="b"), SignalVerdict(name="c", message="three"))
    assert said_by_name(said) == "a: one; c: three"


SHAPE = {"lag": "0.1", "skew": "1.5", "kish": "38"}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ({"shape": SHAPE}, Measured(0.5, 0.01, 50, kish=38.0, lag=0.1, skew=1.5)),
        ({}, Measured(0.5, 0.01, 50)),
        ({"shape": None}, Measured(0.5, 0.01, 50)),
        ({"shape": {"lag": "much"}}, None),
        ({"shape": {**SHAPE, "kish": "-5"}}, None),
        ({"shape": {**SHAPE, "skew": "nan"}}, None),
        ({"standardError": "inf"}, None),
    ],
    ids=["told", "an older model", "none", "no number", "less than no group", "not a number", "endless"],
)
def test_what_a_versions_tag_tells_of_its_groups(shape: JsonObject, expected: Measured | None) -> None:
    told = {"metric": "log_loss", "value": "0.5", "standardError": "0.01", "groups": 50, **shape}
    served = replace(states.SERVED, tags={registry_tags.TAG_REFERENCE: canonical_json(told)})
    assert reference_of(served, "log_loss") == expected
