"""The closed table of metrics: for which task, in which direction, from which part of a prediction.

All entries are means of a per-row loss or score, so that sums over groups of rows are enough to judge
them (see `evidence`). A metric that is not a mean over rows (ROC AUC) may serve as an objective, but not in
a gate on live traffic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TaskName = Literal["Binary", "MultiClass", "Regression"]
Direction = Literal["Minimize", "Maximize"]


@dataclass(frozen=True, slots=True)
class Metric:
    """`per_row`: the mean over rows of a per-row value; only such metrics can be paired row by row."""

    name: str
    direction: Direction
    tasks: frozenset[TaskName]
    uses: Literal["scores", "label", "number"]
    per_row: bool = True

    def loss_sign(self) -> int:
        """+1 when smaller is better, −1 when larger is better: value times sign is a loss."""
        return 1 if self.direction == "Minimize" else -1


_CLASSIFICATION: frozenset[TaskName] = frozenset({"Binary", "MultiClass"})
_REGRESSION: frozenset[TaskName] = frozenset({"Regression"})

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("log_loss", "Minimize", _CLASSIFICATION, "scores"),
        Metric("brier", "Minimize", frozenset({"Binary"}), "scores"),
        Metric("accuracy", "Maximize", _CLASSIFICATION, "label"),
        Metric("roc_auc", "Maximize", frozenset({"Binary"}), "scores", per_row=False),
        Metric("mae", "Minimize", _REGRESSION, "number"),
        Metric("mse", "Minimize", _REGRESSION, "number"),
    )
}

PROBABILITY_FLOOR = 1e-15
"""log_loss clips probabilities to [floor, 1 − floor], as scikit-learn did for float64."""

_ESTIMATED: dict[TaskName, str] = {"Binary": "log_loss", "MultiClass": "log_loss", "Regression": "mse"}


def estimated_metric(objective: str, task: TaskName) -> str:
    """What a model is held to out of fold: its objective, or the task's own loss when that is no mean over rows."""
    return objective if METRICS[objective].per_row else _ESTIMATED[task]


def watchable() -> tuple[str, ...]:
    """Metrics that live rows can be measured by: means over rows."""
    return tuple(sorted(metric.name for metric in METRICS.values() if metric.per_row))
