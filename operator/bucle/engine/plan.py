"""What one run of a kind decides: a state and conditions, children, deletions, effects, a time to look again; who carries out effects.

Order of apply (the engine's, see `apply`): status, children, deletions, effects, events.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeAlias, runtime_checkable

from bucle.engine.objects import JsonObject, Ref
from bucle.engine.status import ConditionUpdate
from bucle.resources.addresses import Resource
from bucle.resources.base import Status

Effect: TypeAlias = Hashable
"""A frozen dataclass handled by the executor registered for its type; safe to run twice."""


@dataclass(frozen=True, slots=True)
class Child:
    """An object this one owns.

    `manifest` is created by POST when absent and never sent again. `adjust`, if given, is the part of the
    intent that may change later: it is applied server-side whenever the live object's `bucle.dev/applied`
    hash or a field set in `adjust` differs. `guarded` also sends the resourceVersion that was read, so that
    a paused former leader cannot overwrite what a newer one wrote. `exact`: what `adjust` names is ours alone, so an item or
    a key that somebody added to it goes; None stands for a field that must not be there. `kept`: what was written when it was
    made and is never asked for otherwise; it is set back where somebody edited it.
    """

    resource: Resource
    manifest: JsonObject
    adjust: JsonObject | None = None
    guarded: bool = False
    exact: bool = False
    kept: JsonObject | None = None

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])


@dataclass(frozen=True, slots=True)
class Deletion:
    """Delete exactly this object: the uid is a precondition, so a namesake made since is left alone."""

    resource: Resource
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole outcome of one decision.

    `state` replaces the stored status but for what the engine owns: conditions and their generation. `conditions`: those
    that are said now; one that is not said again stays as it was. `wake`: look again after that time at the latest.
    """

    state: Status
    conditions: tuple[ConditionUpdate, ...] = ()
    children: tuple[Child, ...] = ()
    deletions: tuple[Deletion, ...] = ()
    effects: tuple[Effect, ...] = ()
    wake: timedelta | None = None


class EffectFailed(Exception):
    """The effect did not happen (or nobody can say that it did); it is tried again with growing delays."""


class EffectRefused(EffectFailed):
    """The other system does not take what it was told, and will not take it later: the spec asks for something else first."""


@runtime_checkable
class Changes(Protocol):
    """An effect that names what it changes: no watch tells of it, so whoever points there is woken when it is done."""

    @property
    def changes(self) -> Ref: ...


def changed_by(effects: Iterable[Effect]) -> frozenset[Ref]:
    return frozenset(effect.changes for effect in effects if isinstance(effect, Changes))


class Executor(Protocol):
    """Carries out one type of effect. Safe to run twice. Raises EffectFailed(why) on an outage, EffectRefused(why) when only
    another effect can help."""

    @property
    def place(self) -> str:
        """Who is told, with the address if it has one, as a `Source` says it."""
        ...

    async def execute(self, effect: Any) -> None: ...


Executors: TypeAlias = Mapping[type, Executor]
