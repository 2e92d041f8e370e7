"""Asks everything a kind wants to know, concurrently, each with a time limit. Turns every failure into `Unavailable`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, TypeAlias

from bucle.engine.clock import Clock
from bucle.engine.kube import API_SERVER, Kube, KubeError, NotFound
from bucle.engine.objects import EVENT, controller_uid
from bucle.engine.reads import (
    Absent,
    EventsOf,
    GetObject,
    Known,
    ListObjects,
    NamedObjects,
    Observation,
    Observations,
    Read,
    Reads,
    Source,
    Unavailable,
)

READ_LIMIT_SECONDS = 2.0
EVENTS = 20
LIST_LIMIT_SECONDS = 10.0
"""For all pages of one list; each page has a read's limit of its own."""

Sources: TypeAlias = Mapping[type, Source]


class KubeSource:
    """Answers GetObject and ListObjects from the live API, never from a cache."""

    place = API_SERVER

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock

    async def read(self, read: GetObject | ListObjects | NamedObjects | EventsOf) -> Observation[Any]:
        try:
            if isinstance(read, EventsOf):
                chosen = {
                    "involvedObject.kind": read.resource.kind,
                    "involvedObject.name": read.name,
                    "reason": read.reason,
                }
                told = await self._kube.list(EVENT, read.namespace, at_most=EVENTS, fields=chosen)
                return Known(tuple(told), self._clock.now())
            if isinstance(read, NamedObjects):
                return await self._named(read)
            if isinstance(read, GetObject):
                return Known(await self._kube.get(read.resource, read.namespace, read.name), self._clock.now())
            found = await self._kube.list(read.resource, read.namespace, dict(read.labels))
        except NotFound:
            return Absent(self._clock.now())
        except KubeError as error:
            return Unavailable(str(error))
        if read.owner_uid is not None:
            found = [item for item in found if controller_uid(item) == read.owner_uid]
        return Known(tuple(found), self._clock.now())

    async def _named(self, read: NamedObjects) -> Observation[Any]:
        pointing = await self.read(read.named_by)
        if isinstance(pointing, Unavailable):
            return pointing
        there = pointing.value if isinstance(pointing, Known) else ()
        names = {_at(obj, read.field) for obj in (there if isinstance(there, tuple) else (there,))} - {None}
        found = await asyncio.gather(*(self.read(GetObject(read.resource, read.namespace, n)) for n in sorted(names)))
        unseen = next((answer for answer in found if isinstance(answer, Unavailable)), None)
        at = self._clock.now()
        return unseen or Known(tuple(answer.value for answer in found if isinstance(answer, Known)), at)


def _at(obj: Any, field: tuple[str, ...]) -> Any:
    """The text at that field of a raw object, whatever else may stand there."""
    for part in field:
        obj = obj.get(part) if isinstance(obj, Mapping) else None
    return obj if isinstance(obj, str) and obj else None


def kube_sources(kube: Kube, clock: Clock) -> dict[type, Source]:
    source = KubeSource(kube, clock)
    return {GetObject: source, ListObjects: source, NamedObjects: source, EventsOf: source}


async def observe(sources: Sources, reads: Reads, limit_seconds: float | None = None) -> Observations:
    """One observation per name, all asked at the same time. Raises LookupError for a read that nobody answers."""
    unanswered = sorted({type(read).__name__ for read in reads.values() if type(read) not in sources})
    if unanswered:
        raise LookupError(f"no source is registered for {', '.join(unanswered)}: register it in bucle.app")
    # Equal reads under two names are asked once: a frozen dataclass is its own identity.
    distinct = list(dict.fromkeys(reads.values()))
    answers = await asyncio.gather(*(_ask(sources[type(read)], read, limit_seconds) for read in distinct))
    by_read = dict(zip(distinct, answers, strict=True))
    return {name: by_read[read] for name, read in reads.items()}


async def _ask(source: Source, read: Read, seconds: float | None) -> Observation[Any]:
    several = isinstance(read, ListObjects | NamedObjects)
    limit_seconds = seconds or (LIST_LIMIT_SECONDS if several else READ_LIMIT_SECONDS)
    try:
        async with asyncio.timeout(limit_seconds):
            return await source.read(read)
    except TimeoutError:
        return Unavailable(f"{_named(read)} was not answered within {limit_seconds:g} s by {source.place}")
    except Exception as error:  # noqa: BLE001 - a source with a mistake in it must not look like an absence
        return Unavailable(f"{_named(read)} failed: {type(error).__name__}: {error}")


def _named(read: Read) -> str:
    """For a condition's message: a read's own words if it has any, never its fields, which may be long."""
    worded = type(read).__str__ is not object.__str__
    return str(read) if worded else type(read).__name__
