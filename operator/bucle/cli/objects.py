"""One object as any release of Bucle may have written it: what cannot be read is left out and told, never crashed on. Pure.

The operator refuses what it does not understand; a person who looks wants to see the rest. Conditions are read word by
word, so a status that this release has no name for is shown as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bucle.resources.addresses import Resource

M = TypeVar("M", bound=BaseModel)


class State(StrEnum):
    """How an object does, in one word that needs no colour."""

    READY = "Ready"
    PROGRESSING = "Progressing"
    STALLED = "Stalled"
    NOT_READY = "NotReady"
    UNSEEN = "Unseen"
    """The operator has not looked at it yet."""
    DELETING = "Deleting"
    MISSING = "Missing"
    """Others refer to it and it does not exist."""
    HIDDEN = "Hidden"
    """Others refer to it and its kind may not be read."""


@dataclass(frozen=True, slots=True)
class Said:
    """One condition, in the words it was written with."""

    type: str
    status: str
    reason: str
    message: str
    since: str
    generation: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """One object of one of our kinds, as the API server gave it."""

    resource: Resource
    raw: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return self.resource.kind

    @property
    def name(self) -> str:
        return self.text("metadata", "name")

    @property
    def namespace(self) -> str:
        return self.text("metadata", "namespace")

    @property
    def uid(self) -> str:
        return self.text("metadata", "uid")

    def at(self, *path: str) -> Any:
        """What stands there, whatever it is; None when nothing does."""
        return at(self.raw, *path)

    def text(self, *path: str) -> str:
        """The text that stands there; empty when something else does."""
        found = self.at(*path)
        return found if isinstance(found, str) else ""

    def items(self, *path: str) -> tuple[Mapping[str, Any], ...]:
        """The objects of a list that stands there."""
        found = self.at(*path)
        return tuple(item for item in found if isinstance(item, Mapping)) if isinstance(found, list) else ()

    @property
    def conditions(self) -> tuple[Said, ...]:
        return tuple(_said(item) for item in self.items("status", "conditions") if item.get("type"))

    def condition(self, type_: str) -> Said | None:
        return next((said for said in self.conditions if said.type == type_), None)

    @property
    def behind(self) -> bool:
        """The status speaks of an older spec."""
        observed, generation = self.at("status", "observedGeneration"), self.at("metadata", "generation")
        return isinstance(observed, int) and isinstance(generation, int) and 0 <= observed < generation


def at(raw: Any, *path: str) -> Any:
    for key in path:
        raw = raw.get(key) if isinstance(raw, Mapping) else None
    return raw


def state_of(seen: Seen) -> State:
    if seen.at("metadata", "deletionTimestamp"):
        return State.DELETING
    said = {condition.type: condition.status for condition in seen.conditions}
    if not said:
        return State.UNSEEN
    if said.get("Stalled") == "True":
        return State.STALLED
    if said.get("Reconciling") == "True":
        return State.PROGRESSING
    return State.READY if said.get("Ready") == "True" else State.NOT_READY


def lenient(model: type[M], raw: Any) -> tuple[M, tuple[str, ...]]:
    """As much of `raw` as fits the type (of which no field may be required), and the paths of what does not."""
    data: Any = deepcopy(dict(raw)) if isinstance(raw, Mapping) else {}
    dropped: list[str] = []
    while True:
        try:
            return model.model_validate(data), tuple(dropped)
        except ValidationError as error:
            # From behind: what stands later in a list must not move when something before it is taken out.
            places = sorted({item["loc"] for item in error.errors(include_url=False)}, key=str, reverse=True)
            taken = [path for path in (_take_out(data, place) for place in places) if path]
            if not taken:
                return model.model_validate({}), ("",)
            dropped += taken


def _take_out(data: Any, place: tuple[int | str, ...]) -> str:
    """Removes what stands at that place, or the nearest thing around it; its path, empty when nothing is left to remove."""
    while place:
        holder = data
        for part in place[:-1]:
            holder = _step(holder, part)
        if _step(holder, place[-1]) is not None:
            del holder[place[-1]]
            return ".".join(str(part) for part in place)
        place = place[:-1]
    return ""


def _step(holder: Any, part: int | str) -> Any:
    if isinstance(holder, dict):
        return holder.get(part)
    if isinstance(holder, list) and isinstance(part, int) and part < len(holder):
        return holder[part]
    return None


def _said(item: Mapping[str, Any]) -> Said:
    generation = item.get("observedGeneration")
    type_, status, reason, message, since = (
        str(item.get(key) or "") for key in ("type", "status", "reason", "message", "lastTransitionTime")
    )
    return Said(type_, status, reason, message, since, generation if isinstance(generation, int) else None)


def references(seen: Seen, kind: str) -> Iterator[str]:
    """Names of the owners of that kind."""
    for owner in seen.items("metadata", "ownerReferences"):
        if owner.get("kind") == kind and isinstance(owner.get("name"), str):
            yield owner["name"]
