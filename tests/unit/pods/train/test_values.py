"""Whatever values a person's table holds, they are learnt from or refused in words that hold none of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.support.builders.train_pods import dataset, final_task, in_words, rows, said, step, trainer, trial_task

from bucle.podkit.program import ProgramError
from bucle.pods.train.final import run_final
from bucle.pods.train.trial import run_trial

SECRET = "patient-4711"
DAYS = 8


def with_column(task: str, name: str, value: Callable[[int, Any], Any], type_: pa.DataType | None = None) -> pa.Table:
    """The table with `value(row, old)` in each row of one column."""
    given = rows(task, days=DAYS)
    at = given.column_names.index(name)
    values = [value(row, old) for row, old in enumerate(given.column(name).to_pylist())]
    return given.set_column(at, name, pa.array(values, type_ or given.schema.field(name).type))


def every(n: int, value: Any) -> Callable[[int, Any], Any]:
    return lambda row, old: value if row % n == 3 else old


def both_signs(row: int, old: Any) -> Any:
    return {3: 1e308, 4: -1e308}.get(row % 7, old)


def day_of_its_own(row: int, old: Any) -> Any:
    return old.replace(hour=0, minute=0) + timedelta(days=row)


def refusals_of(tmp_path: Path, given: pa.Table, task: str, chosen: dict[str, Any]) -> list[ProgramError]:
    """By the build; else by a trial and by a final fit, each for itself."""
    try:
        data = dataset(tmp_path, given, task)
    except ProgramError as error:
        return [error]
    runs: tuple[Callable[[], object], ...] = (
        lambda: run_trial(trial_task(data, task, trainer=chosen)),
        lambda: run_final(final_task(tmp_path, data, task, trainer=chosen)),
    )
    return [error for error in map(said, runs) if error is not None]


LAST = 20 * DAYS - 3


def huge_in_newest(task: str) -> pa.Table:
    return with_column(task, "size", lambda row, old: 1e308 if row >= LAST else old)


VALUES: dict[str, tuple[str, Callable[[str], pa.Table], str | None]] = {
    "a class of two rows": (
        "MultiClass",
        lambda task: with_column(task, "y", lambda row, _: "high" if row < 2 else ("low", "mid")[row % 2]),
        None,
    ),
    "a class of one row": (
        "Binary",
        lambda task: with_column(task, "y", lambda row, _: "yes" if row == 7 else "no"),
        "SplitEmpty",
    ),
    "groups of one row": ("Binary", lambda task: with_column(task, "time", day_of_its_own), None),
    "a target that is always the same": ("Regression", lambda task: with_column(task, "y", lambda *_: 4.5), None),
    "huge numbers": ("Binary", lambda task: with_column(task, "size", every(7, 1e308)), None),
    "huge numbers of both signs": ("Binary", lambda task: with_column(task, "size", both_signs), None),
    "huge numbers in the newest rows": ("Regression", huge_in_newest, None),
    "huge numbers in the newest rows of two classes": ("Binary", huge_in_newest, None),
    "huge numbers in the newest rows of three classes": ("MultiClass", huge_in_newest, None),
    "a huge target": ("Regression", lambda task: with_column(task, "y", every(7, 1e308)), "WrongType"),
    "infinite numbers": ("Binary", lambda task: with_column(task, "size", every(7, float("inf"))), "WrongType"),
    "an infinite target": ("Regression", lambda task: with_column(task, "y", every(7, float("-inf"))), "WrongType"),
    "a column without values": ("Binary", lambda task: with_column(task, "size", lambda *_: None), None),
    "a category without values": ("Binary", lambda task: with_column(task, "colour", lambda *_: None), None),
    "a text of a megabyte": ("Binary", lambda task: with_column(task, "colour", every(50, SECRET * 90_000)), None),
    "a category of its own in each row": (
        "Binary",
        lambda task: with_column(task, "colour", lambda row, _: f"{SECRET}-{row}"),
        None,
    ),
    "a category that only the newest rows have": (
        "Binary",
        lambda task: with_column(task, "colour", lambda row, old: SECRET if row >= LAST else old),
        None,
    ),
    "numbers that integers of 64 bits just hold": (
        "Binary",
        lambda task: with_column(task, "count", every(7, 2**63 - 1)),
        None,
    ),
}
"""Task, table, and the reason where there is one for every family."""
SCALER = step("preprocessing.StandardScaler")
FAMILIES: dict[str, tuple[str, str, list[dict[str, Any]]]] = {
    "linear": ("linear_model.LogisticRegression", "linear_model.Ridge", [SCALER]),
    "trees": ("ensemble.HistGradientBoostingClassifier", "ensemble.RandomForestRegressor", []),
    "neighbours": ("neighbors.KNeighborsClassifier", "neighbors.KNeighborsRegressor", [SCALER]),
    "bayes, unscaled": ("naive_bayes.GaussianNB", "linear_model.LinearRegression", []),
}
"""For classes, for a Regression, and what comes before either."""
IN_EVERY_CHECK = (
    ("a huge target", "neighbours"),
    ("huge numbers in the newest rows of two classes", "bayes, unscaled"),
    ("a category of its own in each row", "linear"),
)
CASES = [
    pytest.param(name, family, marks=[] if (name, family) in IN_EVERY_CHECK else [pytest.mark.thorough])
    for name in VALUES
    for family in FAMILIES
]


@pytest.mark.parametrize(("name", "family"), CASES)
@pytest.mark.filterwarnings("ignore")  # as in a pod: what overflows is judged by what comes out
def test_values_of_any_kind_are_learnt_from_or_refused_in_words(tmp_path: Path, name: str, family: str) -> None:
    """By the build, by the trial or by the final fit: never by an exception that nobody foresaw."""
    task, given, reason = VALUES[name]
    for_classes, for_numbers, before = FAMILIES[family]
    chosen = trainer(step(for_numbers if task == "Regression" else for_classes), *before)
    # Dense for the one family that takes nothing else.
    encoder = step("preprocessing.OneHotEncoder", sparse_output=False, handle_unknown="ignore")
    chosen["preprocessing"].append({"types": ["Category"], "steps": [encoder]})
    refusals = refusals_of(tmp_path, given(task), task, chosen)
    for error in refusals:
        assert SECRET not in in_words(error)
    if reason is not None:
        assert [error.reason for error in refusals] == [reason]
