"""A DriftPolicy's numbers: the last verdict of each signal, and its retrains."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.builders import drift_states as states
from tests.support.series import told
from tests.support.worlds import drift

from bucle.contracts import telemetry
from bucle.contracts.measures import Measures
from bucle.kinds.driftpolicy.measures import measures
from bucle.kinds.driftpolicy.state import State
from bucle.kinds.driftpolicy.status_codec import encoded
from bucle.resources.documents import to_dict

NAME = drift.policy_spec()["signals"][0]["name"]
SIGNAL = {
    "name": NAME, "verdict": "Breached", "value": "0.41", "limit": "0.05", "interval": {"lower": "0.3"},
    "window": {"index": 3, "to": "2026-03-01T12:00:00Z"}, "rule": "r", "drifting": True,
}  # fmt: skip


def of(status: Any) -> Measures:
    return measures(to_dict(states.policy(status=status)))


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        ({}, {}),
        (
            {"signals": [SIGNAL, {"name": "new", "rule": "r"}]},
            {
                f"bucle_signal_verdict {NAME} Breached": 1,
                f"bucle_signal_drifting {NAME}": 1,
                f"bucle_signal_value {NAME}": 0.41,
                f"bucle_signal_limit {NAME}": 0.05,
                f"bucle_signal_interval {NAME} lower": 0.3,
                f"bucle_signal_window_end_timestamp_seconds {NAME}": 1772366400,
            },
        ),
        ({"uncounted": {"uniform": 500}}, {"bucle_uncounted_rows uniform": 500}),
        (to_dict(encoded(State(retrain=states.OPEN, retrains_begun=2))), {
            "bucle_retrains_begun_total": 2, "bucle_retrain_state RollingOut": 1,
        }),
    ],
    ids=["nothing judged", "a breach", "labels set aside", "a retrain under way"],
)  # fmt: skip
def test_a_policy_tells_what_its_signals_say(status: Any, wanted: dict[str, float]) -> None:
    assert told(of(status)) == wanted


def test_a_signal_that_left_the_spec_is_told_of_no_more() -> None:
    assert told(of({"signals": [{**SIGNAL, "name": "gone"}]}), zeros=True) == {"bucle_retrains_begun_total": 0}


def test_every_verdict_of_a_signal_has_a_series_so_that_an_alert_can_clear() -> None:
    found = told(of({"signals": [SIGNAL]}), zeros=True)
    assert [name for name in found if name.startswith("bucle_signal_verdict")] == [
        f"bucle_signal_verdict {NAME} {verdict}" for verdict in telemetry.SIGNAL_VERDICTS
    ]


def test_a_retrain_that_ended_is_one_happening_however_often_it_is_read() -> None:
    before = of({})
    after = of(to_dict(encoded(State(past_retrains=(states.PAST,)))))
    assert [(h.metric, h.labels) for h in after.happened - before.happened] == [(telemetry.RETRAINS, ("Refused",))]
    assert telemetry.RETRAINS in before.counted, "counts begin at zero, or the first one is no increase"
