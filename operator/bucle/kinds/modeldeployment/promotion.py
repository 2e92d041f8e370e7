"""The end of a promotion: what the registry is told, written down before it is done. Pure.

A registry that is down delays this part alone: traffic has moved long before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from bucle.contracts import names
from bucle.contracts.canonical import canonical_json
from bucle.engine.plan import Effect
from bucle.engine.reads import Absent, Known
from bucle.engine.status import timestamp
from bucle.externals.registry.values import SetAlias, TagVersion
from bucle.kinds.modeldeployment.endings import finish
from bucle.kinds.modeldeployment.world import Followed, World
from bucle.resources.base import ModelReference
from bucle.resources.modeldeployment_status import (
    AliasMove,
    ModelDeploymentStatus,
    RealisedMetric,
    Refused,
    RolloutStatus,
)


def with_alias_move(world: World, status: ModelDeploymentStatus) -> ModelDeploymentStatus:
    """Writes the one move of the alias into status; nothing when the spec asks for none."""
    rollout, stable = status.rollout, status.stable
    promote = world.deployment.spec.promote
    if rollout is None or stable is None or stable.model is None:
        return status
    move = None
    if promote is not None and stable.model.version is not None:
        before = world.promoted.value.model.version if isinstance(world.promoted, Known) else None
        move = AliasMove(alias=promote.alias, version=stable.model.version, previous_version=before, state="Wanted")
    told = rollout.model_copy(update={"alias_move": move, "waiting_for": "the registry to be told"})
    return status.model_copy(update={"rollout": told})


def promoting(world: World, status: ModelDeploymentStatus, now: datetime) -> ModelDeploymentStatus:
    """Done as soon as the registry shows the alias where it should be, or nothing is to be told."""
    rollout = status.rollout
    if rollout is None:
        return status
    if rollout.weight is not None and rollout.weight.programmed != rollout.weight.desired and _answers(world, status):
        weight = rollout.weight.model_copy(update={"programmed": rollout.weight.desired})
        rollout = rollout.model_copy(update={"weight": weight})
        status = status.model_copy(update={"rollout": rollout})
    move = rollout.alias_move
    if move is None:
        return status if _untold(world, status) else finish(status, now)
    match world.promoted:
        case Known(value=seen) if seen.model.version == move.version:
            return status if _untold(world, status) else finish(status, now)
        case Known(value=seen) if _overtaken(move, seen.model.version):
            return finish(status, now)
        case Known() | Absent():
            return status
        case _:
            waiting = "the registry, to move the alias; traffic does not depend on it"
            return status.model_copy(update={"rollout": rollout.model_copy(update={"waiting_for": waiting})})


def _answers(world: World, status: ModelDeploymentStatus) -> bool:
    live, revision = world.routes, status.stable.revision if status.stable else None
    return (
        live is not None
        and isinstance(world.router, Known)
        and live.weights.get(revision or "", 0) > 0
        and world.router.value.follows(live.version, frozenset({revision or ""}))
    )


def _overtaken(move: AliasMove, seen: int | None) -> bool:
    """Somebody moved the alias on to a newer version than ours after we wanted it: theirs stands."""
    if seen is None or move.version is None or seen <= move.version:
        return False
    return move.previous_version is None or seen != move.previous_version


def effects(world: World, status: ModelDeploymentStatus) -> tuple[Effect, ...]:
    """Tags and the alias, in this order, as far as they are not seen to be done."""
    return (*_promotion(world, status), *_refusal(world, status))


def _promotion(world: World, status: ModelDeploymentStatus) -> tuple[Effect, ...]:
    rollout, stable = status.rollout, status.stable
    if rollout is None or rollout.state != "Promoting" or stable is None or stable.model is None:
        return ()
    name, version = stable.model.name, stable.model.version
    if name is None or version is None:
        return ()
    wanted, seen = _wanted_tags(status), _seen_tags(world, version) or {}
    told: list[Effect] = [
        TagVersion(name, version, key, value) for key, value in wanted.items() if seen.get(key) != value
    ]
    move = rollout.alias_move
    if move is not None and move.alias is not None and move.version is not None:
        backwards = move.previous_version is not None and move.previous_version > move.version
        told.append(SetAlias(name, move.alias, move.version, only_forward=not backwards))
    return tuple(told)


def _wanted_tags(status: ModelDeploymentStatus) -> dict[str, str]:
    wanted, rollout, stable = {}, status.rollout, status.stable
    if stable is not None and stable.since is not None:
        wanted[names.TAG_PROMOTED_AT] = timestamp(stable.since)
    if rollout is not None and rollout.reference is not None:
        wanted[names.TAG_PROMOTION_REFERENCE] = reference_tag(rollout.reference)
    return wanted


def _untold(world: World, status: ModelDeploymentStatus) -> bool:
    """The registry was read and a tag of the promotion is not there: an alias that was there before proves nothing."""
    version = status.stable.model.version if status.stable and status.stable.model else None
    seen = _seen_tags(world, version) if version is not None else None
    return seen is not None and any(seen.get(key) != value for key, value in _wanted_tags(status).items())


def _seen_tags(world: World, version: int) -> Mapping[str, str] | None:
    """The version's tags as far as this run has read them: it is usually the one that is followed."""
    for seen in (world.wanted, world.promoted):
        if isinstance(seen, Known) and seen.value.model.version == version:
            return seen.value.tags
    return None


def promoted_at(world: World, version: int | None) -> datetime | None:
    """When that version was promoted, as the registry tells it."""
    told = (_seen_tags(world, version) or {}).get(names.TAG_PROMOTED_AT) if version is not None else None
    try:
        return datetime.fromisoformat(told) if told else None
    except ValueError:
        return None


def champion_since(world: World, model: ModelReference | None) -> datetime | None:
    """For a first version: when it became champion, if it is the champion already (a rebuilt cluster)."""
    seen = world.promoted
    if (
        model is None
        or model.version is None
        or not isinstance(seen, Known)
        or seen.value.model.version != model.version
    ):
        return None
    return promoted_at(world, model.version)


def reference_tag(metric: RealisedMetric) -> str:
    """The value of the promotion reference tag: {metric, value, standardError, groups, rows, at}."""
    return canonical_json(metric.model_dump(mode="json", by_alias=True, exclude_none=True))


def rejected_tag(world: World, refused: Refused) -> str:
    """The value of the rejected tag: who refused, under which plan and attempt, and why."""
    meta = world.deployment.metadata
    return canonical_json(
        {
            "by": f"{meta.namespace}/{meta.name}",
            "planHash": refused.plan_hash,
            "attempt": refused.attempt,
            "reason": refused.reason,
        }
    )


def _refusal(world: World, status: ModelDeploymentStatus) -> tuple[Effect, ...]:
    """While the refused version is asked for, its tag is looked at and set until it is seen."""
    refused = status.rejected
    if refused is None or refused.version is None:
        return ()
    for seen in (world.wanted, world.promoted):
        if not isinstance(seen, Known) or seen.value.model.version != refused.version:
            continue
        name, value = seen.value.model.name, rejected_tag(world, refused)
        if name is not None and seen.value.tags.get(names.TAG_REJECTED) != value:
            return (TagVersion(name, refused.version, names.TAG_REJECTED, value),)
    return ()


def refused_before(world: World, status: ModelDeploymentStatus) -> Refused | None:
    """Whether the wanted version was refused under this plan and attempt: by status, or by the registry's tag."""
    return refusal_of(world, status, world.wanted.value) if isinstance(world.wanted, Known) else None


def refusal_of(world: World, status: ModelDeploymentStatus, wanted: Followed) -> Refused | None:
    """Whether that version was refused under this plan and attempt."""
    plan, attempt = world.plan_hash, world.deployment.spec.rollout.attempt
    refused = status.rejected
    if refused is not None and refused.digest == wanted.model.digest and refused.version == wanted.model.version:
        same = refused.plan_hash == plan and attempt <= (refused.attempt or 0)
        return refused if same else None
    tag = _tag(wanted.tags.get(names.TAG_REJECTED))
    meta = world.deployment.metadata
    if tag.get("by") != f"{meta.namespace}/{meta.name}" or tag.get("planHash") != plan:
        return None
    told = tag.get("attempt")
    if not isinstance(told, int) or attempt > told:
        return None
    return Refused(
        version=wanted.model.version,
        digest=wanted.model.digest,
        plan_hash=plan,
        attempt=told,
        reason=str(tag.get("reason") or "GateNotPassed"),
        message="refused before; known from the registry",
    )


def _tag(value: str | None) -> dict[str, object]:
    try:
        found = json.loads(value or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def promoting_state(status: ModelDeploymentStatus) -> RolloutStatus:
    """A rollout that has nothing left to do but to tell the registry; for a status rebuilt from what lives."""
    stable = status.stable
    return RolloutStatus(
        id=f"adopted-{stable.revision if stable else ''}",
        state="Promoting",
        started_at=stable.since if stable else None,
        candidate_revision=stable.revision if stable else None,
    )
