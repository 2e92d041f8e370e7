"""What a model's reference says of its columns: finite numbers alone, whatever the rows hold, and never much of it."""

from __future__ import annotations

import json
import math
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bucle.contracts.canonical import canonical_json
from bucle.contracts.profile import Blocks, FeatureProfile
from bucle.contracts.table import Column
from bucle.podkit.profiles import (
    QUANTILES,
    Stretches,
    category_profile,
    feature_profiles,
    number_profile,
    quantiles,
    row_level,
    time_level,
)

GREATEST = sys.float_info.max
HOUR_US = 3_600_000_000
NO_TIME = Stretches.of(None)


def following(phi: float, rows: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found, shocks = np.empty(rows), rng.standard_normal(rows) * math.sqrt(1 - phi * phi)
    level = rng.standard_normal()
    for at in range(rows):
        level = found[at] = phi * level + shocks[at]
    return found


@pytest.mark.parametrize(
    ("values", "lowest", "middle", "greatest"),
    [
        ([1e308, -1e308], -1e308, -1e308, 1e308),
        ([GREATEST, -GREATEST, 0.0], -GREATEST, 0.0, GREATEST),
        ([0.5, 1.0, 1.5, math.inf, -math.inf, math.nan], 0.5, 1.0, 1.5),
        ([2.0**63] * 3, 2.0**63, 2.0**63, 2.0**63),
    ],
)
def test_quantiles_are_values_that_occur(values: list[float], lowest: float, middle: float, greatest: float) -> None:
    found = quantiles(np.array(values))
    assert (found[0], found[QUANTILES // 2], found[-1]) == (lowest, middle, greatest)


@given(st.lists(st.floats(), max_size=40))
def test_a_profile_of_any_numbers_can_be_written_and_counts_every_row(values: list[float]) -> None:
    frame = pd.DataFrame({"size": values}, dtype="float64")
    (profile,) = feature_profiles(frame, (Column(name="size", type="Number"),))
    assert FeatureProfile.from_json(canonical_json(profile.as_json())) == profile
    assert list(profile.quantiles) == sorted(profile.quantiles) and len(profile.quantiles) in (0, QUANTILES)
    finite = [value for value in values if math.isfinite(value)]
    assert sum(profile.cells) == len(finite)
    assert profile.nulls == sum(math.isnan(value) for value in values)
    assert len(profile.cells) == (2 * len(profile.edges) + 1 if finite else 0)
    assert profile.comparable == bool(finite)


@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=60))
def test_a_profile_of_any_categories_can_be_written_and_counts_every_row(values: list[str | None]) -> None:
    (profile,) = feature_profiles(pd.DataFrame({"kind": values}, dtype=object), (Column(name="kind", type="Category"),))
    assert FeatureProfile.from_json(canonical_json(profile.as_json())) == profile
    assert sum(profile.counts.values()) + profile.other + profile.nulls == profile.rows == len(values)
    present = [value for value in values if value is not None]
    assert profile.singletons == sum(present.count(value) == 1 for value in set(present))


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        ([7.0] * 5, [0, 5, 0]),
        ([0.0] * 90 + list(range(1, 11)), None),
        ([1 / 3] * 8, [0, 8, 0]),
        ([1.7e15 + at for at in range(64)], None),
    ],
)
def test_ties_and_constants_have_cells_of_their_own(values: list[float], cells: list[int] | None) -> None:
    profile = number_profile("size", np.array(values), NO_TIME)
    if cells is not None:
        assert list(profile.cells) == cells
    assert len(profile.edges) == len(set(profile.edges)) and sum(profile.cells) == len(values)


def test_tall_columns_of_few_values_have_as_many_cells_as_they_need() -> None:
    values = np.array([0.0] * 900 + [1.0] * 100)
    assert number_profile("flag", values, NO_TIME).cells == (0, 900, 0, 100, 0)


def test_neighbours_that_are_alike_move_the_level_of_stretches() -> None:
    """V of AR(1) 0.9 is 19 for long stretches, that of independent rows 1."""
    times = np.arange(20_000) * HOUR_US
    alike = number_profile("x", following(0.9, 20_000), Stretches.of(times))
    independent = number_profile("x", following(0.0, 20_000), Stretches.of(times))
    blocks = Stretches.of(times).blocks
    at = blocks.rows.index(512)
    assert 1 + 512 * alike.levels[at] == pytest.approx(19, rel=0.35)
    assert 1 + 512 * independent.levels[at] < 1.6


def test_a_daily_season_moves_hours_and_leaves_whole_days_alone() -> None:
    hours = np.arange(24 * 60)
    times = np.repeat(hours * HOUR_US, 20)
    rng = np.random.default_rng(1)
    values = np.sin(2 * np.pi * times / HOUR_US / 24) + rng.standard_normal(len(times))
    stretches = Stretches.of(times)
    by_time = dict(zip(stretches.blocks.seconds, number_profile("x", values, stretches).time_levels, strict=True))
    assert by_time[6 * 3600] > 0.1 and by_time[24 * 3600] < 0.003 and by_time[7 * 24 * 3600] < 0.003


@pytest.mark.parametrize(
    ("times", "blocks"),
    [
        ([], Blocks()),
        ([0], Blocks()),
        ([0] * 400, Blocks(rows=(32, 64))),
        ([at * HOUR_US for at in range(11)], Blocks(seconds=(3600, 7200))),
    ],
)
def test_stretches_are_told_where_training_has_enough_of_them(times: list[int], blocks: Blocks) -> None:
    assert Stretches.of(np.array(times, dtype=np.int64)).blocks == blocks


def test_rows_without_a_time_are_in_no_stretch_and_order_is_that_of_time() -> None:
    stretches = Stretches.of(np.array([30, 10, 0, 20]), np.array([True, True, False, True]))
    assert stretches.order.tolist() == [1, 3, 0]


def test_levels_need_several_stretches_that_vary() -> None:
    assert row_level(np.ones(100), 32) is None
    assert time_level(np.ones(10), np.zeros(10, dtype=np.int64), 3600) is None
    assert number_profile("x", np.ones(400), Stretches.of(np.arange(400))).levels == ()


@pytest.mark.parametrize("text", ["x" * 2_000, "é" * 300, "0f8fad5b-d9cb-469f-a165-70867728950e"])
def test_long_categories_leave_fewer_cells(text: str) -> None:
    values = np.array([f"{at}{text}" for at in range(60)] * 2, dtype=object)
    profile = category_profile("kind", values, NO_TIME)
    assert 1 <= len(profile.counts) < 50 and profile.other + sum(profile.counts.values()) == 120
    assert len(json.dumps(profile.counts)) < 2_600 + 2 * len(json.dumps(text))


def test_200_columns_are_at_most_400_kb_and_2000_are_made_of_the_same_ones() -> None:
    rng = np.random.default_rng(1)
    rows = 50_000
    stretches = Stretches.of(np.arange(rows) * 60_000_000)
    number = number_profile("a rather long name of a column", rng.standard_normal(rows) * 1e-5, stretches)
    values = np.array([f"value-{at:05d}" for at in rng.integers(0, 5_000, rows)], dtype=object)
    category = category_profile("a rather long name of a column", values, stretches)
    # The compact form, as it stands in a model.
    assert max(len(number.canonical()), len(category.canonical())) < 2_000
    assert 100 * (len(number.canonical()) + len(category.canonical())) < 400_000
