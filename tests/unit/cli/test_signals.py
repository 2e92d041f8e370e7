"""What is shown of a DriftPolicy's signals, and where its status keeps it."""

from __future__ import annotations

from typing import Any

import pytest

from bucle.cli.documents import Signal
from bucle.cli.objects import Seen
from bucle.cli.signals import signals_of
from bucle.resources.addresses import DRIFT_POLICY


def seen(spec: Any, status: Any) -> Seen:
    return Seen(DRIFT_POLICY, {"metadata": {"name": "watch", "namespace": "ml"}, "spec": spec, "status": status})


LOSS = {"name": "loss", "performance": {"metric": "log_loss"}, "decision": {"breaches": 1, "of": 2}}
RULE = "drift after 1 breached windows of 2, over after 3 healthy ones"
FOUND = {
    "name": "loss",
    "verdict": "Breached",
    "message": "worse",
    "value": "0.6",
    "limit": "0.5",
    "interval": {"lower": "0.55"},
    "groups": 9,
    "window": {"index": 4},
    "drifting": True,
    "since": "2026-01-01T00:00:00Z",
    "streak": [{"window": 3, "verdict": "Healthy"}, {"window": 4, "verdict": "Breached"}],
}
TOLD = Signal(
    name="loss",
    measures="performance: log_loss",
    rule=RULE,
    verdict="Breached",
    message="worse",
    value="0.6",
    limit="0.5",
    lower="0.55",
    groups=9,
    window=4,
    drifting=True,
    since="2026-01-01T00:00:00Z",
    verdicts=("Healthy", "Breached"),
)


@pytest.mark.parametrize(
    ("declared", "found", "told"),
    [
        ([], [], []),
        ([LOSS], [], [Signal(name="loss", measures="performance: log_loss", rule=RULE)]),
        ([LOSS], [FOUND], [TOLD]),
        ([], [FOUND], [TOLD.model_copy(update={"measures": "no longer declared", "rule": None})]),
        (
            [{"name": "mood", "weather": {"sky": "blue"}}],
            [],
            [
                Signal(
                    name="mood",
                    measures="weather",
                    rule="drift after 2 breached windows of 3, over after 3 healthy ones",
                )
            ],
        ),
    ],
)
def test_declared_signals_come_with_what_was_found(declared: list[Any], found: list[Any], told: list[Signal]) -> None:
    assert list(signals_of(seen({"signals": declared}, {"signals": found})).signals) == told


@pytest.mark.parametrize(
    ("action", "told"),
    [
        (None, None),
        ({"wanted": "None"}, None),
        ({"wanted": "Retrain", "outcome": "Suppressed", "reason": "Cooldown"}, ("Cooldown", ("Retrain: Suppressed",))),
        ({"wanted": "Alert"}, ("Alert", ("Alert",))),
        ({"wanted": "Alert", "signals": ["a", "b"]}, ("Alert", ("Alert for a, b",))),
    ],
)
def test_what_is_done_about_drift_comes_with_its_reason(action: Any, told: Any) -> None:
    found = signals_of(seen({}, {"action": action})).action
    assert (found and (found.reason, found.told_by)) == told


def test_the_retrain_under_way_comes_before_those_that_ended() -> None:
    status = {
        "retrains": {
            "total": 3,
            "inFlight": {"name": "c"},
            "recent": [{"name": "b", "outcome": "Promoted"}, {"name": "a"}],
        }
    }
    told = signals_of(seen({}, status))
    assert ([retrain.name for retrain in told.retrains], told.retrains_begun) == (["c", "b", "a"], 3)
