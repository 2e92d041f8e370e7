"""What a kind is to the engine: five pure functions and an address. Knows no kind by name.

parse → refs, reads → (the engine asks) → world → plan → (the engine writes). The object itself is parsed first and alone:
only there can a person's object be at fault. A type error that comes out of any other function is the operator's own
mistake and is never shown as the person's; another object that does not fit its type is part of the world, by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from bucle.contracts.measures import NOTHING, Measures
from bucle.engine.objects import JsonObject, Ref
from bucle.engine.plan import Effect, Plan
from bucle.engine.reads import Observations, Reads, Unavailable
from bucle.engine.status import ConditionUpdate
from bucle.resources.addresses import Resource

Obj = TypeVar("Obj")
World = TypeVar("World")


class SpecInvalid(ValueError):
    """The object cannot be read as its kind, or what it asks for cannot be built; only a person can change that.

    The message becomes the condition's message, so it names the field and says what to do. A subclass has a reason of its
    own; `plan` may raise one where it builds what the spec asks for.
    """

    reason: ClassVar[str] = "SpecInvalid"


class UnknownState(ValueError):
    """The stored status says something that this release does not know; the message names the field and the way out.

    Any function of a room but `parse` may raise it, and the engine then holds the object: the stored status stays as it
    is, nothing is written but conditions. `serves`: what the object does for callers goes on meanwhile. `conditions`: those
    of its own that hold whatever the status says.
    """

    def __init__(self, why: str, *, serves: bool = False, conditions: tuple[ConditionUpdate, ...] = ()) -> None:
        super().__init__(why)
        self.serves = serves
        self.conditions = conditions


S = TypeVar("S", bound=StrEnum)
T = TypeVar("T")
QUOTED = 64
"""Characters of an unknown state that a message repeats."""


def known_state(states: type[S], value: str | None, field: str) -> S:
    """The state that stands at `status.<field>`. Raises UnknownState with what to remove: all that the state is of."""
    try:
        return states(value or "")
    except ValueError:
        found = "missing" if value is None else f"{value[:QUOTED]!r}, which this release does not know"
        raise UnknownState(f"status.{field} is {found}: {way_out(field)}") from None


def required(value: T | None, field: str) -> T:
    """What stands at `status.<field>`, which is always written. Raises UnknownState."""
    if value is None:
        raise UnknownState(f"status.{field} is missing: {way_out(field)}")
    return value


def way_out(field: str) -> str:
    """What to do about a field of status that cannot be understood: it goes with all that it is a part of."""
    holder = field.partition("[]")[0] if "[]" in field else field.rpartition(".")[0]
    return f"use the release that wrote it, or remove status.{holder or field}"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Too little was answered to decide anything: the stored status stays as it is and its generation is not observed."""

    why: str


def unreadable(observations: Observations, needed: Iterable[str]) -> Unreadable | None:
    """Why nothing can be decided, if one of the needed reads was not answered."""
    for name in needed:
        answer = observations[name]
        if isinstance(answer, Unavailable):
            return Unreadable(answer.why)
    return None


def _whole_status(obj: Mapping[str, Any]) -> Any:
    return {key: value for key, value in (obj.get("status") or {}).items() if key != "conditions"}


def _nothing(_: Mapping[str, Any]) -> tuple[Effect, ...]:
    return ()


def _conditions_only(_: Mapping[str, Any]) -> Any:
    return None


def _no_numbers(_: Mapping[str, Any]) -> Measures:
    return NOTHING


@dataclass(frozen=True)
class Room(Generic[Obj, World]):
    """One kind.

    parse: the raw object as the API server returned it, typed. Raises InvalidResource.
    refs:  what the object points to (for wake-ups).
    reads: what must be known to decide, by the name under which `world` finds it.
    world: all that is known, gathered into one frozen value.
    plan:  (world, now in UTC) -> Plan.
    children: the resources this kind may own (RBAC, watches).
    doubtful: its own conditions that nobody can vouch for while too little is answered.
    tells: what of its stored status others act on, besides its conditions: that alone wakes who points to it.
    owed:  what must still be done outside of the cluster once the object is gone, read off it as it was seen last.
    steps: what of its stored status its own next step may rest on: after a change of it the object is planned again at once.
        All of it, unless it holds numbers that every look changes.
    measures: what an object tells in numbers, besides its conditions. Raises InvalidResource or UnknownState.
    """

    resource: Resource
    parse: Callable[[JsonObject], Obj]
    refs: Callable[[Obj], frozenset[Ref]]
    reads: Callable[[Obj], Reads]
    world: Callable[[Obj, Observations], World | Unreadable]
    plan: Callable[[World, datetime], Plan]
    children: tuple[Resource, ...] = ()
    doubtful: tuple[str, ...] = ()
    tells: Callable[[Mapping[str, Any]], Any] = _conditions_only
    owed: Callable[[Mapping[str, Any]], tuple[Effect, ...]] = _nothing
    steps: Callable[[Mapping[str, Any]], Any] = _whole_status
    measures: Callable[[Mapping[str, Any]], Measures] = _no_numbers


AnyRoom: TypeAlias = Room[Any, Any]
