"""What one run of a kind decides: one status, children, deletions, effects, a time to look again. Pure values.

Order of apply (the engine's, see `apply`): status, children, deletions, effects, events.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from bucle.engine.objects import JsonObject, Resource

Effect: TypeAlias = Hashable
"""A frozen dataclass handled by the executor registered for its type; safe to run twice."""


@dataclass(frozen=True, slots=True)
class Child:
    """An object this one owns.

    `manifest` is created by POST when absent and never sent again. `adjust`, if given, is the part of the
    intent that may change later: it is applied server-side whenever the live object's `bucle.dev/applied`
    hash or a field set in `adjust` differs. `guarded` also sends the resourceVersion that was read, so that
    a paused former leader cannot overwrite what a newer one wrote.
    """

    resource: Resource
    manifest: JsonObject
    adjust: JsonObject | None = None
    guarded: bool = False

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
    """The whole outcome of one decision. `status` replaces the stored one."""

    status: JsonObject
    children: tuple[Child, ...] = ()
    deletions: tuple[Deletion, ...] = ()
    effects: tuple[Effect, ...] = ()
    requeue_after: timedelta | None = None
