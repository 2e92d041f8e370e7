"""Why an object is not ready: what its status says, with cause and cure from the table of reasons, its Events, and the
trouble of its pods. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from bucle.cli.documents import Cause, Explanation, Happening, Node, ObjectName, PodTrouble
from bucle.cli.loop import node_of
from bucle.cli.objects import Said, Seen, at, state_of
from bucle.contracts.reasons import REASONS
from bucle.workloads.trouble import pod_trouble

EVENTS_TOLD = 10
BAD_WHEN_TRUE = frozenset({"Reconciling", "Stalled", "CandidateRejected", "DriftDetected", "Contested"})
"""Every other type says that something is as it should be."""
ATTEMPTS = (
    ("build",),
    ("final",),
    ("candidate", "load"),
    ("rollout",),
    ("rejected",),
    ("evaluation",),
    ("lastEvaluation",),
    ("action",),
)
"""Where a status gives the reason of something under way or over, beside its conditions."""
_FIRST = {"Stalled": 0, "Ready": 1, "Reconciling": 2}


class _Word(NamedTuple):
    """One reason as somebody gave it."""

    reason: str
    told_by: str
    message: str
    since: str


def explain(
    seen: Seen,
    sources: Iterable[Node] = (),
    pods: Iterable[Mapping[str, Any]] = (),
    events: Iterable[Mapping[str, Any]] = (),
    notes: tuple[str, ...] = (),
) -> Explanation:
    """`sources`: what the object is made from or watches, of which those that are not ready are told."""
    said = sorted(seen.conditions, key=lambda one: (_FIRST.get(one.type, 3), one.type))
    state, ready = state_of(seen), seen.condition("Ready")
    main = [
        one for one in said if one.type in _FIRST and (_matters(one) or (one.type == "Ready" and one.status != "True"))
    ]
    others = [one for one in said if one.type not in _FIRST and _matters(one)]
    causes = _causes(_of_condition(one) for one in main)
    told = {cause.reason for cause in causes}
    # A condition that repeats the reason of Ready belongs to it; whatever else it says stands apart.
    joined = [one for one in others if one.reason in told]
    causes = _causes(_of_condition(one) for one in (*main, *joined))
    more = [_of_condition(one) for one in others if one.reason not in told]
    more += [word for word in _attempts(seen) if word.reason not in told]
    return Explanation(
        object=ObjectName(kind=seen.kind, name=seen.name, namespace=seen.namespace),
        state=state,
        ready=ready.status if ready else None,
        since=(ready.since or None) if ready else None,
        message=node_of(seen).message,
        causes=causes,
        also=_causes(iter(more)),
        waits_for=tuple(node for node in sources if node.ready != "True"),
        pods=tuple(pods_in_trouble(pods)),
        events=last_events(events),
        notes=notes,
    )


def cause_of(reason: str, told_by: tuple[str, ...], messages: tuple[str, ...] = (), since: str = "") -> Cause:
    """The reason with all that the table knows of it."""
    known = REASONS.get(reason)
    if known is None:
        return Cause(reason=reason, told_by=told_by, messages=messages, since=since or None, known=False)
    return Cause(
        reason=reason,
        told_by=told_by,
        messages=messages,
        since=since or None,
        cause=known.cause,
        cure=known.cure,
        fault=known.fault,
        retry=known.retry if known.fault else None,
    )


def pods_in_trouble(pods: Iterable[Mapping[str, Any]]) -> Iterator[PodTrouble]:
    for pod in pods:
        failure = pod_trouble(pod) if at(pod, "metadata", "name") else None
        if failure is not None:
            name, phase = str(at(pod, "metadata", "name")), str(at(pod, "status", "phase") or "Unknown")
            cause = cause_of(failure.reason, (f"pod {name}",), (failure.message,))
            yield PodTrouble(pod=name, phase=phase, cause=cause)


def last_events(events: Iterable[Mapping[str, Any]]) -> tuple[Happening, ...]:
    """The last ones, newest first."""
    found = [_happening(event) for event in events]
    return tuple(sorted(found, key=lambda event: event.last or "", reverse=True)[:EVENTS_TOLD])


def _happening(event: Mapping[str, Any]) -> Happening:
    series = at(event, "series", "lastObservedTime")
    last = series or event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp")
    count = at(event, "series", "count") or event.get("count")
    return Happening(
        type=str(event.get("type") or "Normal"),
        reason=str(event.get("reason") or ""),
        message=str(event.get("message") or ""),
        last=str(last) if last else None,
        count=count if isinstance(count, int) else 1,
    )


def _matters(said: Said) -> bool:
    return said.status == ("True" if said.type in BAD_WHEN_TRUE else "False")


def _of_condition(said: Said) -> _Word:
    return _Word(said.reason or "(none given)", said.type, said.message, said.since)


def _attempts(seen: Seen) -> Iterator[_Word]:
    told = [(".".join(("status", *path)), seen.at("status", *path)) for path in ATTEMPTS]
    told += [(f"signal {item.get('name')}", item) for item in seen.items("status", "signals")]
    for place, found in told:
        reason, message = at(found, "reason"), at(found, "message")
        if isinstance(reason, str) and reason in REASONS and REASONS[reason].fault:
            yield _Word(reason, place, message if isinstance(message, str) else "", "")
    counts: dict[str, int] = {}
    for trial in seen.items("status", "trials"):
        reason = trial.get("reason")
        if isinstance(reason, str) and reason:
            counts[reason] = counts.get(reason, 0) + 1
    for reason, count in counts.items():
        yield _Word(reason, f"status.trials ({count})", "", "")


def _causes(words: Iterable[_Word]) -> tuple[Cause, ...]:
    """One for each reason, in the order of their first mention."""
    grouped: dict[str, list[_Word]] = {}
    for word in words:
        grouped.setdefault(word.reason, []).append(word)
    return tuple(
        cause_of(
            reason,
            tuple(word.told_by for word in said),
            tuple(dict.fromkeys(word.message for word in said if word.message)),
            next((word.since for word in said if word.since), ""),
        )
        for reason, said in grouped.items()
    )
