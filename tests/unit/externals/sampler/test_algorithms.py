"""Each algorithm by its name: the sampler of Optuna that it is, and whether it is told of earlier trials."""

from __future__ import annotations

from typing import get_args

import optuna
import pytest

from bucle.externals.sampler.algorithms import ALGORITHMS, Algorithm, Name


def test_every_name_has_a_sampler() -> None:
    assert set(ALGORITHMS) == set(get_args(Name))


@pytest.mark.parametrize(
    ("name", "sampler", "learns"),
    [("tpe", optuna.samplers.TPESampler, True), ("random", optuna.samplers.RandomSampler, False)],
)
def test_a_name_stands_for_one_sampler_of_optuna(name: Name, sampler: type, learns: bool) -> None:
    sampling = ALGORITHMS[name]
    assert type(sampling.sampler(optuna.samplers, Algorithm(name, seed=1), 1)) is sampler
    assert sampling.learns is learns
