"""What a kind may ask to know, and what it can be answered. Pure; a `Source` registered in the composition root answers.

A read is a frozen, hashable dataclass. The two reads on Kubernetes itself live here because the engine answers them;
reads on a registry, a router or a judge live with their external. An error is never an absence: a plan may act on
`Absent` (create what is missing) but never on `Unavailable` as if it were that: a registry that is down has not lost
its models.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from bucle.resources.addresses import Resource

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known(Generic[T_co]):
    """The source answered with a value at that instant (UTC)."""

    value: T_co
    at: datetime


@dataclass(frozen=True, slots=True)
class Absent:
    """The source answered, and says that the thing does not exist."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The source did not answer in time or answered with an error; `why` is for people."""

    why: str


Observation: TypeAlias = Known[T_co] | Absent | Unavailable


def known_or(observation: Observation[T] | None, default: T) -> T:
    """The value if known, else `default`. Only for facts that are optional to the decision."""
    return observation.value if isinstance(observation, Known) else default


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


@dataclass(frozen=True, slots=True)
class NamedObjects:
    """The objects of one kind that others name at that field, in one namespace; answers a tuple of dicts without those that do
    not exist. So much is read as is pointed at, however many of the kind there are."""

    resource: Resource
    namespace: str
    named_by: GetObject | ListObjects
    field: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.named_by}, and the {self.resource.plural} named at {'.'.join(self.field)}"


@dataclass(frozen=True, slots=True)
class EventsOf:
    """What was lately told of one object with that reason; answers a tuple of Events, as few as tell it. By name: whoever asks
    has given the object a name of its own, and its uid is known only from a read of it."""

    resource: Resource
    namespace: str
    name: str
    reason: str

    def __str__(self) -> str:
        return f"listing events of {self.resource.kind} {self.namespace}/{self.name}"


class Source(Protocol):
    """Answers one type of read. Must not raise for outages: it answers `Unavailable` and says why."""

    @property
    def place(self) -> str:
        """Who is asked, with the address if it has one: all that can be said of an answer that does not come."""
        ...

    async def read(self, read: Any) -> Observation[Any]: ...
