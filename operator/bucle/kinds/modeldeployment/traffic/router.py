"""What any router must offer a rollout. A Gateway API router would be one more module beside `envoy`, named in `choice`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bucle.contracts.result import Failure
from bucle.engine.plan import Child, Effect
from bucle.engine.reads import Observation, Observations, Reads
from bucle.kinds.modeldeployment.identity import ModelFacts, Revision
from bucle.kinds.modeldeployment.traffic.routing import RouterView, Routes
from bucle.resources.modeldeployment import ModelDeployment
from bucle.workloads.platform import Platform


@dataclass(frozen=True, slots=True)
class LiveRoutes:
    """The routes as they are stored in the cluster, with the facts of each revision in them: what survives a lost status."""

    version: str
    weights: Mapping[str, int]
    facts: Mapping[str, ModelFacts]
    images: Mapping[str, str]
    mirror: int
    main: str | None
    judged: frozenset[str]
    """Who may be called champion by whoever knows nothing but these routes."""


@dataclass(frozen=True, slots=True)
class RouterWorld:
    """All that is known of one deployment's router. `live` is None before the first routes, or when they were damaged."""

    live: LiveRoutes | None
    view: Observation[RouterView]
    ready: int
    wanted: int
    trouble: Failure | None


class Router(Protocol):
    """One way of splitting and copying requests. Pure: reads are asked and children written by the engine."""

    needed: tuple[str, ...]
    """Names of the reads without which nothing may be decided."""

    def reads(self, deployment: ModelDeployment) -> Reads: ...

    def world(self, deployment: ModelDeployment, seen: Observations) -> RouterWorld: ...

    def version(self, deployment: ModelDeployment, routes: Routes) -> str:
        """What every router pod shows once it follows these routes."""
        ...

    def children(
        self,
        deployment: ModelDeployment,
        platform: Platform,
        routes: Routes,
        revisions: Mapping[str, Revision],
        judged: frozenset[str],
    ) -> tuple[Child, ...]:
        """All that it needs in the cluster, the routes first; the Service that callers know by the deployment's name is one.

        `revisions` and `judged` are kept beside the routes, as `LiveRoutes` gives them back.
        """
        ...

    def nudge(self, deployment: ModelDeployment, version: str, now: datetime) -> tuple[Effect, ...]:
        """What makes router pods look at once at routes that were written and are not shown yet."""
        ...
