"""An explanation as lines of a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from bucle.cli.documents import Cause, Explanation, Node
from bucle.cli.loop_text import ready_of
from bucle.cli.objects import State
from bucle.cli.text import Screen, ago, clean, joined, painted, paragraph, table
from bucle.contracts.limits import READ_AGAIN_LAST, in_words

_STATES = {
    State.READY: "is ready",
    State.PROGRESSING: "is not ready: it is on its way",
    State.STALLED: "is stalled: it will not get there without a person",
    State.NOT_READY: "is not ready",
    State.UNSEEN: "was not looked at by the operator yet",
    State.DELETING: "is being deleted",
}
_TRIED = {
    "Wait": "by itself, with growing pauses, without end",
    "Mended": "by itself, with growing pauses; somebody other than its author must mend it",
    "Budget": "a few times, then it is given up",
    "Data": f"by a Dataset itself, at least once in {in_words(READ_AGAIN_LAST)}",
    "Never": "only after an edit",
}
_FAULTS = {
    "Model": "the model",
    "User": "the spec, or the data it names",
    "External": "the surroundings, such as a store, a quota or a node",
    "Operator": "Bucle itself: please report it",
}
ELSEWHERE = "this release has no such reason: look it up in docs/reasons.md of the release that runs in the cluster"
UNSEEN = (
    "If it stays so, the operator does not run, or does not watch this namespace: "
    "kubectl get pods --all-namespaces -l app.kubernetes.io/name=bucle"
)


def explanation_lines(told: Explanation, screen: Screen, now: datetime) -> list[str]:
    changing = told.state is State.PROGRESSING and told.ready == "True"
    words = "is ready, with a change under way" if changing else _STATES.get(told.state, told.state.lower())
    state = painted(words, told.state, screen)
    since = f", since {clean(told.since)}{_ago(told.since, now)}" if told.since else ""
    lines = [f"{told.object} in namespace {told.object.namespace} {state}{since}"]
    if told.state is State.UNSEEN:
        lines += paragraph(UNSEEN, screen, "  ")
    for cause in told.causes:
        lines += ["", *_cause(cause, screen)]
    if not told.causes and told.state is State.READY:
        lines += paragraph(told.message or "", screen, "  ")
    lines += _section("Also told", (line for cause in told.also for line in _cause(cause, screen, "  ", blocks=False)))
    lines += _section("It is made from, or watches, what is not ready itself", _sources(told.waits_for, screen))
    troubles = (
        line for pod in told.pods for line in (f"  {clean(pod.pod)}  {clean(pod.phase)}", *_pod(pod.cause, screen))
    )
    lines += _section("Pods in trouble", troubles)
    return lines + _section("Events, newest first", _events(told, screen, now))


def _section(title: str, inside: Iterable[str]) -> list[str]:
    found = list(inside)
    return ["", f"{title}:", *found] if found else []


def _cause(cause: Cause, screen: Screen, indent: str = "", *, blocks: bool = True) -> Iterator[str]:
    yield f"{indent}{clean(cause.reason)}  ({clean(', '.join(cause.told_by))})"
    yield from _of_cause(cause, screen, indent + "  ", blocks=blocks)


def _pod(cause: Cause, screen: Screen) -> Iterator[str]:
    yield f"    {clean(cause.reason)}"
    yield from _of_cause(cause, screen, "      ")


def _of_cause(cause: Cause, screen: Screen, indent: str, *, blocks: bool = True) -> Iterator[str]:
    """`blocks`: it keeps the object from being ready, so that another try means something."""
    told = [("Message", message) for message in cause.messages]
    if not cause.known:
        told.append(("Cause", ELSEWHERE))
    told += [(title, text) for title, text in (("Cause", cause.cause), ("Cure", cause.cure)) if text]
    if cause.fault:
        told.append(("Fault", _FAULTS.get(cause.fault, cause.fault)))
    if cause.retry and blocks:
        told.append(("Tried again", _TRIED.get(cause.retry, cause.retry)))
    width = len("Tried again")
    for title, text in told:
        yield from paragraph(text, screen, indent + " " * (width + 2), f"{indent}{title:<{width}}  ")


def _sources(nodes: Iterable[Node], screen: Screen) -> Iterator[str]:
    for node in nodes:
        told = joined((ready_of(node), node.reason, node.message), "  ")
        yield from paragraph(told, screen, "    ", f"  {clean(str(node))}  ")
        if node.state not in (State.MISSING, State.HIDDEN):
            yield f"    kubectl bucle explain {node.kind.lower()}/{clean(node.name)} --namespace {clean(node.namespace)}"


def _events(told: Explanation, screen: Screen, now: datetime) -> list[str]:
    if not told.events:
        return []
    rows = [
        (
            ago(event.last, now) or "?",
            clean(event.type),
            clean(event.reason),
            clean(event.message) + (f" (x{event.count})" if event.count > 1 else ""),
        )
        for event in told.events
    ]
    return table(rows, screen, "  ")


def _ago(moment: str | None, now: datetime) -> str:
    told = ago(moment, now)
    return f" ({told} ago)" if told else ""
