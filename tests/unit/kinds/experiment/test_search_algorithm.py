"""What a person wrote of the algorithm, as the sampler takes it."""

from __future__ import annotations

from typing import Any

import pytest

from bucle.externals.sampler.algorithms import Algorithm
from bucle.kinds.experiment.search_algorithm import search_algorithm
from bucle.resources.experiment import Search


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ({"random": {}, "seed": 3}, Algorithm("random", 3)),
        ({"tpe": {"startupTrials": 5}, "seed": 4}, Algorithm("tpe", 4, 5)),
    ],
)
def test_the_algorithm_that_is_written_is_the_one_that_is_asked(written: dict[str, Any], asked: Algorithm) -> None:
    assert search_algorithm(Search.model_validate(written)) == asked
