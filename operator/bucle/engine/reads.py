"""What a kind may ask to know. Pure requests; a `Source` registered in the composition root answers them.

A read is a frozen, hashable dataclass. The two reads on Kubernetes itself live here because the
engine answers them; reads on a registry, a router or a judge live with their external.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from bucle.engine.objects import Resource
from bucle.engine.observation import Observation

Read: TypeAlias = Hashable
Reads: TypeAlias = Mapping[str, Read]
Observations: TypeAlias = Mapping[str, Observation[Any]]


@dataclass(frozen=True, slots=True)
class GetObject:
    """One object by name; answers its raw dict or `Absent`."""

    resource: Resource
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"reading {self.resource.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class ListObjects:
    """Objects of one kind in one namespace, by label and optionally by controlling owner; answers a tuple of dicts."""

    resource: Resource
    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    owner_uid: str | None = None

    def __str__(self) -> str:
        return f"listing {self.resource.plural} in {self.namespace}"


class Source(Protocol):
    """Answers one type of read. Must not raise for outages: it answers `Unavailable` and says why."""

    async def read(self, read: Any) -> Observation[Any]: ...
