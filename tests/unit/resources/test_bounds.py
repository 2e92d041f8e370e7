"""A status is cut to its schema's bounds at the write, whatever was copied into it before."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.fakes.admission import admitted
from tests.support.worlds.training import FLIGHTS

from bucle.resources.addresses import DATASET
from bucle.resources.base import MESSAGE_LIMIT, SHORT_LIMIT, Model, Status
from bucle.resources.bounds import within_bounds
from bucle.resources.dataset_status import Build, DatasetStatus
from bucle.resources.driftpolicy_status import ActionStatus, DriftPolicyStatus
from bucle.resources.experiment_status import ExperimentStatus, Trial
from bucle.resources.modeldeployment_status import ModelDeploymentStatus, Refused

LONG = "x" * 100_000


def with_copied(model: Model, **fields: Any) -> Any:
    """As plans do it: a copy, which validates nothing."""
    return model.model_copy(update=fields)


@pytest.mark.parametrize(
    ("status", "path", "limit"),
    [
        (with_copied(DatasetStatus(), build=with_copied(Build(), reason=LONG)), ("build", "reason"), MESSAGE_LIMIT),
        (
            with_copied(ModelDeploymentStatus(), rejected=with_copied(Refused(), message=LONG)),
            ("rejected", "message"),
            MESSAGE_LIMIT,
        ),
        (
            with_copied(ModelDeploymentStatus(), rejected=with_copied(Refused(), reason=LONG)),
            ("rejected", "reason"),
            SHORT_LIMIT,
        ),
        (
            with_copied(DriftPolicyStatus(), action=with_copied(ActionStatus(), message=LONG)),
            ("action", "message"),
            MESSAGE_LIMIT,
        ),
        (
            with_copied(ExperimentStatus(), trials=(with_copied(Trial(index=0), reason=LONG),)),
            ("trials", 0, "reason"),
            SHORT_LIMIT,
        ),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_a_sentence_too_long_is_cut_where_it_is_written(status: Status, path: tuple[Any, ...], limit: int) -> None:
    found: Any = within_bounds(status)
    for part in path:
        found = found[part]
    assert len(found) <= limit
    assert LONG.startswith(found)


def test_lists_keep_their_first_items() -> None:
    rows = tuple(Trial(index=index) for index in range(5000))
    found = within_bounds(with_copied(ExperimentStatus(), trials=rows))["trials"]
    limit = ExperimentStatus.model_json_schema()["properties"]["trials"]["maxItems"]
    assert [row["index"] for row in found] == list(range(limit))


def test_what_fits_is_left_as_it_is() -> None:
    status = DatasetStatus(build=Build(job="flights-d1", reason="Unschedulable: no node"))
    assert within_bounds(status)["build"]["reason"] == "Unschedulable: no node"


@pytest.mark.parametrize(("percent", "taken"), [(0, True), (100, True), (-1, False), (101, False), ("5", False)])
def test_a_share_that_may_be_left_out_is_a_percentage_and_nothing_is_stored_for_one_that_was_not_written(
    percent: Any, taken: bool
) -> None:
    feedback = {"modelDeployment": "flights", "window": {"rows": 1}}
    told = {**feedback, "maxSetAsidePercent": percent}
    spec = {**FLIGHTS["spec"], "sources": [{"feedback": feedback}, {"feedback": told}]}
    verdict = admitted(DATASET, {**FLIGHTS, "spec": spec})
    assert (not verdict.problems) == taken, verdict.problems
    assert "maxSetAsidePercent" not in verdict.value["spec"]["sources"][0]["feedback"]
