"""A person's request, from the annotation of an object to what is remembered of it. Pure.

Set once is done once: what was answered stands in status by verb, subject and nonce, and the annotation is never touched.
Knows no verb and no kind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bucle.contracts import telemetry
from bucle.contracts.measures import Happening
from bucle.contracts.names import ANNOTATION_ACTION
from bucle.contracts.person import Outcome, Said, heard
from bucle.engine.status import ConditionUpdate
from bucle.resources.base import Condition, ObjectMeta
from bucle.resources.person_status import PersonAction

KEPT = 20
"""So many answers are remembered: the maximum of the list in status."""
DONE, REFUSED = "ActionDone", "ActionRefused"
EVENTS = {Outcome.DONE: DONE, Outcome.REFUSED: REFUSED}
"""What the Event about an answer is called."""


@dataclass(frozen=True, slots=True)
class Answer:
    outcome: Outcome
    message: str


@dataclass(frozen=True, slots=True)
class Waits:
    """Nobody can say yet whether it can be done: it is asked again at the next look."""

    reason: str
    message: str


def done(message: str) -> Answer:
    return Answer(Outcome.DONE, message)


def refused(message: str) -> Answer:
    return Answer(Outcome.REFUSED, message)


def unanswered(meta: ObjectMeta, known: Sequence[PersonAction]) -> Said | None:
    """What the annotation asks, unless that was answered before."""
    said = heard(meta.annotations.get(ANNOTATION_ACTION))
    return said if said is not None and _line(said, known) is None else None


def remembered(
    meta: ObjectMeta, known: Sequence[PersonAction], said: Said, answer: Answer, now: datetime
) -> tuple[PersonAction, ...]:
    """The answers, newest first."""
    by, asked_at = _written_by(meta)
    line = PersonAction(
        verb=said.verb,
        subject=said.subject,
        nonce=said.nonce,
        outcome=answer.outcome,
        message=answer.message,
        by=by,
        asked_at=asked_at,
        at=now.replace(microsecond=0),
    )
    return (line, *known)[:KEPT]


def conditions(
    meta: ObjectMeta, known: Sequence[PersonAction], waits: Waits | None, stored: Sequence[Condition]
) -> tuple[ConditionUpdate, ...]:
    """Whether what the annotation asks was refused. An object that nobody ever asked anything says nothing of it."""
    said = heard(meta.annotations.get(ANNOTATION_ACTION))
    line = _line(said, known) if said is not None else None
    if said is not None and waits is not None:
        return (ConditionUpdate(REFUSED, "Unknown", waits.reason, f"{said} waits: {waits.message}"),)
    if line is not None and line.outcome == Outcome.REFUSED:
        return (ConditionUpdate(REFUSED, "True", REFUSED, line.message or ""),)
    if any(condition.type == REFUSED for condition in stored):
        return (ConditionUpdate(REFUSED, "False", DONE),)
    return ()


def happenings(known: Sequence[PersonAction]) -> frozenset[Happening]:
    """Each answer is an Event and is counted once."""
    return frozenset(
        Happening(
            telemetry.PERSON_ACTIONS,
            f"{line.verb}/{line.subject}/{line.nonce}",
            (EVENTS[Outcome(line.outcome)],),
            line.message or "",
            line.at,
        )
        for line in known
        if line.outcome in tuple(Outcome)
    )


def _line(said: Said, known: Sequence[PersonAction]) -> PersonAction | None:
    asked = (said.verb, said.subject, said.nonce)
    return next((line for line in known if (line.verb, line.subject, line.nonce) == asked), None)


def _written_by(meta: ObjectMeta) -> tuple[str | None, datetime | None]:
    """Who set the annotation last, by the server's books. A program names itself there: a note, no proof."""
    for entry in meta.managed_fields:
        owned: Any = entry.get("fieldsV1")
        for part in ("f:metadata", "f:annotations", f"f:{ANNOTATION_ACTION}"):
            owned = owned.get(part) if isinstance(owned, dict) else None
        if owned is not None:
            return str(entry.get("manager") or "") or None, _moment(entry.get("time"))
    return None, None


def _moment(text: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
