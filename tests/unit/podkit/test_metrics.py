"""Metrics against scikit-learn's, and the grouped standard error against what it means."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    log_loss,
    mean_absolute_error,
    mean_squared_error,
    roc_auc_score,
)

from bucle.podkit.metrics import Answers, codes_of, grouped_mean, per_row, roc_auc, summary

RNG = np.random.default_rng(1)
TRUTH = RNG.integers(0, 2, 200)
P = np.round(RNG.uniform(0.01, 0.99, 200), 2)
BINARY = Answers(scores=np.column_stack([1 - P, P]), labels=(P >= 0.5).astype(np.int64))


def test_binary_metrics_are_those_of_scikit_learn() -> None:
    assert summary("Binary", TRUTH, BINARY) == pytest.approx(
        {
            "log_loss": log_loss(TRUTH, P),
            "brier": brier_score_loss(TRUTH, P),
            "accuracy": accuracy_score(TRUTH, P >= 0.5),
            "roc_auc": roc_auc_score(TRUTH, P),
        }
    )


def test_multi_class_and_regression_metrics_are_those_of_scikit_learn() -> None:
    scores = RNG.dirichlet([1, 1, 1], 200)
    truth = RNG.integers(0, 3, 200)
    found = summary("MultiClass", truth, Answers(scores=scores, labels=scores.argmax(axis=1)))
    assert found == pytest.approx(
        {"log_loss": log_loss(truth, scores), "accuracy": accuracy_score(truth, scores.argmax(axis=1))}
    )
    numbers, said = RNG.normal(size=50), RNG.normal(size=50)
    assert summary("Regression", numbers, Answers(numbers=said)) == pytest.approx(
        {"mae": mean_absolute_error(numbers, said), "mse": mean_squared_error(numbers, said)}
    )


def test_a_certain_mistake_costs_a_finite_loss() -> None:
    sure = Answers(scores=np.array([[1.0, 0.0]]), labels=np.array([0]))
    assert per_row("log_loss", np.array([1]), sure)[0] == pytest.approx(-np.log(1e-15))


def test_ranking_needs_both_classes_and_a_mean_over_rows_is_asked_of_no_other_metric() -> None:
    assert "roc_auc" not in summary("Binary", np.ones(200, dtype=np.int64), BINARY)
    with pytest.raises(ValueError, match="roc_auc has no value per row"):
        per_row("roc_auc", TRUTH, BINARY)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=2, max_size=40))
def test_ties_count_half(rows: list[tuple[bool, int]]) -> None:
    truth, scores = np.array([r[0] for r in rows], dtype=np.int64), np.array([r[1] / 4 for r in rows])
    if 0 < truth.sum() < len(truth):
        assert roc_auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))


def test_unknown_labels_have_no_code() -> None:
    assert codes_of(np.array(["b", "a", "z"], dtype=object), ("a", "b")).tolist() == [1, 0, -1]


def test_groups_of_one_row_give_the_plain_standard_error() -> None:
    values = RNG.normal(size=300)
    mean = grouped_mean(values, np.arange(300))
    assert (mean.value, mean.standard_error) == pytest.approx((values.mean(), values.std(ddof=1) / np.sqrt(300)))


def test_a_row_repeated_within_its_group_teaches_nothing() -> None:
    values, groups = RNG.normal(size=40), np.arange(40)
    once, often = grouped_mean(values, groups), grouped_mean(np.repeat(values, 25), np.repeat(groups, 25))
    assert (often.groups, often.rows) == (40, 1000)
    assert (often.value, often.standard_error) == pytest.approx((once.value, once.standard_error))


def test_one_group_has_no_standard_error() -> None:
    assert np.isnan(grouped_mean(np.array([1.0, 2.0]), np.array([0, 0])).standard_error)


def test_the_stated_error_is_the_one_that_repetition_shows() -> None:
    """Groups of unequal size with a common part each: the estimate's spread over 400 repetitions is its standard error."""
    sizes = RNG.integers(5, 40, 60)
    groups = np.repeat(np.arange(60), sizes)
    means = [
        grouped_mean(np.repeat(RNG.normal(size=60), sizes) + RNG.normal(size=len(groups)), groups) for _ in range(400)
    ]
    spread = np.std([m.value for m in means])
    assert np.mean([m.standard_error for m in means]) == pytest.approx(spread, rel=0.12)


def test_a_row_that_a_model_answers_with_no_probability_counts_as_the_worst_answer() -> None:
    """As numbers do that overflow: one row makes a mean bad, never unspeakable."""
    truth, nan = np.array([1, 0, 1, 0]), np.nan
    told = Answers(scores=np.array([[0.2, 0.8], [0.9, 0.1], [nan, nan], [nan, nan]]), labels=np.array([1, 0, 1, 0]))
    worst = Answers(scores=np.array([[0.2, 0.8], [0.9, 0.1], [1.0, 0.0], [0.0, 1.0]]), labels=np.array([1, 0, 0, 1]))
    assert summary("Binary", truth, told) == summary("Binary", truth, worst)
    assert per_row("brier", truth, told).tolist() == pytest.approx([0.04, 0.01, 1.0, 1.0])
