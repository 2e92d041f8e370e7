"""Which reasons explain an object, and what is told of each."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.builders.loop_objects import conditions

from bucle.cli.documents import Node
from bucle.cli.explanation import EVENTS_TOLD, explain, last_events, pods_in_trouble
from bucle.cli.objects import Seen, State
from bucle.contracts.reasons import REASONS
from bucle.resources.addresses import MODEL_DEPLOYMENT


def seen(*said: dict[str, Any], **status: Any) -> Seen:
    return Seen(
        MODEL_DEPLOYMENT,
        {"metadata": {"name": "flights", "namespace": "ml"}, "status": {**status, "conditions": [*said]}},
    )


SERVING = conditions("Serving", "version 1 serves", Ready="True", Reconciling="False", Stalled="False")
LOADING = conditions("Loading", "loads", Ready="False", Reconciling="True", Stalled="False")

CASES = [
    ("a ready object needs no cause", SERVING, {}, [], []),
    ("what Ready and Reconciling say is one reason", LOADING, {}, [("Loading", ("Ready", "Reconciling"))], []),
    (
        "another condition with that reason joins it",
        [*LOADING, *conditions("Loading", "", Available="False")],
        {},
        [("Loading", ("Ready", "Reconciling", "Available"))],
        [],
    ),
    (
        "what is good is not told",
        [*LOADING, *conditions("Serving", "", Available="True", CandidateRejected="False", GatesReachable="Unknown")],
        {},
        [("Loading", ("Ready", "Reconciling"))],
        [],
    ),
    (
        "what is bad although it is ready is told beside",
        [*SERVING, *conditions("GateNotPassed", "worse", CandidateRejected="True")],
        {},
        [],
        [("GateNotPassed", ("CandidateRejected",))],
    ),
    (
        "a type of another release that says False is bad",
        [*SERVING, *conditions("Spooky", "", Entangled="False")],
        {},
        [],
        [("Spooky", ("Entangled",))],
    ),
    (
        "an attempt gives the reason that no condition gives",
        SERVING,
        {"candidate": {"load": {"reason": "ImagePullFailed", "message": "no image"}}},
        [],
        [("ImagePullFailed", ("status.candidate.load",))],
    ),
    (
        "a good reason of an attempt is not told",
        SERVING,
        {"rollout": {"reason": "Promoted"}, "action": {"reason": "LoopClosed"}},
        [],
        [],
    ),
    (
        "a signal without a verdict says why",
        SERVING,
        {"signals": [{"name": "loss", "reason": "StoreUnavailable"}, {"name": "mood", "reason": "Healthy"}]},
        [],
        [("StoreUnavailable", ("signal loss",))],
    ),
    (
        "failed trials are counted by reason",
        SERVING,
        {"trials": [{"reason": "OutOfMemory"}, {}, {"reason": "OutOfMemory"}]},
        [],
        [("OutOfMemory", ("status.trials (2)",))],
    ),
]


@pytest.mark.parametrize(
    ("said", "status", "causes", "also"), [case[1:] for case in CASES], ids=[str(case[0]) for case in CASES]
)
def test_each_reason_is_told_once_with_all_who_gave_it(
    said: list[Any], status: dict[str, Any], causes: list[Any], also: list[Any]
) -> None:
    told = explain(seen(*said, **status))
    assert [(cause.reason, cause.told_by) for cause in told.causes] == causes
    assert [(cause.reason, cause.told_by) for cause in told.also] == also


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_comes_with_its_cause_and_its_cure(reason: str) -> None:
    (cause,) = explain(seen(*conditions(reason, "words", Ready="False"))).causes
    known = REASONS[reason]
    assert (cause.cause, cause.cure, cause.fault, cause.messages) == (known.cause, known.cure, known.fault, ("words",))


def test_a_reason_of_another_release_is_told_as_it_stands() -> None:
    (cause,) = explain(seen(*conditions("QuantumLeap", "words", Ready="Mostly"))).causes
    assert (cause.reason, cause.known, cause.cause) == ("QuantumLeap", False, None)


def test_only_what_it_is_made_from_and_is_not_ready_is_told() -> None:
    one = {"kind": "Dataset", "namespace": "ml"}
    nodes = [
        Node(**one, name="ready", state=State.READY, ready="True"),
        Node(**one, name="changing", state=State.PROGRESSING, ready="True"),
        Node(**one, name="gone", state=State.MISSING),
        Node(**one, name="stalled", state=State.STALLED, ready="False"),
    ]
    assert [node.name for node in explain(seen(*LOADING), nodes).waits_for] == ["gone", "stalled"]


def pod(name: str, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": status}


def test_only_pods_in_trouble_are_told() -> None:
    waiting = {"name": "main", "image": "i", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no"}}}
    pods = [pod("well", phase="Running"), pod("ill", phase="Pending", containerStatuses=[waiting]), {}, pod("new")]
    (found,) = pods_in_trouble(pods)
    assert (found.pod, found.phase, found.cause.reason) == ("ill", "Pending", "ImagePullFailed")


def test_the_last_events_come_first_in_whichever_field_their_time_stands() -> None:
    events: list[dict[str, Any]] = [
        {"reason": "old", "lastTimestamp": "2026-01-01T00:00:00Z"},
        {"reason": "newest", "eventTime": "2026-01-03T00:00:00.000000Z", "series": {"count": 7}},
        {"reason": "new", "firstTimestamp": "2026-01-02T00:00:00Z", "count": 2},
        {"reason": "timeless"},
    ]
    assert [(event.reason, event.count) for event in last_events(events)] == [
        ("newest", 7),
        ("new", 2),
        ("old", 1),
        ("timeless", 1),
    ]
    assert len(last_events(events * 5)) == EVENTS_TOLD
