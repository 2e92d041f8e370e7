"""Which run of an Experiment is which: what its key holds, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders.experiment_states import INPUTS, NOW, experiment
from tests.support.worlds.simulation import PLATFORM

from bucle.externals.sampler.algorithms import Algorithm
from bucle.kinds.experiment.identity import final_key, model_name, pinned, spec_hash, trial_key
from bucle.kinds.experiment.search_algorithm import search_algorithm
from bucle.kinds.experiment.search_space import space
from bucle.resources.dataset_status import DatasetVersion

VERSION = DatasetVersion(digest="sha256:a", location="s3://bucle/a", rows=1)


def key(change: Any = lambda spec: None, version: DatasetVersion = VERSION, cluster: str = "test") -> str:
    found = pinned(replace(PLATFORM, cluster_name=cluster), experiment(change), version, NOW)
    assert found is not None
    return found.registration_key


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (lambda spec: spec["limits"].update(maxTrials=9), True),
        (lambda spec: spec.update(pod={"serviceAccountName": "trainer"}), True),
        (lambda spec: spec["search"].update(seed=7), False),
        (lambda spec: spec["objective"].update(metric="brier"), False),
        (lambda spec: spec.pop("champion"), False),
    ],
)
def test_what_makes_another_run(change: Any, same: bool) -> None:
    assert (key(change) == key()) == same
    assert (spec_hash(experiment(change)) == spec_hash(experiment())) == (
        same or "run" in str(change.__code__.co_names)
    )


def test_a_run_is_the_same_whatever_the_data_hold_today_and_another_in_another_cluster() -> None:
    assert key(version=DatasetVersion(digest="sha256:b", location="s3://bucle/b")) == key()
    assert key(cluster="staging") != key()


@pytest.mark.parametrize("version", [DatasetVersion(), DatasetVersion(digest="sha256:a")])
def test_a_version_that_does_not_say_what_it_is_starts_nothing(version: DatasetVersion) -> None:
    assert pinned(PLATFORM, experiment(), version, NOW) is None


def test_what_was_fitted_on_other_data_is_another_fit() -> None:
    other = replace(INPUTS, dataset_digest="sha256:" + "b" * 64)
    keys = {trial_key(INPUTS, 0), trial_key(INPUTS, 1), trial_key(other, 0), final_key(INPUTS), final_key(other)}
    assert len(keys) == 5


def test_the_registered_name_has_the_namespace_before_it() -> None:
    assert model_name(experiment()) == "ml.flights"
    assert model_name(experiment(lambda spec: (spec.pop("champion"), spec.pop("register")))) is None


@pytest.mark.parametrize(
    ("search", "algorithm"),
    [
        ({"tpe": {"startupTrials": 4}, "seed": 7}, ("tpe", 7, 4)),
        ({"random": {}, "seed": 9}, ("random", 9)),
    ],
)
def test_how_a_search_is_asked_of_the_sampler(search: dict[str, Any], algorithm: tuple[Any, ...]) -> None:
    made = experiment(lambda spec: spec.update(search=search))
    assert search_algorithm(made.spec.search) == Algorithm(*algorithm)
    assert [dimension.name for dimension in space(made)] == [parameter.name for parameter in made.spec.parameters]
