"""The algorithms of a search: the name of each, its options, and the Optuna sampler that it is. Pure.

Another one is a name and a line of the table here, a field of `resources.experiment.Search`, and a line in
`kinds.experiment.search_algorithm`, which reads that field. Kinds import this, so Optuna's samplers are a parameter: no
import of Optuna stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Name: TypeAlias = Literal["tpe", "random"]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """`startup`: how many trials TPE draws at random before it models anything; random search ignores it."""

    name: Name
    seed: int
    startup: int = 10


@dataclass(frozen=True, slots=True)
class Sampling:
    """`sampler`: of `optuna.samplers`, the algorithm and the seed of one suggestion. `learns`: whether it is told of
    earlier trials."""

    sampler: Callable[[Any, Algorithm, int], Any]
    learns: bool


# Every option is written out: Optuna's defaults change between releases, and with them the search.
def _tpe(samplers: Any, algorithm: Algorithm, seed: int) -> Any:
    return samplers.TPESampler(
        n_startup_trials=algorithm.startup,
        n_ei_candidates=24,
        seed=seed,
        multivariate=True,
        group=False,
        constant_liar=True,
    )


def _random(samplers: Any, algorithm: Algorithm, seed: int) -> Any:
    return samplers.RandomSampler(seed=seed)


ALGORITHMS: Mapping[Name, Sampling] = {
    "tpe": Sampling(_tpe, learns=True),
    "random": Sampling(_random, learns=False),
}
