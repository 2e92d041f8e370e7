"""An Experiment's numbers, read off what stands in its status."""

from __future__ import annotations

import pytest
from tests.support.builders.experiment_states import INPUTS, experiment, trials
from tests.support.series import told

from bucle.kinds.experiment.measures import measures
from bucle.kinds.experiment.state import State, TrialState
from bucle.kinds.experiment.status_codec import encoded
from bucle.resources.documents import to_dict


@pytest.mark.parametrize(
    ("letters", "wanted"),
    [
        ("", {}),
        ("rrp", {"bucle_experiment_trials Planned": 1, "bucle_experiment_trials Running": 2}),
        ("ffs", {"bucle_experiment_trials Succeeded": 1, "bucle_experiment_trials Failed": 2}),
    ],
)
def test_an_experiment_tells_how_far_its_search_is(letters: str, wanted: dict[str, float]) -> None:
    made, tried = experiment(), trials(letters)
    best = next((trial for trial in tried if trial.state is TrialState.SUCCEEDED), None)
    raw = {**to_dict(made), "status": to_dict(encoded(State(inputs=INPUTS, trials=tried), best))}
    found = told(measures(raw))
    assert {name: value for name, value in found.items() if name.startswith("bucle_experiment_trials")} == wanted
    assert ("bucle_experiment_best_value" in found) == ("s" in letters)


def test_an_experiment_that_has_not_begun_tells_nothing() -> None:
    assert told(measures(to_dict(experiment())), zeros=True) == {}
