"""Sketches of rows as they come: however they are cut into batches, the sums are the same, and nothing stops them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bucle.contracts.profile import Blocks
from bucle.contracts.sketch import ColumnSketch, WindowSketch
from bucle.contracts.table import Column
from bucle.podkit.frames import model_frame
from bucle.podkit.profiles import Stretches, category_profile, feature_profiles, number_profile
from bucle.podkit.sketches import Sketcher, predicted
from bucle.statistics.columns import Rule, alpha_of_one, compare

NO_TIME = Stretches.of(None)
RULE = Rule(alpha=alpha_of_one(0.01, 2, 2, 3))
TRAINED_NUMBERS = np.random.default_rng(1).standard_normal(2_000)
TRAINED_KINDS = np.random.default_rng(2).choice([f"k{at}" for at in range(60)] + [""], 2_000).astype(object)
PROFILES = (number_profile("size", TRAINED_NUMBERS, NO_TIME), category_profile("kind", TRAINED_KINDS, NO_TIME))
SKETCHER = Sketcher(PROFILES, {"size": "Number", "kind": "Category"}, {"kind": sorted(set(TRAINED_KINDS))})

numbers = st.one_of(st.none(), st.floats(), st.integers(-(2**63), 2**63 - 1).map(float))
kinds = st.one_of(st.none(), st.sampled_from(["k1", "k2", "", "new", "1.50"]), st.text(max_size=3))
rows_of_a_window = st.lists(st.tuples(numbers, kinds), max_size=40)


def table(rows: Sequence[tuple[float | None, str | None]]) -> pa.Table:
    return pa.table(
        {"size": pa.array([r[0] for r in rows], pa.float64()), "kind": pa.array([r[1] for r in rows], pa.string())}
    )


def column(name: str, values: pa.Array | pa.ChunkedArray, sketcher: Sketcher = SKETCHER) -> ColumnSketch:
    found = sketcher.sketch(pa.table({name: values}))
    return next(sketch for sketch in found.columns if sketch.name == name)


def cut(whole: pa.Table, places: Sequence[int]) -> list[pa.Table]:
    bounds = [0, *sorted(place % (whole.num_rows + 1) for place in places), whole.num_rows]
    return [whole.slice(a, b - a) for a, b in pairwise(bounds)]


@given(rows_of_a_window, st.lists(st.integers(0, 1_000), max_size=5))
def test_however_a_window_is_cut_its_sketch_is_that_of_one_pass(rows: list[Any], places: list[int]) -> None:
    whole = table(rows)
    assert SKETCHER.of_batches(cut(whole, places)) == SKETCHER.of_batches([whole])
    assert SKETCHER.of_batches([whole]) == SKETCHER.empty().and_then(SKETCHER.sketch(whole))


@given(st.lists(rows_of_a_window, min_size=3, max_size=3))
def test_adding_sketches_is_associative(parts: list[list[Any]]) -> None:
    a, b, c = (SKETCHER.sketch(table(part)) for part in parts)
    assert a.and_then(b).and_then(c) == a.and_then(b.and_then(c))


@given(st.lists(rows_of_a_window, max_size=4), st.randoms())
def test_the_order_of_batches_changes_no_count(parts: list[list[Any]], random: Any) -> None:
    def counts(batches: list[pa.Table]) -> list[tuple[Any, ...]]:
        found = SKETCHER.of_batches(batches)
        return [(c.cells, c.nulls, c.invalid, c.missing, c.outside, c.least, c.greatest) for c in found.columns]

    batches = [table(part) for part in parts]
    before = counts(batches)
    random.shuffle(batches)
    assert counts(batches) == before


@given(rows_of_a_window)
def test_every_row_is_counted_once(rows: list[Any]) -> None:
    found = SKETCHER.sketch(table(rows))
    for sketch in found.columns:
        assert sketch.compared + sketch.nulls + sketch.invalid + sketch.missing == found.rows == len(rows)
    size, kind = found.columns
    assert size.nulls == sum(row[0] is None or math.isnan(row[0]) for row in rows)
    assert size.invalid == sum(row[0] is not None and math.isinf(row[0]) for row in rows)
    assert kind.nulls == sum(row[1] is None for row in rows)


@given(rows_of_a_window)
def test_a_sketch_is_written_and_read_back(rows: list[Any]) -> None:
    found = SKETCHER.sketch(table(rows))
    assert WindowSketch.from_json(found.canonical()) == found


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.one_of(st.floats(-1e300, 1e300), st.sampled_from([0.0, 1.0, math.nan, 1e9])), min_size=30, max_size=90),
    st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "c"]), st.text(max_size=2)), min_size=30, max_size=90),
)
def test_the_rows_of_training_themselves_never_breach(sizes: list[float], kinds: list[str | None]) -> None:
    n = min(len(sizes), len(kinds))
    rows = pa.table({"size": pa.array(sizes[:n], pa.float64()), "kind": pa.array(kinds[:n], pa.string())})
    columns = (Column(name="size", type="Number"), Column(name="kind", type="Category"))
    profiles = feature_profiles(model_frame(rows, columns), columns, NO_TIME)
    sketcher = Sketcher(profiles, {c.name: c.type for c in columns}, {"kind": {k for k in kinds[:n] if k is not None}})
    found = compare(sketcher.sketch(rows), profiles, Blocks(), RULE)
    assert found.names("Drift", "Constant", "Nulls", "Unknown", "Invalid", "Missing", "OutOfRange") == ()


@pytest.mark.parametrize(
    ("what", "values", "compared", "nulls", "invalid"),
    [
        ("integers", pa.array([1, 2, None], pa.int64()), 2, 1, 0),
        ("huge integers", pa.array([2**63 - 1, -(2**63)], pa.int64()), 2, 0, 0),
        ("unsigned ones", pa.array([2**64 - 1], pa.uint64()), 1, 0, 0),
        ("short floats", pa.array([0.5, math.nan, math.inf], pa.float32()), 1, 1, 1),
        ("texts of numbers", pa.array(["1.5", " 2 ", "x", None, "nan", "inf"]), 2, 2, 2),
        ("texts", pa.array(["a", "b"]), 0, 0, 2),
        ("truths", pa.array([True, None]), 0, 1, 1),
        ("nothing", pa.nulls(3), 0, 3, 0),
        ("lists", pa.array([[1.0], None]), 0, 1, 1),
        ("structures", pa.array([{"a": 1}]), 0, 0, 1),
        ("bytes", pa.array([b"\xff", None]), 0, 1, 1),
        ("times", pa.array([1, 2], pa.timestamp("us", tz="UTC")), 0, 0, 2),
        ("encoded", pa.array([1.0, 1.0, None]).dictionary_encode(), 2, 1, 0),
        ("no rows", pa.array([], pa.float64()), 0, 0, 0),
        ("in chunks", pa.chunked_array([[1.0], [], [2.0, None]], pa.float64()), 2, 1, 0),
    ],
)
def test_a_column_of_numbers_that_comes_as_something_else(
    what: str, values: pa.Array, compared: int, nulls: int, invalid: int
) -> None:
    found = column("size", values)
    assert (found.compared, found.nulls, found.invalid) == (compared, nulls, invalid)


@pytest.mark.parametrize(
    ("what", "values", "compared", "nulls", "invalid"),
    [
        ("texts", pa.array(["k1", None, "x"]), 2, 1, 0),
        ("large texts", pa.array(["k1", None], pa.large_string()), 1, 1, 0),
        ("encoded", pa.array(["k1", "k1", None]).dictionary_encode(), 2, 1, 0),
        (
            "encoded in chunks",
            pa.chunked_array([pa.array(["k1"]).dictionary_encode(), pa.array(["k2", None]).dictionary_encode()]),
            2,
            1,
            0,
        ),
        ("numbers", pa.array([1.0, math.nan, math.inf, None]), 1, 2, 1),
        ("integers", pa.array([1, None]), 1, 1, 0),
        ("truths", pa.array([True]), 1, 0, 0),
        ("nothing", pa.nulls(2), 0, 2, 0),
        ("lists", pa.array([["k1"], None]), 0, 1, 1),
        ("bytes", pa.array([b"k1"]), 0, 0, 1),
    ],
)
def test_a_column_of_categories_that_comes_as_something_else(
    what: str, values: pa.Array, compared: int, nulls: int, invalid: int
) -> None:
    found = column("kind", values)
    assert (found.compared, found.nulls, found.invalid) == (compared, nulls, invalid)


def test_known_other_and_new_categories_have_cells_of_their_own() -> None:
    known = PROFILES[1].known
    (other,) = {str(kind) for kind in TRAINED_KINDS} - set(known) - {""} and sorted(set(TRAINED_KINDS) - set(known))[:1]
    found = column("kind", pa.array([known[0], known[0], known[49], other, "never seen", "nor this"]))
    assert (found.cells[0], found.cells[49], found.cells[50], found.cells[51]) == (2, 1, 1, 2)


def test_a_column_that_is_not_there_or_is_there_twice_is_missing_and_the_others_are_read() -> None:
    twice = pa.Table.from_arrays([pa.array([1.0]), pa.array([1.0]), pa.array(["k1"])], names=["size", "size", "kind"])
    size, kind = SKETCHER.sketch(twice).columns
    assert (size.missing, kind.compared) == (1, 1)
    (size, kind) = SKETCHER.sketch(pa.table({"other": [1, 2]})).columns
    assert (size.missing, kind.missing) == (2, 2)


def test_sketches_of_other_profiles_are_not_added() -> None:
    other = Sketcher(PROFILES[:1], {}, {})
    with pytest.raises(ValueError, match="cannot be added"):
        SKETCHER.empty().and_then(other.empty())


def test_one_absurd_value_hides_no_shift_and_is_none() -> None:
    rng = np.random.default_rng(3)
    plain, shifted = rng.standard_normal(500), rng.standard_normal(500) + 0.5
    for values, drifted in ((plain, ()), (shifted, ("size",))):
        values[7] = 1e9
        window = SKETCHER.sketch(pa.table({"size": values, "kind": TRAINED_KINDS[:500]}))
        assert compare(window, PROFILES, Blocks(), RULE).names("Drift", "OutOfRange") == drifted


def test_rows_that_follow_each_other_are_seen_to() -> None:
    values = np.repeat(np.random.default_rng(4).standard_normal(10), 50)
    window = SKETCHER.sketch(pa.table({"size": values, "kind": TRAINED_KINDS[:500]}))
    shuffled = SKETCHER.sketch(
        pa.table({"size": np.random.default_rng(5).permutation(values), "kind": TRAINED_KINDS[:500]})
    )
    mine, other = (compare(w, PROFILES, Blocks(), RULE).columns[0].inflation for w in (window, shuffled))
    assert mine > 20 > 2 > other


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([[0.2, 0.8], [0.6, 0.4]], [0.8, 0.4]),
        ([[0.2, 0.3, 0.5], None, [0.2, 0.8]], [0.5, None, 0.8]),
        ([None, None], [None, None]),
        ([], []),
    ],
)
def test_what_was_answered_is_read_as_columns(scores: list[list[float] | None], expected: list[float | None]) -> None:
    n = len(scores)
    captured = pa.table(
        {
            "bucle_label": pa.array(["yes"] * n, pa.string()),
            "bucle_number": pa.nulls(n, pa.float64()),
            "bucle_scores": pa.array(scores, pa.list_(pa.float64())),
        }
    )
    found = predicted(captured)
    assert found.column("score").to_pylist() == expected
    assert (found.column("prediction").to_pylist(), found.column("number").null_count) == (["yes"] * n, n)
