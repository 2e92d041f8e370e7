"""What an Experiment says once its search is over, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.builders.experiment_states import FIT, JUDGED, NOW

from bucle.kinds.experiment import conditions
from bucle.kinds.experiment.state import Final, FinalState, Fitting, Judged, Stopped
from bucle.workloads.attempt import Attempt


def judged(state: FinalState, reason: str) -> Judged:
    return replace(JUDGED, state=state, reason=reason, message="told")


TROUBLED = replace(FIT, attempt=Attempt(1, 0, "StoreUnavailable", "the store does not answer"))


@pytest.mark.parametrize(
    ("final", "outage", "ready", "stalled", "succeeded", "gates", "registered"),
    [
        (Fitting(FIT, waits=False), None, "False/FinalFit", "False", "Unknown", "Unknown", "Unknown/FinalFit"),
        (
            Fitting(TROUBLED, waits=True),
            None,
            "False/StoreUnavailable",
            "False",
            "Unknown",
            "Unknown",
            "Unknown/StoreUnavailable",
        ),
        (
            Stopped(None, "TooManyFailedTrials", "told", NOW),
            None,
            "False/TooManyFailedTrials",
            "True",
            "False",
            "Unknown",
            "False/TooManyFailedTrials",
        ),
        (
            judged(FinalState.PASSED, "GatesPassed"),
            None,
            "False/Registering",
            "False",
            "Unknown",
            "True",
            "False/Registering",
        ),
        (
            judged(FinalState.PASSED, "GatesPassed"),
            "MLflow is down",
            "False/RegistryUnavailable",
            "False",
            "Unknown",
            "True",
            "False/RegistryUnavailable",
        ),
        (
            judged(FinalState.REGISTERED, "Registered"),
            None,
            "True/Registered",
            "False",
            "True",
            "True",
            "True/Registered",
        ),
        (
            judged(FinalState.KEPT, "NotRegistered"),
            None,
            "True/NotRegistered",
            "False",
            "True",
            "True",
            "False/NotRegistered",
        ),
        (judged(FinalState.REFUSED, "NotBetter"), None, "True/NotBetter", "False", "True", "True", "False/NotBetter"),
        (
            judged(FinalState.REFUSED, "GateFailed"),
            None,
            "False/GateFailed",
            "True",
            "True",
            "False",
            "False/GateFailed",
        ),
        (
            judged(FinalState.REGISTERED, "Registered"),
            "MLflow is down",
            "True/Registered",
            "False",
            "True",
            "True",
            "True/Registered",
        ),
    ],
)
def test_what_is_said_of_the_final_fit(
    final: Final, outage: str | None, ready: str, stalled: str, succeeded: str, gates: str, registered: str
) -> None:
    said = {update.type: update for update in conditions.of_final(final, outage)}
    whole = {name: f"{update.status}/{update.reason}" for name, update in said.items()}
    assert (whole["Ready"], whole["Registered"]) == (ready, registered)
    assert [said[name].status for name in ("Stalled", "Succeeded", "GatesPassed")] == [stalled, succeeded, gates]


def test_who_reads_ready_learns_that_more_trials_wait_for_run() -> None:
    said = conditions.waiting_for_run(conditions.of_final(JUDGED, None), 4, 8)
    ready = next(update for update in said if update.type == "Ready")
    assert (ready.status, ready.reason) == ("True", "Registered")
    assert ready.message == (
        "ml.flights version 4; `limits.maxTrials` is 8 now and this search ended with 4: raise `run` to search again"
    )
