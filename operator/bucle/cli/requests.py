"""What a person asks of a DriftPolicy: the annotation that says it, and the answer that the operator left in status. Pure."""

from __future__ import annotations

from bucle.cli.documents import ObjectName, Request
from bucle.cli.errors import Usage
from bucle.cli.objects import Seen
from bucle.contracts.person import heard

VERBS = {
    "approve": "lets the retrain begin that waits for a person",
    "reject": "ends the retrain that waits for a person",
    "retrain": "starts a retrain by hand",
    "mute": "has nothing done about a drifting signal until it clears",
}
SUBJECTS = {"approve": "retrain", "reject": "retrain", "mute": "signal"}
"""Verbs whose subject may be named by a flag of that name; left out, it is the only one there is."""


def request_of(verb: str, seen: Seen, subject: str | None, nonce: str) -> str:
    """The annotation. Usage when nothing, or more than one thing, could be meant."""
    chosen = [subject] if subject else _subjects(verb, seen)
    flag = SUBJECTS.get(verb, "")
    if not chosen:
        nothing = "no signal drifts" if flag == "signal" else "no retrain waits for a person"
        raise Usage(f"{seen.kind}/{seen.name}: {nothing}; see `kubectl bucle signals {seen.name}`")
    if len(chosen) > 1:
        raise Usage(f"{seen.kind}/{seen.name}: name one of {', '.join(chosen)} by --{flag}")
    request = f"{verb}/{chosen[0]}/{nonce}"
    if str(heard(request)) != request:
        raise Usage(f"--{flag} {chosen[0]!r} is no name")
    return request


def answer_to(seen: Seen, request: str) -> Request:
    """What came of it; without an outcome as long as the operator did not look."""
    asked = ObjectName(kind=seen.kind, name=seen.name, namespace=seen.namespace)
    for line in seen.items("status", "personActions"):
        if "/".join(str(line.get(part)) for part in ("verb", "subject", "nonce")) == request:
            told = {name: str(line[name]) for name in ("outcome", "message", "by", "at") if line.get(name)}
            return Request(object=asked, request=request, **told)
    waiting = seen.condition("ActionRefused")
    why = waiting.message if waiting is not None and waiting.status == "Unknown" else None
    return Request(object=asked, request=request, message=why)


def request_lines(document: Request) -> list[str]:
    asked = document.object
    head = f"{asked} in namespace {asked.namespace}: {document.request}"
    if document.outcome is None:
        why = document.message or "the operator has not answered yet"
        return [head, f"Waiting: {why}; see status.personActions"]
    return [head, f"{document.outcome}: {document.message or ''}".rstrip()]


def _subjects(verb: str, seen: Seen) -> list[str]:
    if verb == "retrain":
        return [seen.name]
    if verb == "mute":
        return [str(item["name"]) for item in seen.items("status", "signals") if item.get("drifting") is True]
    waiting = seen.text("status", "approval", "retrain")
    return [waiting] if waiting else []
