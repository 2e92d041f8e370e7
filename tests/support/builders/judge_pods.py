"""Builders for tests of the judge and of evaluate: traffic as the servers of one deployment write it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import log
from typing import Any

from tests.support.fakes.small_model import TABLE, reference

from bucle.contracts import capture
from bucle.contracts.evidence import Evidence, Query
from bucle.contracts.reference import Reference
from bucle.contracts.result import LabelledResult, WindowResult
from bucle.contracts.table import GroupBy, Target
from bucle.contracts.task import EvaluateTask, JudgeTask, LabelledWindows, MeasuredMetric, Windows
from bucle.podkit import store
from bucle.podkit.capture_files import Captured, capture_table, capture_uri, feedback_table, feedback_uri, hour_of
from bucle.pods.evaluate import evaluate
from bucle.pods.judge import Judge

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
BY_DAY = GroupBy(column="time_hour", unit="Day", time_zone="America/New_York")
PRIOR_LOSS = {"1": -log(0.25), "0": -log(0.75)}


Said = float | dict[str, float]
"""A model's answer to one row: the score of class 1 (or a number), or a score per class."""


def answering(task: str, *classes: str, **changes: Any) -> Reference:
    """The reference of a model of another target: its classes in the order of its scores."""
    positive = classes[-1] if task == "Binary" else None
    target = Target.model_validate(
        {"name": "late", "task": task, "positive": positive, "classes": classes if task == "MultiClass" else ()}
        | changes
    )
    prior = {name: 1 / len(classes) for name in classes} if classes else {"mean": 0.0}
    table = TABLE.model_copy(update={"target": target})
    return reference().model_copy(update={"table": table, "classes": classes, "prior": prior, "threshold": None})


@dataclass
class Traffic:
    """One request per row, one second apart, written at once: (day, answer of the stable, of the shadow, label)."""

    location: str
    revision: str = "old"
    writer: str = "pod"
    captured: list[Captured] = field(default_factory=list)
    labels: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0
    models: dict[str, Reference] = field(default_factory=lambda: {"old": reference(), "new": reference()})

    def row(self, day: int | None, stable: Said, shadow: Said | None, label: str | None) -> Traffic:
        self.seconds += 1
        id_ = f"u{len(self.captured):05d}"
        self.captured.append(self._answer(id_, day, stable, "stable", self.revision))
        if shadow is not None:
            self.captured.append(self._answer(id_, day, shadow, "shadow", "new"))
        if label is not None:
            received = START + timedelta(seconds=self.seconds)
            self.labels.append(
                {
                    "id": id_,
                    "request_id": None,
                    "row": 0,
                    "label": label,
                    "label_time": None,
                    "bucle_received": received,
                }
            )
        return self

    def _answer(self, id_: str, day: int | None, said: Said, role: str, revision: str) -> Captured:
        classes = self.models.get(revision, reference()).classes
        if not classes:
            assert isinstance(said, float)
            answer: dict[str, Any] = {"numbers": [said]}
        else:
            shares = said if isinstance(said, dict) else {"0": 1 - said, "1": said}
            label = max(reversed(classes), key=lambda name: shares.get(name, 0.0))
            answer = {"labels": [label], "scores": [[shares.get(name, 0.0) for name in classes]]}
        return Captured(
            id=id_,
            request_id=None,
            received=START + timedelta(seconds=self.seconds),
            role=role,
            revision=revision,
            latency_ms=1.0,
            rows=1,
            columns={"flight_id": [id_], "time_hour": [None if day is None else f"2013-07-{day:02d}T12:00:00Z"]},
            **answer,
        )

    def written(self) -> Traffic:
        for revision, model in self.models.items():
            store.write_bytes(capture.reference_path(self.location, revision), model.canonical().encode())
        for revision in {entry.revision for entry in self.captured}:
            mine = [entry for entry in self.captured if entry.revision == revision]
            uri = capture_uri(self.location, revision, hour_of(mine[0]), f"{self.writer}-{len(mine):06d}")
            store.write_bytes(uri, store.parquet_bytes(capture_table(mine, TABLE.columns)))
        if self.labels:
            first = min(label["bucle_received"] for label in self.labels)
            uri = feedback_uri(self.location, first, f"{self.writer}-{len(self.labels):06d}")
            store.write_bytes(uri, store.parquet_bytes(feedback_table(self.labels)))
        return self

    def evidence(self, *, after: float = 3600, **more: Any) -> Evidence:
        judge = Judge(JudgeTask(name="flights", location=self.location, metric="log_loss", group_by=BY_DAY, **more))
        return judge.compute(QUERY, START + timedelta(seconds=self.seconds + after))


QUERY = Query(rollout="ro1", step=0, started_at=START.isoformat(), stable="old", candidate="new")


def evaluation(traffic: Traffic, rows: int, closed: int = 0, **more: Any) -> LabelledResult:
    """Of one signal by `metric` and `group_by`, or of `signals`."""
    one = MeasuredMetric(name="loss", metric=more.pop("metric", "log_loss"), group_by=more.pop("group_by", BY_DAY))
    task = EvaluateTask(
        name="p",
        location=traffic.location,
        version="old",
        windows=more.pop("windows", Windows(rows=rows)),
        labelled=LabelledWindows(first=closed // (rows or 1), signals=more.pop("signals", (one,))),
        result_location=f"{traffic.location}/policies",
        **{"since": START.isoformat(), "until": ""} | more,
    )
    found, _ = evaluate(task, START + timedelta(seconds=traffic.seconds + 60))
    assert found.labelled is not None
    return found.labelled


def loss_of(window: WindowResult) -> float:
    """What the first signal says of that window."""
    return float(window.signals[0].value or "nan")
