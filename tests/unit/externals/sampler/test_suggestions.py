"""A suggestion is a function of its request: the same in any process, in any order of history, after any restart."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bucle.engine.reads import Known, Unavailable
from bucle.externals.sampler.algorithms import Algorithm
from bucle.externals.sampler.optuna_sampler import OptunaSampler, seed_of, suggest
from bucle.externals.sampler.values import FloatDimension, IntDimension, Past, Suggest

RATE = FloatDimension("estimator__learning_rate", 0.02, 0.3, log=True)
LEAVES = IntDimension("estimator__max_leaf_nodes", 15, 127)
TPE = Algorithm("tpe", seed=42, startup=2)
RANDOM = Algorithm("random", seed=42)


def past(index: int, rate: str, leaves: str, value: float | None) -> Past:
    return Past(index, ((RATE.name, rate), (LEAVES.name, leaves)), value)


HISTORY = (
    past(0, "0.05", "31", 0.61),
    past(1, "0.21", "80", 0.66),
    past(2, "0.09", "40", None),
    past(3, "0.03", "19", 0.60),
)


def request(algorithm: Algorithm = TPE, indices: tuple[int, ...] = (4, 5)) -> Suggest:
    return Suggest((RATE, LEAVES), algorithm, "Minimize", indices, HISTORY)


@given(st.permutations(HISTORY))
@settings(max_examples=10, deadline=None)
def test_the_order_of_history_does_not_matter(history: list[Past]) -> None:
    assert suggest(replace(request(), history=tuple(history))) == suggest(request())


def test_a_new_process_suggests_the_same() -> None:
    program = (
        "from bucle.externals.sampler.algorithms import Algorithm\n"
        "from bucle.externals.sampler.values import *\n"
        "from bucle.externals.sampler.optuna_sampler import suggest\n"
        f"print(suggest({request()!r}))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONPATH": "operator"}
    )
    assert told.stdout.strip() == repr(suggest(request()))


@pytest.mark.parametrize("algorithm", [TPE, RANDOM])
def test_a_batch_cut_short_is_continued_as_it_would_have_been(algorithm: Algorithm) -> None:
    whole = suggest(request(algorithm))
    rest = replace(request(algorithm, (5,)), history=(*HISTORY, Past(4, whole[0].params, open=True)))
    assert suggest(rest) == whole[1:]


def test_random_search_ignores_what_was_learned() -> None:
    assert suggest(request(RANDOM)) == suggest(replace(request(RANDOM), history=()))


def test_tpe_uses_what_was_learned() -> None:
    other = tuple(replace(p, value=-p.value if p.value else None) for p in HISTORY)
    assert suggest(request()) != suggest(replace(request(), history=other))


def test_direction_matters() -> None:
    assert suggest(request()) != suggest(replace(request(), direction="Maximize"))


def test_members_of_a_batch_differ() -> None:
    first, second = suggest(request())
    assert first.params != second.params


@given(st.integers(0, 2**32 - 1), st.integers(0, 499))
@settings(max_examples=30, deadline=None)
def test_values_stay_in_their_range_and_can_be_fed_back(seed: int, index: int) -> None:
    asked = Suggest((RATE, LEAVES), Algorithm("random", seed), "Minimize", (index,))
    (made,) = suggest(asked)
    values = dict(made.params)
    assert RATE.low <= float(values[RATE.name]) <= RATE.high
    assert LEAVES.low <= int(values[LEAVES.name]) <= LEAVES.high
    again = replace(asked, algorithm=Algorithm("tpe", seed, 1), history=(Past(0, made.params, 0.5),))
    assert suggest(again)


@pytest.mark.parametrize("bounds", [(1e-6, 1e-5), (0.1, 0.1000000000001), (-3.0, -2.0)])
def test_rounding_to_text_never_leaves_a_narrow_range(bounds: tuple[float, float]) -> None:
    narrow = FloatDimension("x", *bounds)
    for suggestion in suggest(Suggest((narrow,), RANDOM, "Minimize", tuple(range(20)))):
        assert bounds[0] <= float(dict(suggestion.params)["x"]) <= bounds[1]


def test_a_whole_number_of_a_real_dimension_stays_a_real_number() -> None:
    (made,) = suggest(Suggest((FloatDimension("x", 1.0, 1.0 + 1e-13),), RANDOM, "Minimize", (0,)))
    assert dict(made.params) == {"x": "1.0"}


def test_seeds_of_neighbours_are_unrelated() -> None:
    seeds = {seed_of(Algorithm("tpe", seed), index) for seed in range(20) for index in range(20)}
    assert len(seeds) == 400


async def test_an_edited_space_is_an_outage_with_its_reason_not_a_crash() -> None:
    narrowed = replace(request(), space=(FloatDimension(RATE.name, 0.2, 0.3), LEAVES))
    answer = await OptunaSampler().read(narrowed)
    assert isinstance(answer, Unavailable)
    assert "recorded trials" in answer.why


async def test_the_source_answers_with_the_same_suggestions() -> None:
    answer = await OptunaSampler().read(request())
    assert isinstance(answer, Known)
    assert answer.value == suggest(request())
