"""The shape of a kind as the engine runs it: four pure functions and an address."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from bucle.engine.objects import JsonObject, Ref
from bucle.engine.plan import Plan
from bucle.engine.reads import Observations, Reads
from bucle.resources.addresses import Resource


class SpecInvalid(ValueError):
    """The object cannot be acted on as written; only a person can change that.

    The message becomes the condition's message, so it names the field and says what to do.
    """

    reason: ClassVar[str] = "SpecInvalid"


@dataclass(frozen=True)
class Kind:
    """One kind. Every function is pure; `obj` is the raw object as the API server returned it.

    refs:  what the object points to (for wake-ups).
    reads: what must be known to decide, by the name under which `plan` finds it.
    plan:  (object, observations by those names, now in UTC) -> Plan.
    children: the resources this kind may own (RBAC, watches).
    """

    resource: Resource
    refs: Callable[[JsonObject], frozenset[Ref]]
    reads: Callable[[JsonObject], Reads]
    plan: Callable[[JsonObject, Observations, datetime], Plan]
    children: tuple[Resource, ...] = ()

    @property
    def name(self) -> str:
        return self.resource.kind
