"""Answers `Suggest` with a stateless Optuna sampler, rebuilt from the history each time, in one worker thread.

Optuna (and with it numpy) is imported on first use, so an operator that never searches never loads it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from bucle.contracts.base import decimal_text
from bucle.engine.reads import Known, Observation, Source, Unavailable
from bucle.externals.sampler.algorithms import ALGORITHMS, Algorithm
from bucle.externals.sampler.values import Dimension, IntDimension, Pairs, Past, Suggest, Suggestion
from bucle.externals.slow_answers import Kept

SIGNIFICANT_DIGITS = 12


class OptunaSampler:
    """A `Source` for `Suggest`. Late in a long search one answer takes longer than a look waits: it is kept, and one
    thread computes all of them, one after the other, so that they cannot take the processor from everything else."""

    place = "the sampler"

    def __init__(self, compute: Callable[[Suggest], tuple[Suggestion, ...]] | None = None) -> None:
        self._compute = compute or suggest
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sampler")
        self._kept: Kept[tuple[Suggestion, ...]] = Kept()

    async def read(self, read: Suggest) -> Observation[tuple[Suggestion, ...]]:
        async def computed() -> tuple[Suggestion, ...]:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._compute, read)

        try:
            suggestions = await self._kept.answer(read, computed)
        except ValueError as error:
            return Unavailable(f"the sampler cannot use the recorded trials: {error}")
        return Known(suggestions, datetime.now(UTC))


def sources() -> dict[type, Source]:
    return {Suggest: OptunaSampler()}


def suggest(request: Suggest) -> tuple[Suggestion, ...]:
    """The suggestions for all asked indices. Raises ValueError when a past value lies outside the space."""
    known = sorted(request.history)
    made: list[Suggestion] = []
    for index in request.indices:
        params = _one(request, index, known)
        made.append(Suggestion(index, params))
        known.append(Past(index, params, open=True))
    return tuple(made)


def seed_of(algorithm: Algorithm, index: int) -> int:
    """A 32-bit seed of (seed, index): neighbours must not give related streams, so it is a hash, not a sum."""
    text = f"bucle-sampler/{algorithm.seed}/{index}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _one(request: Suggest, index: int, known: list[Past]) -> Pairs:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampling = ALGORITHMS[request.algorithm.name]
    distributions = {dimension.name: _distribution(dimension) for dimension in request.space}
    study = optuna.create_study(
        storage=optuna.storages.InMemoryStorage(),
        sampler=sampling.sampler(optuna.samplers, request.algorithm, seed_of(request.algorithm, index)),
        direction=request.direction.lower(),
    )
    if sampling.learns:
        for past in known:
            study.add_trial(_past_trial(request.space, distributions, past))
    trial = study.ask(distributions)
    return tuple((dimension.name, _text(dimension, trial.params[dimension.name])) for dimension in request.space)


def _past_trial(space: tuple[Dimension, ...], distributions: Mapping[str, Any], past: Past) -> Any:
    import optuna

    states = optuna.trial.TrialState
    state = states.RUNNING if past.open else states.FAIL if past.value is None else states.COMPLETE
    texts = dict(past.params)
    return optuna.trial.create_trial(
        state=state,
        value=past.value if state is states.COMPLETE else None,
        params={dimension.name: _number(dimension, texts[dimension.name]) for dimension in space},
        distributions=dict(distributions),
    )


def _distribution(dimension: Dimension) -> Any:
    import optuna

    if isinstance(dimension, IntDimension):
        return optuna.distributions.IntDistribution(dimension.low, dimension.high, log=dimension.log)
    return optuna.distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _number(dimension: Dimension, text: str) -> int | float:
    return int(text) if isinstance(dimension, IntDimension) else float(text)


def _text(dimension: Dimension, value: int | float) -> str:
    """The value as the row keeps it. Rounding must not leave the range, or the next rebuild would be refused."""
    if isinstance(dimension, IntDimension):
        return str(int(value))
    text = decimal_text(float(value), SIGNIFICANT_DIGITS)
    if not dimension.low <= float(text) <= dimension.high:
        text = decimal_text(min(max(float(value), dimension.low), dimension.high), 17)
    # A share of 1.0 and a count of 1 are different things to scikit-learn, and a JSON literal keeps them apart.
    return f"{text}.0" if text.lstrip("-").isdigit() else text
