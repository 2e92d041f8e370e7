"""What is shown of a ModelDeployment's gates."""

from __future__ import annotations

from typing import Any

import pytest

from bucle.cli.documents import Gate
from bucle.cli.gates import gates_of
from bucle.cli.objects import Seen
from bucle.resources.addresses import MODEL_DEPLOYMENT


def seen(declared: list[Any], evaluated: list[Any], **status: Any) -> Seen:
    metadata = {"name": "flights", "namespace": "ml"}
    return Seen(
        MODEL_DEPLOYMENT, {"metadata": metadata, "spec": {"gates": declared}, "status": {"gates": evaluated, **status}}
    )


ERRORS = {"name": "errors", "errorRate": {"maxIncrease": "0.01"}}
BETTER = {"name": "better", "quality": {"metric": "log_loss"}}


@pytest.mark.parametrize(
    ("declared", "evaluated", "gates"),
    [
        ([], [], []),
        ([ERRORS], [], [Gate(name="errors", test="errorRate")]),
        ([BETTER], [], [Gate(name="better", test="quality: log_loss")]),
        ([{"name": "new", "fairness": {}}], [], [Gate(name="new", test="fairness")]),
        (
            [ERRORS, BETTER],
            [{"name": "better", "step": 0, "verdict": "Pass", "estimate": "-0.1", "limit": "0"}],
            [
                Gate(name="errors", test="errorRate"),
                Gate(name="better", test="quality: log_loss", step=0, verdict="Pass", value="-0.1", limit="0"),
            ],
        ),
        ([], [{"name": "old", "verdict": "Fail"}], [Gate(name="old", test="no longer declared", verdict="Fail")]),
        (
            [ERRORS],
            [{"name": "errors", "samples": 7, "needs": {"samples": 20, "reachable": False, "message": "13 more"}}],
            [Gate(name="errors", test="errorRate", samples=7, samples_needed=20, needs="13 more", reachable=False)],
        ),
        (
            [ERRORS],
            [{"name": "errors", "at": "2026-01-01T00:00:00Z"}],
            [Gate(name="errors", test="errorRate", at="2026-01-01T00:00:00Z")],
        ),
    ],
)
def test_declared_gates_come_with_what_was_found(declared: list[Any], evaluated: list[Any], gates: list[Gate]) -> None:
    assert list(gates_of(seen(declared, evaluated)).gates) == gates


def test_what_cannot_be_read_is_noted_with_its_place() -> None:
    told = gates_of(seen([], [{"name": "a", "samples": "many"}], rollout={"state": "Stepping", "step": "first"}))
    assert told.rollout == "Stepping"
    assert told.notes == (
        "status.gates[0].samples cannot be read by this release",
        "status.rollout.step cannot be read by this release",
    )
