"""Which weights may be asked of the router now, and whether it follows. Pure.

The one place that turns what a rollout wants into routes, so the one place where "no weight without ready capacity",
"clusters land before weights", "never upwards after an abort" and "who is dead answers nobody" have to hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bucle.externals.answers import AnswerCounts
from bucle.kinds.modeldeployment.state import Target

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

    def targets(self) -> frozenset[Target]:
        """What gets requests and so needs a healthy host before the routes count as programmed."""
        used = {Target(revision) for revision, weight in self.weights().items() if weight > 0}
        if self.other is not None and self.mirror > 0:
            used.add(Target(self.other, shadow=True))
        return frozenset(used)


@dataclass(frozen=True, slots=True)
class RouterPod:
    """One living router pod: the routes it shows, where it sees a healthy host, what it counted.

    `version` is None while it cannot be asked: then the rest says nothing.
    """

    uid: str
    version: str | None
    healthy: frozenset[Target]
    answered: Mapping[Target, AnswerCounts]


@dataclass(frozen=True, slots=True)
class RouterView:
    """All living router pods, as they answered."""

    pods: tuple[RouterPod, ...]

    def follows(self, version: str, targets: frozenset[Target]) -> bool:
        """Every living pod shows that version and a healthy host at each of the targets."""
        return bool(self.pods) and all(pod.version == version and targets <= pod.healthy for pod in self.pods)

    def shows(self, version: str) -> bool:
        """Every living pod shows that version, whatever the health of its targets."""
        return bool(self.pods) and all(pod.version == version for pod in self.pods)

    def sees(self, target: Target) -> bool:
        """Every living pod has a healthy host there."""
        return bool(self.pods) and all(target in pod.healthy for pod in self.pods)


@dataclass(frozen=True, slots=True)
class DesiredRoutes:
    """What the rollout wants: roles, the other one's weight and mirror share.

    `may_take_over`: the other one answers everything while `main` has no ready pod: the candidate, or in a soak the
    version that answered before.
    """

    main: str | None
    other: str | None = None
    weight: int = 0
    mirror: int = 0
    may_take_over: bool = False


@dataclass(frozen=True, slots=True)
class RoutingLimits:
    """What holds routes back: ready pods, pods needed for all requests, live routes, and what the router sees."""

    ready: Mapping[str, int]
    needed: int
    live: Mapping[str, int]
    router: RouterView | None
    live_version: str | None
    live_revisions: frozenset[str]
    live_mirror: int = 0

    def ready_everywhere(self, target: Target) -> bool:
        """The revision is in the live routes, every router pod shows them and sees a healthy host there."""
        return (
            target.revision in self.live_revisions
            and self.router is not None
            and self.live_version is not None
            and self.router.shows(self.live_version)
            and self.router.sees(target)
        )

    def whole(self, revision: str) -> bool:
        return self.ready.get(revision, 0) >= self.needed


def takes_over(desired: DesiredRoutes, limits: RoutingLimits) -> bool:
    """Whether the other one must answer everything now, because nothing of `main` can."""
    main, other = desired.main, desired.other
    return (
        desired.may_take_over
        and main is not None
        and other is not None
        and limits.ready.get(main, 0) == 0
        and limits.ready.get(other, 0) > 0
        and (limits.live.get(other, 0) == FULL or limits.ready_everywhere(Target(other)))
    )


def routes_for(desired: DesiredRoutes, limits: RoutingLimits) -> Routes:
    """The routes that may be asked for now; at most as far as desired, and never further up than capacity allows."""
    if desired.main is None:
        # Nothing answers yet: the first revision's cluster lands before it becomes `main`.
        return Routes(other=desired.other)
    if desired.other is None:
        return Routes(main=desired.main)
    weight = _other_weight(desired.main, desired.other, desired, limits)
    mirror = 0
    if desired.mirror and weight == 0 and limits.ready.get(desired.other, 0) > 0:
        shadow = Target(desired.other, shadow=True)
        may_rise = limits.whole(desired.other) and limits.ready_everywhere(shadow)
        mirror = desired.mirror if may_rise else min(desired.mirror, limits.live_mirror)
    return Routes(desired.main, desired.other, weight, mirror)


def _other_weight(main: str, other: str, desired: DesiredRoutes, limits: RoutingLimits) -> int:
    if takes_over(desired, limits):
        return FULL
    live = limits.live.get(other, 0)
    if limits.ready.get(other, 0) == 0:
        return 0
    if limits.ready.get(main, 0) == 0:
        # Taking requests away from the only one that can answer would be an outage, even in an abort.
        return max(live, desired.weight) if limits.whole(other) and limits.ready_everywhere(Target(other)) else live
    if desired.weight > live:
        return desired.weight if limits.whole(other) and limits.ready_everywhere(Target(other)) else live
    return desired.weight
