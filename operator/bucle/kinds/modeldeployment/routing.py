"""Which weights may be asked of the router now, and whether it follows. Pure.

The one place that turns a wish (status) into routes (ConfigMap), so the one place where "no weight without ready
capacity", "clusters land before weights" and "never upwards after an abort" have to hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bucle.contracts.names import shadow_cluster
from bucle.kinds.modeldeployment.gates import Count

FULL = 100


@dataclass(frozen=True, slots=True)
class Routes:
    """What the router is told. `main` takes what `other` does not; `mirror` is the share copied to `other`."""

    main: str | None = None
    other: str | None = None
    other_weight: int = 0
    mirror: int = 0

    def weights(self) -> dict[str, int]:
        """Percent by revision; adds up to 100 unless nothing answers."""
        if self.main is None:
            return {}
        if self.other is None:
            return {self.main: FULL}
        return {self.main: FULL - self.other_weight, self.other: self.other_weight}

    def revisions(self) -> frozenset[str]:
        return frozenset(r for r in (self.main, self.other) if r is not None)

    def used_clusters(self) -> frozenset[str]:
        """Clusters that get requests and so need a healthy host before the routes count as programmed."""
        used = {revision for revision, weight in self.weights().items() if weight > 0}
        if self.other is not None and self.mirror > 0:
            used.add(shadow_cluster(self.other))
        return frozenset(used)


@dataclass(frozen=True, slots=True)
class RouterPod:
    """One living router pod: the routes it shows, the clusters in which it sees a healthy host, what it counted."""

    uid: str
    version: str | None
    healthy: frozenset[str]
    counts: Mapping[str, Count]


@dataclass(frozen=True, slots=True)
class RouterView:
    """All living router pods, as they answered."""

    pods: tuple[RouterPod, ...]

    def follows(self, version: str, clusters: frozenset[str]) -> bool:
        """Every living pod shows that version and a healthy host in each of the clusters."""
        return bool(self.pods) and all(pod.version == version and clusters <= pod.healthy for pod in self.pods)

    def shows(self, version: str) -> bool:
        """Every living pod shows that version, whatever the health of its clusters."""
        return bool(self.pods) and all(pod.version == version for pod in self.pods)

    def sees(self, cluster: str) -> bool:
        """Every living pod has a healthy host in that cluster."""
        return bool(self.pods) and all(cluster in pod.healthy for pod in self.pods)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the rollout wants: roles, the other one's weight and mirror share. `may_take_over`: in a soak, the way back."""

    main: str | None
    other: str | None = None
    weight: int = 0
    mirror: int = 0
    may_take_over: bool = False


@dataclass(frozen=True, slots=True)
class Footing:
    """What stands behind a wish: ready pods, pods needed for all requests, live weights, and what the router sees."""

    ready: Mapping[str, int]
    needed: int
    live: Mapping[str, int]
    router: RouterView | None
    live_version: str | None
    live_revisions: frozenset[str]
    live_mirror: int = 0

    def landed(self, cluster: str, revision: str) -> bool:
        """The revision's cluster is in the live routes, every router pod shows them and sees a healthy host."""
        return (
            revision in self.live_revisions
            and self.router is not None
            and self.live_version is not None
            and self.router.shows(self.live_version)
            and self.router.sees(cluster)
        )


def routes_for(wish: Wish, footing: Footing) -> Routes:
    """The routes that may be asked for now; at most as far as the wish, and never further up than capacity allows."""
    if wish.main is None:
        # Nothing answers yet: the first revision's cluster lands before it becomes `main`.
        return Routes(other=wish.other)
    if wish.other is None:
        return Routes(main=wish.main)
    weight = _other_weight(wish.main, wish.other, wish, footing)
    mirror = 0
    if wish.mirror and weight == 0 and footing.ready.get(wish.other, 0) > 0:
        whole = footing.ready.get(wish.other, 0) >= footing.needed
        may_rise = whole and footing.landed(shadow_cluster(wish.other), wish.other)
        mirror = wish.mirror if may_rise else min(wish.mirror, footing.live_mirror)
    return Routes(wish.main, wish.other, weight, mirror)


def _other_weight(main: str, other: str, wish: Wish, footing: Footing) -> int:
    main_ready, other_ready = footing.ready.get(main, 0), footing.ready.get(other, 0)
    live = footing.live.get(other, 0)
    if wish.may_take_over and main_ready == 0 and other_ready > 0 and footing.landed(other, other):
        return FULL
    if wish.weight > live:
        allowed = other_ready >= footing.needed and footing.landed(other, other)
        if not allowed and other_ready == 0:
            return 0
        return wish.weight if allowed else live
    if other_ready == 0:
        return 0
    if main_ready == 0:
        # Taking requests away from the only one that can answer would be an outage, even in an abort.
        return live
    return wish.weight
