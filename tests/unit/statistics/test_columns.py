"""What a window's sums say beside those of training, as tables: which question is breached, and which says nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bucle.contracts.findings import WindowFindings
from bucle.contracts.profile import Blocks, FeatureProfile
from bucle.contracts.sketch import ColumnSketch, WindowSketch
from bucle.statistics.columns import (
    Rule,
    alpha_of_one,
    compare,
    compare_column,
    distance,
    expected_cells,
    persisting,
    ranks_of,
)

NUMBER = FeatureProfile(
    name="size", rows=10_000, nulls=100, quantiles=(0.0, 1.0, 2.0, 3.0, 4.0), cells=(2475, 0, 2475, 0, 2475, 0, 2475)
)
CLASS = FeatureProfile(name="kind", rows=1000, nulls=0, counts={"a": 600, "b": 300}, other=100, singletons=20)
RULE = Rule(alpha=alpha_of_one(0.01, 20, 2, 3))


def number(*cells: int, **others: int) -> ColumnSketch:
    return ColumnSketch(name="size", cells=cells, least=0.0, greatest=4.0, **others)


def breached(column: ColumnSketch, profile: FeatureProfile, rows: int) -> set[str]:
    found = compare_column(column, profile, rows, Blocks(), RULE)
    return {finding.question for finding in found.findings if finding.breached}


@pytest.mark.parametrize(
    ("columns", "breaches", "of", "expected"),
    [(20, 2, 3, 0.0129), (200, 2, 3, 0.0041), (1, 1, 1, 0.01), (20, 1, 1, 0.0005), (0, 2, 3, 0.0577)],
)
def test_alpha_of_one_question(columns: int, breaches: int, of: int, expected: float) -> None:
    assert alpha_of_one(0.01, columns, breaches, of) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([{"a"}, {"b"}, {"a"}], {"a"}),
        ([{"a"}, {"a"}, set(), {"b"}], set()),
        ([{"a"}], set()),
        ([], set()),
        ([{"a", "b"}, {"a", "b"}], {"a", "b"}),
    ],
)
def test_the_same_column_must_be_breached_in_two_of_three_windows(windows: list[set[str]], expected: set[str]) -> None:
    assert persisting(windows, 2, 3) == expected


@pytest.mark.parametrize(
    ("what", "column", "rows", "expected"),
    [
        ("as in training", number(50, 0, 50, 0, 50, 0, 50, nulls=2), 202, set()),
        ("moved up", number(10, 0, 20, 0, 60, 0, 110), 200, {"Drift"}),
        ("one cell, but not one value", number(0, 0, 0, 0, 0, 0, 200), 200, {"Drift"}),
        ("a few rows", number(0, 0, 0, 0, 0, 0, 20), 20, set()),
        ("no row has a value", number(0, 0, 0, 0, 0, 0, 0, nulls=200), 200, {"Nulls"}),
        ("a tenth is null", number(45, 0, 45, 0, 45, 0, 45, nulls=20), 200, {"Nulls"}),
        ("no file has the column", number(0, 0, 0, 0, 0, 0, 0, missing=200), 200, {"Nulls", "Missing"}),
        ("texts where numbers were", number(0, 0, 0, 0, 0, 0, 0, invalid=200), 200, {"Invalid"}),
        ("a tenth beyond what training saw", number(45, 0, 45, 0, 45, 0, 65, outside=20), 200, {"OutOfRange"}),
        ("nothing came", number(0, 0, 0, 0, 0, 0, 0), 0, set()),
    ],
)
def test_a_column_of_numbers(what: str, column: ColumnSketch, rows: int, expected: set[str]) -> None:
    assert breached(column, NUMBER, rows) == expected


@pytest.mark.parametrize(
    ("what", "cells", "expected"),
    [
        ("as in training", (120, 60, 18, 2), set()),
        ("another mix", (60, 110, 28, 2), {"Drift"}),
        ("new values", (105, 55, 16, 24), {"Unknown"}),
        ("one value alone, which was most of training", (200, 0, 0, 0), {"Drift"}),
        ("one value alone", (0, 200, 0, 0), {"Constant"}),
    ],
)
def test_a_column_of_categories(what: str, cells: tuple[int, ...], expected: set[str]) -> None:
    column = ColumnSketch(name="kind", cells=cells)
    assert breached(column, CLASS, sum(cells)) == expected


def test_a_number_that_no_longer_changes_is_constant_and_not_drifted() -> None:
    column = ColumnSketch(name="size", cells=(0, 0, 200, 0, 0, 0, 0), least=1.5, greatest=1.5)
    assert breached(column, NUMBER, 200) == {"Constant"}


def test_rows_that_follow_each_other_count_as_fewer() -> None:
    cells = (10, 0, 20, 0, 60, 0, 110)
    ranks = ranks_of(NUMBER)
    sorted_rows = [rank for count, rank in zip(cells, ranks, strict=True) for _ in range(count)]
    neighbours = sum(a * b for a, b in pairwise(sorted_rows))
    column = number(*cells, neighbours=neighbours, first=sorted_rows[0], last=sorted_rows[-1])
    found = compare_column(column, NUMBER, 200, Blocks(), RULE)
    assert found.inflation > 50 and not found.breached("Drift")


@pytest.mark.parametrize(
    ("levels", "time_levels", "seconds", "expected"),
    [
        ((), (), None, 1.0),
        ((0.0, 0.1), (), None, 21.0),  # between 100 and 200 rows: the longer one's
        ((0.5,), (), None, 76.0),  # longer than any measured stretch
        ((0.0, 0.1), (0.2, 0.02), 86_400, 4.0),  # a day, 150 rows
        ((0.0, 0.1), (0.2, 0.02), 40_000, 31.0),  # between an hour and a day: the worse of both
        ((0.0, 0.1), (), 86_400, 21.0),
    ],
)
def test_a_window_is_as_uncertain_as_stretches_of_training_of_its_length(
    levels: tuple[float, ...], time_levels: tuple[float, ...], seconds: int | None, expected: float
) -> None:
    profile = NUMBER.model_copy(update={"levels": levels, "time_levels": time_levels})
    blocks = Blocks(rows=(100, 200), seconds=(3_600, 86_400))
    column = number(150, 0, 0, 0, 0, 0, 0)  # collapsed: its own order says nothing
    found = compare_column(column, profile, 150, blocks, Rule(RULE.alpha, seconds=seconds))
    assert found.inflation == pytest.approx(expected)


@pytest.mark.parametrize(
    ("what", "profile"),
    [
        ("of an older release, numbers", FeatureProfile(name="size", rows=9, nulls=0, quantiles=(0.0, 1.0, 2.0))),
        ("of an older release, categories", FeatureProfile(name="size", rows=9, nulls=0, counts={"a": 9})),
        ("a free text", FeatureProfile(name="size", rows=9, nulls=0, other=9, singletons=9)),
        ("nothing but nulls", FeatureProfile(name="size", rows=9, nulls=9)),
    ],
)
def test_a_profile_that_says_too_little_is_told_as_such(what: str, profile: FeatureProfile) -> None:
    found = compare_column(ColumnSketch(name="size", cells=()), profile, 100, Blocks(), RULE)
    assert (found.standing, found.of("Drift")) == ("NoProfile", None)


def test_a_broken_column_keeps_no_other_from_being_compared() -> None:
    window = WindowSketch(
        profile="p",
        rows=200,
        columns=(
            number(0, 0, 0, 0, 0, 0, 0, missing=200),
            ColumnSketch(name="kind", cells=(60, 110, 28, 2)),
            ColumnSketch(name="nobody knows it", cells=()),
        ),
    )
    found = compare(window, (CLASS, NUMBER), Blocks(), RULE)
    assert found.names("Drift") == ("kind",) and found.names("Missing", "Nulls") == ("size",)
    assert WindowFindings.from_json(found.canonical()) == found


@pytest.mark.parametrize(
    ("most_new", "expected"), [(1.0, (600, 300, 80, 20)), (0.005, (600, 300, 95, 5)), (0.0, (600, 300, 100, 0))]
)
def test_a_part_of_the_rare_rows_is_expected_to_have_new_values(most_new: float, expected: tuple[float, ...]) -> None:
    assert expected_cells(CLASS, most_new) == pytest.approx(expected)
    assert distance(expected, expected_cells(CLASS, most_new)) == pytest.approx(0)


def test_rare_values_share_a_cell() -> None:
    """The most frequent of many rare values were so by chance: alone they would always look as if they had gone."""
    rare = FeatureProfile(name="k", rows=70, nulls=0, counts={"a": 40, "b": 9, "c": 8}, other=13, singletons=3)
    assert (rare.known, expected_cells(rare)) == (("a",), (40, 27, 3))
    rarer = FeatureProfile(name="k", rows=3, nulls=0, counts={"b": 1, "c": 2}, singletons=1)
    assert (rarer.known, expected_cells(rarer)) == (("c",), (2, 0, 1))
