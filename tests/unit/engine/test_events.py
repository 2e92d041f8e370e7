"""Which Events a change makes, and which of them carry the word of news."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bucle.contracts import telemetry
from bucle.contracts.measures import Happening, Measures
from bucle.contracts.names import LABEL_NEWS
from bucle.engine.events import events, happened
from bucle.engine.objects import JsonObject
from bucle.resources.addresses import MODEL_DEPLOYMENT

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OBJECT: JsonObject = {"metadata": {"name": "flights", "namespace": "ml", "uid": "u1"}, "spec": {}}
PROMOTED = Happening(telemetry.ROLLOUTS, "rev1", ("Promoted",), "version 2 was promoted", NOW)
ABORTED = Happening(telemetry.ROLLOUTS, "rev2", ("Aborted",))


def condition(type_: str, status: str, reason: str, message: str = "") -> dict[str, str]:
    since = "2026-03-01T11:00:00Z"
    return {"type": type_, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}


def made(before: list[Any], after: list[Any], *once: Any) -> dict[str, str | None]:
    """The word of news of each Event, by its reason."""
    obj = {**OBJECT, "status": {"conditions": before}}
    found = events(MODEL_DEPLOYMENT, obj, {"conditions": after}, once, NOW)
    return {event["reason"]: (event["metadata"].get("labels") or {}).get(LABEL_NEWS) for event in found}


def test_a_refusal_is_told_although_the_object_is_stalled_for_the_same_reason() -> None:
    """One Event tells the reason to people; whoever is told of refusals alone needs one of its own."""
    after = [
        condition("Stalled", "True", "GateNotPassed", "worse"),
        condition("CandidateRejected", "True", "GateNotPassed", "version 2: worse"),
    ]
    found = events(MODEL_DEPLOYMENT, OBJECT, {"conditions": after}, (), NOW)
    assert sorted(event["metadata"]["labels"][LABEL_NEWS] for event in found) == ["model.refused", "object.stalled"]
    assert len({event["metadata"]["name"] for event in found}) == 2


def test_what_said_so_before_is_not_told_again() -> None:
    stalled = condition("Stalled", "True", "SpecInvalid", "spec.x must be set")
    assert made([], [stalled]) == {"SpecInvalid": "object.stalled"}
    assert made([stalled], [stalled]) == {}
    assert made([stalled], [{**stalled, "message": "worded otherwise"}]) == {}


def test_an_ordinary_change_is_an_event_and_no_news() -> None:
    assert made([], [condition("Ready", "True", "Serving", "version 1 serves")]) == {"Serving": None}


def test_a_promotion_is_told_once_with_the_name_it_would_have_after_a_restart() -> None:
    before, after = Measures(), Measures(happened=frozenset({PROMOTED, ABORTED}))
    once = happened(before, after)
    assert made([], [], *once) == {"Promoted": "model.promoted"}
    assert happened(after, after) == []
    names = [events(MODEL_DEPLOYMENT, OBJECT, {}, once, at)[0]["metadata"]["name"] for at in (NOW, datetime.now(UTC))]
    assert names[0] == names[1], "the name is the id of the notification"
