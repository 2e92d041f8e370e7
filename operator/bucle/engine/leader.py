"""At most one process acts: a Lease with a holder, renewed in time, and a fence that closes before the Lease runs out.

The numbers are those of Kubernetes' own components: held for 15 s, renewed for at most 10 s, tried every 2 s.
"""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from bucle.engine.clock import Clock
from bucle.engine.kube import AlreadyExists, Conflict, Kube, KubeError, NotFound
from bucle.engine.objects import LEASE, JsonObject

LEASE_SECONDS = 15
RENEW_SECONDS = 10.0
RETRY_SECONDS = 2.0

log = logging.getLogger(__name__)


class LeadershipLost(Exception):
    """This process could not renew its Lease in time; it must end, another one may act already."""


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


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who stands for election, and for which Lease."""

    namespace: str
    lease: str
    identity: str


class Leader:
    """Also the engine's Fence: `may_act` is true only while our last renewal is younger than RENEW_SECONDS."""

    def __init__(self, kube: Kube, candidate: Candidate, clock: Clock) -> None:
        self._kube = kube
        self._candidate = candidate
        self._clock = clock
        self._renewed: float | None = None
        # Another holder's Lease is judged by how long we have seen it unchanged: clocks of two nodes may differ.
        self._seen: tuple[str, float] | None = None

    def may_act(self) -> bool:
        return self._renewed is not None and self._clock.monotonic() - self._renewed < RENEW_SECONDS

    def seconds_left(self) -> float:
        if self._renewed is None:
            return 0.0
        return max(0.0, self._renewed + LEASE_SECONDS - self._clock.monotonic())

    async def acquire(self) -> None:
        """Returns once this process holds the Lease."""
        while not await self.attempt():  # noqa: ASYNC110 - what is waited for lives in the API server
            await asyncio.sleep(RETRY_SECONDS)
        log.info("leading", extra={"identity": self._candidate.identity})

    async def hold(self) -> None:
        """Renews until it cannot; raises LeadershipLost."""
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            if not await self.attempt() and not self.may_act():
                raise LeadershipLost(
                    f"{self._candidate.identity} could not renew Lease {self._candidate.namespace}/"
                    f"{self._candidate.lease} for {RENEW_SECONDS:g} s, or another process took it"
                )

    async def release(self) -> None:
        """Lets the next one start at once; best effort."""
        self._renewed = None
        try:
            lease = await self._kube.get(LEASE, self._candidate.namespace, self._candidate.lease)
            spec = lease.get("spec") or {}
            if spec.get("holderIdentity") == self._candidate.identity:
                await self._kube.replace(LEASE, {**lease, "spec": {**spec, "holderIdentity": ""}})
        except KubeError as error:
            log.warning("Lease not released", extra={"error": str(error)})

    async def attempt(self) -> bool:
        """Takes or renews the Lease; False if it is another's or the API server does not answer."""
        began = self._clock.monotonic()
        try:
            # A request that hangs must not outlast the Lease: give up early enough for another try.
            async with asyncio.timeout(RENEW_SECONDS / 2):
                held = await self._renew_or_take()
        except (KubeError, TimeoutError) as error:
            log.warning("Lease not renewed", extra={"error": str(error)})
            return False
        if held:
            self._renewed = began
        return held

    async def _renew_or_take(self) -> bool:
        now = self._clock.now()
        try:
            lease = await self._kube.get(LEASE, self._candidate.namespace, self._candidate.lease)
        except NotFound:
            if self._may_be_led():
                return False
            try:
                await self._kube.create(LEASE, self._lease(None, now))
            except AlreadyExists:
                return False
            return True
        if not self._free(lease.get("spec") or {}):
            # Whoever holds it may act already, however young our last renewal is.
            self._renewed = None
            return False
        try:
            await self._kube.replace(LEASE, self._lease(lease, now))
        except Conflict:
            return False
        return True

    def _free(self, spec: JsonObject) -> bool:
        holder = spec.get("holderIdentity")
        if not holder or holder == self._candidate.identity:
            return True
        version = f"{holder} {spec.get('renewTime')}"
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, self._clock.monotonic())
            return False
        held = float(spec.get("leaseDurationSeconds") or LEASE_SECONDS)
        return self._clock.monotonic() - self._seen[1] > held

    def _may_be_led(self) -> bool:
        """Somebody deleted the Lease. Its holder acts on until it sees that, so it is given the time it had."""
        return self._seen is not None and self._clock.monotonic() - self._seen[1] <= LEASE_SECONDS

    def _lease(self, old: JsonObject | None, now: datetime) -> JsonObject:
        spec: dict[str, Any] = dict(old.get("spec") or {}) if old else {}
        if spec.get("holderIdentity") != self._candidate.identity:
            spec["acquireTime"] = _micro_time(now)
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + (1 if old else 0)
        spec |= {
            "holderIdentity": self._candidate.identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": _micro_time(now),
        }
        metadata = old["metadata"] if old else {"name": self._candidate.lease, "namespace": self._candidate.namespace}
        return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}


def _micro_time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
