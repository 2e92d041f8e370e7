"""What `approve`, `reject`, `retrain` and `mute` write, and how an answer is shown."""

from __future__ import annotations

from typing import Any

import pytest

from bucle.cli.errors import Usage
from bucle.cli.objects import Seen
from bucle.cli.requests import SUBJECTS, VERBS, answer_to, request_lines, request_of
from bucle.resources.addresses import DRIFT_POLICY

WAITS = {"approval": {"retrain": "drift-1", "window": 3}}
DRIFTS = {"signals": [{"name": "loss", "drifting": True}, {"name": "brier", "drifting": False}]}
BOTH = {"signals": [{"name": "loss", "drifting": True}, {"name": "brier", "drifting": True}]}


def seen(**status: Any) -> Seen:
    return Seen(DRIFT_POLICY, {"metadata": {"name": "drift", "namespace": "ml"}, "status": status})


@pytest.mark.parametrize(
    ("verb", "status", "subject", "request_"),
    [
        ("approve", WAITS, None, "approve/drift-1/n"),
        ("reject", WAITS, None, "reject/drift-1/n"),
        ("approve", WAITS, "drift-0", "approve/drift-0/n"),
        ("retrain", {}, None, "retrain/drift/n"),
        ("mute", DRIFTS, None, "mute/loss/n"),
        ("mute", BOTH, "brier", "mute/brier/n"),
    ],
)
def test_what_is_left_out_is_the_only_one_it_can_be(
    verb: str, status: dict[str, Any], subject: str | None, request_: str
) -> None:
    assert request_of(verb, seen(**status), subject, "n") == request_


@pytest.mark.parametrize(
    ("verb", "status", "subject", "words"),
    [
        ("approve", {}, None, "no retrain waits for a person"),
        ("reject", {"approval": "odd"}, None, "no retrain waits for a person"),
        ("mute", {}, None, "no signal drifts"),
        ("mute", BOTH, None, "name one of loss, brier by --signal"),
        ("mute", {}, "a/b", "--signal 'a/b' is no name"),
    ],
)
def test_nothing_is_written_where_nothing_or_two_things_could_be_meant(
    verb: str, status: dict[str, Any], subject: str | None, words: str
) -> None:
    with pytest.raises(Usage, match=words):
        request_of(verb, seen(**status), subject, "n")
    assert set(SUBJECTS) < set(VERBS)


DONE = {
    "verb": "retrain",
    "subject": "drift",
    "nonce": "n",
    "outcome": "Done",
    "message": "it begins",
    "by": "kubectl-bucle",
}
UNKNOWN = {"type": "ActionRefused", "status": "Unknown", "reason": "RegistryUnavailable", "message": "MLflow is down"}


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        ({"personActions": [DONE]}, "Done: it begins"),
        (
            {"personActions": [DONE | {"nonce": "m"}]},
            "Waiting: the operator has not answered yet; see status.personActions",
        ),
        ({"conditions": [UNKNOWN]}, "Waiting: MLflow is down; see status.personActions"),
        ({"personActions": [{**DONE, "outcome": "Refused", "message": None}]}, "Refused:"),
        ({"personActions": "odd"}, "Waiting: the operator has not answered yet; see status.personActions"),
    ],
    ids=["done", "another one was", "nobody can tell yet", "without words", "of another release"],
)
def test_what_came_of_it(status: dict[str, Any], lines: str) -> None:
    shown = request_lines(answer_to(seen(**status), "retrain/drift/n"))
    assert shown == ["DriftPolicy/drift in namespace ml: retrain/drift/n", lines]
