"""States of one Experiment as its operator would have written them, for tables of decisions."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tests.support.worlds.simulation import PLATFORM
from tests.support.worlds.training import LATE

from bucle.contracts.result import Estimate, GroupShape
from bucle.engine.objects import JsonObject
from bucle.engine.reads import Absent
from bucle.kinds.experiment.state import (
    Champion,
    ComparedOn,
    Comparison,
    ComparisonState,
    ConfidenceInterval,
    FinalState,
    Fit,
    Inputs,
    Judged,
    Model,
    State,
    Trial,
    TrialState,
)
from bucle.kinds.experiment.world import Registry, World
from bucle.resources.addresses import EXPERIMENT
from bucle.resources.documents import parse
from bucle.resources.experiment import Experiment
from bucle.resources.experiment_status import SplitDigests
from bucle.workloads.attempt import Attempt, Live
from bucle.workloads.owner import Owner

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
PARAMS = {"estimator__learning_rate": "0.1", "estimator__max_leaf_nodes": "31"}
INPUTS = Inputs(
    dataset="flights",
    dataset_digest="sha256:" + "a" * 64,
    dataset_location="s3://bucle/ml/datasets/flights/" + "a" * 64,
    image="bucle-worker:test",
    spec_hash="5" * 64,
    engine="optuna 5",
    registration_key="k" * 64,
    run=0,
    seed=42,
    started_at=NOW,
    split_digests=SplitDigests(train="sha256:t", validation="sha256:v", test="sha256:e"),
)
LETTERS = {
    "p": TrialState.PLANNED,
    "r": TrialState.RUNNING,
    "s": TrialState.SUCCEEDED,
    "f": TrialState.FAILED,
}
COMPARISON = Comparison(
    ComparisonState.COMPARED, 3, ComparedOn.NEWEST, "-0.02", ConfidenceInterval("-0.03", "-0.01"), groups=20, rows=400
)
FIT = Fit(
    job="late-abc-fa0",
    image="bucle-worker:test",
    params=PARAMS,
    seed=7,
    attempt=Attempt(1, 1),
    started_at=NOW,
    champion=Champion(3, "s3://bucle/mlflow/champion", "sha256:" + "e" * 64, None),
    comparison=COMPARISON,
)
JUDGED = Judged(
    state=FinalState.REGISTERED,
    fit=FIT,
    reason="Registered",
    message="ml.flights version 4",
    metrics={"log_loss": "0.6"},
    question="sha256:" + "9" * 64,
    estimate=Estimate(
        metric="log_loss",
        value="0.61",
        standard_error="0.01",
        groups=40,
        rows=900,
        shape=GroupShape(lag="0.1", skew="1.5", kish="38"),
    ),
    model=Model("ml.flights", 4, "s3://bucle/mlflow/m", "sha256:" + "c" * 64),
    run_id="run-7",
    finished_at=NOW,
)


def trial(index: int = 0, state: TrialState = TrialState.RUNNING, **fields: Any) -> Trial:
    """A row; `attempt` and the rest as given."""
    row = Trial(
        index=index,
        state=state,
        params=PARAMS,
        seed=7,
        image="bucle-worker:test",
        job=f"late-x-t{index}a0",
        attempt=Attempt(0),
        basis=0,
        started_at=NOW,
    )
    return replace(row, **fields)


def trials(letters: str) -> tuple[Trial, ...]:
    """One letter a row: s succeeded, f failed, r running, p planned."""
    return tuple(
        trial(index, LETTERS[letter], value="0.5" if letter == "s" else None) for index, letter in enumerate(letters)
    )


def experiment(change: Callable[[JsonObject], object] = lambda spec: None) -> Experiment:
    """The experiment of the stories, with that change of its spec."""
    manifest = copy.deepcopy(LATE)
    manifest["metadata"] |= {"namespace": "ml", "uid": "uid-late"}
    change(manifest["spec"])
    return parse(Experiment, manifest)


def world(state: State, made: Experiment | None = None, live: Live | None = None, **registry: Any) -> World:
    """What is known of it: no Job, and a registry that was not asked, but for what is given."""
    made = made or experiment()
    asked: dict[str, Any] = dict.fromkeys(("runs", "versions", "alias", "champion"))
    return World(
        platform=PLATFORM,
        experiment=made,
        state=state,
        earlier=False,
        owner=Owner.of(EXPERIMENT, made.metadata),
        dataset=Absent(NOW),
        live=live or Live({}),
        documents={},
        registry=Registry(**{**asked, **registry}),
        suggestions=None,
    )
