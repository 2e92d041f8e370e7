"""Who carries out effects: one executor per effect type, and the fence that says whether we still may."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

from bucle.engine.kind import Ref
from bucle.engine.plan import Effect


class EffectFailed(Exception):
    """The effect did not happen (or nobody can say that it did); it is tried again with growing delays."""


@runtime_checkable
class Changes(Protocol):
    """An effect that names what it changes: no watch tells of it, so whoever points there is woken when it is done."""

    @property
    def changes(self) -> Ref: ...


def changed_by(effects: Iterable[Effect]) -> frozenset[Ref]:
    return frozenset(effect.changes for effect in effects if isinstance(effect, Changes))


class Executor(Protocol):
    """Carries out one type of effect. Safe to run twice. Raises EffectFailed(why) on an outage."""

    async def execute(self, effect: Any) -> None: ...


Executors: TypeAlias = Mapping[type, Executor]


class Fence(Protocol):
    """Whether this process may still act on systems that have no preconditions of their own."""

    def may_act(self) -> bool: ...

    def seconds_left(self) -> float:
        """How long an act may last that begins now: then another process may lead."""


class OpenFence:
    """Always may: for a single process that nobody can replace while it lives."""

    def may_act(self) -> bool:
        return True

    def seconds_left(self) -> float:
        return math.inf
