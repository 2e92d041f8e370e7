"""The codec of an Experiment's state: what is written is read back, and what nobody knows is held, not guessed at."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders.experiment_states import FIT, INPUTS, JUDGED, NOW, trial, trials

from bucle.engine.room import UnknownState
from bucle.kinds.experiment.state import (
    DECIDED,
    Comparison,
    ComparisonState,
    FinalState,
    Fitting,
    Held,
    State,
    Stopped,
    TrialState,
)
from bucle.kinds.experiment.status_codec import decoded, encoded
from bucle.resources.documents import to_dict
from bucle.resources.experiment_status import ExperimentStatus
from bucle.workloads.attempt import Attempt

TROUBLED = Attempt(2, 1, "StoreUnavailable", "the store does not answer", NOW)
GIVEN_UP = Attempt(2, 3, "ProgramFailed", "exit code 1", given_up=True)
STATES: dict[str, State] = {
    "new": State(),
    "pinned": State(inputs=INPUTS),
    "searching": State(INPUTS, (*trials("sfrp"), trial(4, TrialState.PLANNED, job=None)), Held(NOW, 60)),
    "held before": State(INPUTS, trials("s"), Held(None, 60)),
    "fitting": State(INPUTS, trials("s"), None, Fitting(FIT, waits=False), 1),
    "fitting in trouble": State(INPUTS, (), None, Fitting(replace(FIT, attempt=TROUBLED), waits=True), 4),
    "without a champion": State(
        INPUTS, (), None, Fitting(replace(FIT, champion=None, comparison=None), waits=False), 4
    ),
    "a champion of nobody": State(
        INPUTS,
        (),
        None,
        Fitting(replace(FIT, champion=None, comparison=Comparison(ComparisonState.MISSING)), waits=False),
        4,
    ),
    "search stopped": State(INPUTS, trials("f"), None, Stopped(None, "TooManyFailedTrials", "1 of 0", NOW), 4),
    "fit stopped": State(
        INPUTS, (), None, Stopped(replace(FIT, attempt=GIVEN_UP), "ProgramFailed", "exit code 1", NOW), 4
    ),
    **{
        f"{state}": State(INPUTS, (), None, replace(JUDGED, state=state), 4)
        for state in (FinalState.PASSED, *sorted(DECIDED))
    },
    "remembered": State(
        INPUTS,
        (),
        None,
        replace(JUDGED, fit=None, metrics={}, question=None, model=None, estimate=None, finished_at=None),
    ),
}


def stored(state: State) -> dict[str, Any]:
    return copy.deepcopy(to_dict(encoded(state, None)))


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_what_is_written_is_read_back(state: State) -> None:
    assert decoded(ExperimentStatus.model_validate(stored(state))) == state


def test_counts_and_the_best_are_told_of_the_rows() -> None:
    rows = trials("ssfrp")
    told = encoded(State(INPUTS, rows), rows[1])
    assert to_dict(told)["counts"] == {"planned": 1, "running": 1, "succeeded": 2, "failed": 1}
    assert told.best is not None and (told.best.index, told.best.value) == (1, "0.5")


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("trials", 0, "state"), "Paused", "status.trials[].state is 'Paused'"),
        (("trials", 0, "seed"), None, "status.trials[].seed is missing"),
        (("trials", 1, "index"), 5, "status.trials[].index is 5 in place 1"),
        (("final", "state"), "Dreaming", "status.final.state is 'Dreaming'"),
        (("final", "reason"), None, "status.final.reason is missing"),
        (("final", "champion", "state"), "Odd", "status.final.champion.state is 'Odd'"),
        (("final", "champion", "data"), "Odd", "status.final.champion.data is 'Odd'"),
        (("final", "outOfFoldGroups"), None, "status.final.outOfFoldGroups is missing"),
        (("inputs", "run"), None, "status.inputs.run is missing"),
        (("inputs", "datasetDigest"), None, "status.inputs.datasetDigest is missing"),
    ],
)
def test_what_is_not_understood_is_named_with_what_to_remove(
    path: tuple[str | int, ...], value: str | int | None, told: str
) -> None:
    status = stored(State(INPUTS, trials("ss"), None, JUDGED, 2))
    holder: Any = status
    for key in path[:-1]:
        holder = holder[key]
    if value is None:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    with pytest.raises(UnknownState) as caught:
        decoded(ExperimentStatus.model_validate(status))
    assert str(caught.value).startswith(told)
    removed = str(caught.value).rpartition("remove status.")[2].split(".")
    assert removed == [str(key) for key in path[: max(1, len(removed))]]
