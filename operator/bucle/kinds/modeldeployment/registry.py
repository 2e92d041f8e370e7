"""What the registry is told of promotions and refusals, and whether it still agrees. Pure.

A model is its digest: the alias and the tags go only to a version whose digest is ours, whatever its number is now. Traffic
never waits for any of this: a promotion is written down first and told when the registry can be asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from bucle.contracts import registry_tags
from bucle.contracts.canonical import canonical_json
from bucle.contracts.reasons import REASONS
from bucle.contracts.succession import OTHER_QUESTION
from bucle.engine.plan import Effect
from bucle.engine.reads import Absent, Known, Unavailable
from bucle.engine.status import timestamp
from bucle.externals.registry.values import SetAlias, TagVersion
from bucle.kinds.modeldeployment.identity import ModelFacts, is_digest
from bucle.kinds.modeldeployment.state import (
    Outcome,
    Promoting,
    Promotion,
    Refusal,
    Serving,
    State,
    Telling,
    Wait,
    WaitFor,
    finished,
)
from bucle.kinds.modeldeployment.world import Followed, World
from bucle.resources.modeldeployment_status import RealisedMetric

QUESTION_SHOWN = 200


def owned(world: World, tag: str) -> str:
    """The tag's key for this deployment: two that serve one model do not overwrite each other's facts."""
    meta = world.deployment.metadata
    return registry_tags.owned_tag(tag, meta.namespace, meta.name)


# --- promotion -----------------------------------------------------------------------------------------------


def with_promotion(world: World, state: State) -> State:
    """Writes down that the stable model was promoted, before anybody is told. Nothing for a bare artifact."""
    if state.stable is None or state.stable.revision.model.name is None:
        return replace(state, promotion=None)
    promote = world.spec.promote
    promotion = Promotion(
        model=state.stable.revision.model,
        at=state.stable.since,
        reference=state.rollout.run.reference if state.rollout else None,
        alias=promote.alias if promote else None,
        before=_alias_digest(world),
        telling=Telling.WANTED,
    )
    return replace(state, promotion=promotion)


def promote_in_registry(world: World, state: State, rollout: Promoting, now: datetime) -> State:
    """Over as soon as there is nothing left to tell, or nobody to tell it to."""
    promotion = state.promotion
    if promotion is None or promotion.telling is not Telling.WANTED:
        return finished(state, Outcome.PROMOTED, "Promoted", now)
    return replace(state, rollout=replace(rollout, wait=Wait(WaitFor.REGISTRY)))


def follow_promotion(world: World, state: State) -> State:
    """How far the registry knows of the last promotion, as far as it can be asked now. Independent of any rollout."""
    promotion = state.promotion
    if promotion is None or state.stable is None or state.stable.revision.model.digest != promotion.model.digest:
        return state
    alias = world.spec.promote.alias if world.spec.promote else None
    if alias != promotion.alias:
        promotion = replace(promotion, alias=alias, before=_alias_digest(world), telling=Telling.WANTED)
    return replace(state, promotion=replace(promotion, telling=_telling(world, promotion)))


def _telling(world: World, promotion: Promotion) -> Telling:
    place = _alias_place(world, promotion)
    match promotion.telling:
        case Telling.DONE | Telling.OVERTAKEN if place is Telling.WANTED and isinstance(world.promoted, Absent):
            return Telling.WANTED  # somebody deleted the alias: ours is set again
        case Telling.DONE:
            return Telling.OVERTAKEN if _is_elsewhere(world, promotion) else Telling.DONE
        case Telling.OVERTAKEN:
            return Telling.WANTED if place is Telling.DONE else Telling.OVERTAKEN
        case Telling.WANTED | Telling.LOST:
            if not isinstance(world.ours, Known):
                return promotion.telling
            version = _version_of(world, promotion.model)
            if version is None:
                return Telling.LOST
            if place is Telling.OVERTAKEN:
                return Telling.OVERTAKEN
            told = place is Telling.DONE and not _missing_tags(world, promotion, version)
            return Telling.DONE if told else Telling.WANTED


def _is_elsewhere(world: World, promotion: Promotion) -> bool:
    return (
        promotion.alias is not None
        and isinstance(world.promoted, Known)
        and world.promoted.value.model.digest != promotion.model.digest
    )


def _alias_place(world: World, promotion: Promotion) -> Telling:
    """Whether the alias is where it should be, must be moved, or was moved on to a newer version by somebody else."""
    if promotion.alias is None:
        return Telling.DONE
    if not isinstance(world.promoted, Known):
        return Telling.WANTED
    there, ours = world.promoted.value.model, _version_of(world, promotion.model)
    if there.digest == promotion.model.digest:
        return Telling.DONE
    newer = ours is not None and (there.version or 0) > (ours.model.version or 0)
    return Telling.OVERTAKEN if newer and there.digest != promotion.before else Telling.WANTED


def _alias_digest(world: World) -> str | None:
    return world.promoted.value.model.digest if isinstance(world.promoted, Known) else None


def _version_of(world: World, model: ModelFacts) -> Followed | None:
    """The registry's version with that digest: the one we know by number if there are several, else the newest."""
    found = world.ours.value if isinstance(world.ours, Known) else ()
    same = [version for version in found if version.model.digest == model.digest]
    return max(same, key=lambda v: (v.model.version == model.version, v.model.version or 0), default=None)


def _promotion_tags(world: World, promotion: Promotion) -> dict[str, str]:
    wanted = {owned(world, registry_tags.TAG_PROMOTED_AT): timestamp(promotion.at)}
    if promotion.reference is not None:
        wanted[owned(world, registry_tags.TAG_PROMOTION_REFERENCE)] = reference_tag(promotion.reference)
    return wanted


def _missing_tags(world: World, promotion: Promotion, version: Followed) -> dict[str, str]:
    wanted = _promotion_tags(world, promotion)
    return {key: value for key, value in wanted.items() if version.tags.get(key) != value}


def promoted_at(world: World, model: ModelFacts) -> datetime | None:
    """When that model was promoted by this deployment, as the registry tells it."""
    for seen in _followed_versions(world):
        if seen.model.digest == model.digest:
            told = seen.tags.get(owned(world, registry_tags.TAG_PROMOTED_AT))
            try:
                moment = datetime.fromisoformat(told) if told else None
            except ValueError:
                moment = None
            return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC) if moment else None
    return None


def champion_since(world: World, model: ModelFacts) -> datetime | None:
    """For a first version: when it became champion, if it is the champion already (a rebuilt cluster)."""
    return promoted_at(world, model) if _alias_digest(world) == model.digest else None


def reference_tag(metric: RealisedMetric) -> str:
    """The value of the promotion reference tag: {metric, value, standardError, groups, rows, at}."""
    return canonical_json(metric.model_dump(mode="json", by_alias=True, exclude_none=True))


# --- refusal -------------------------------------------------------------------------------------------------


def rejected_tag(world: World, refused: Refusal) -> str:
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


def refused_before(world: World, state: State) -> Refusal | None:
    """Whether the wanted version was refused under this plan and attempt: by status, or by the registry's tag."""
    return refusal_of(world, state, world.wanted.value) if isinstance(world.wanted, Known) else None


def refusal_of(world: World, state: State, wanted: Followed) -> Refusal | None:
    """Whether that model was refused under this plan and attempt."""
    plan, attempt = world.plan_hash, world.spec.rollout.attempt
    refused = state.rejected
    if refused is not None and refused.digest == wanted.model.digest:
        return refused if refused.plan_hash == plan and attempt <= refused.attempt else None
    tag = _tag(wanted.tags.get(owned(world, registry_tags.TAG_REJECTED)))
    told, reason = tag.get("attempt"), tag.get("reason")
    if tag.get("planHash") != plan or not isinstance(told, int) or isinstance(told, bool) or attempt > told:
        return None
    return Refusal(
        version=wanted.model.version,
        digest=wanted.model.digest,
        revision=None,
        plan_hash=plan,
        attempt=told,
        reason=reason if isinstance(reason, str) and reason in REASONS else "GateNotPassed",
        message="refused before; known from the registry",
        at=None,
    )


def other_question(world: World, serving: Serving | None, wanted: Followed, now: datetime) -> Refusal | None:
    """A refusal before any pod is made, where the registry knows of both versions what they answer.

    A version without the tag, of an older release or registered by hand, is judged when its pods load it.
    """
    ours = wanted.tags.get(registry_tags.TAG_QUESTION)
    theirs = _question_of(world, serving.revision.model) if serving else None
    if serving is None or not ours or not theirs or ours == theirs or any(map(is_digest, (ours, theirs))):
        return None
    told = (
        f"it answers {ours[:QUESTION_SHOWN]}, and {serving.revision.model}, which serves, {theirs[:QUESTION_SHOWN]}: serve "
        "it by a ModelDeployment of its own"
    )
    return Refusal(
        version=wanted.model.version,
        digest=wanted.model.digest,
        revision=None,
        plan_hash=world.plan_hash,
        attempt=world.spec.rollout.attempt,
        reason=OTHER_QUESTION,
        message=told,
        at=now,
    )


def _question_of(world: World, model: ModelFacts) -> str | None:
    known = [*_followed_versions(world), *(world.ours.value if isinstance(world.ours, Known) else ())]
    return next(
        (seen.tags.get(registry_tags.TAG_QUESTION) for seen in known if seen.model.digest == model.digest), None
    )


def _tag(value: str | None) -> Mapping[str, object]:
    """A tag's JSON object; empty for whatever else a person wrote there."""
    try:
        found = json.loads(value or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


# --- effects -------------------------------------------------------------------------------------------------


def effects(world: World, state: State) -> tuple[Effect, ...]:
    """Tags and the alias, in this order, as far as they are seen not to be done: nothing is told twice, or blindly."""
    return (*_tell_promotion(world, state), *_tell_refusal(world, state))


def _tell_promotion(world: World, state: State) -> Iterator[Effect]:
    promotion = state.promotion
    if promotion is None or promotion.telling is not Telling.WANTED:
        return
    version = _version_of(world, promotion.model)
    if version is None or version.model.name is None or version.model.version is None:
        return
    name, number, digest = version.model.name, version.model.version, version.model.digest
    for key, value in _missing_tags(world, promotion, version).items():
        yield TagVersion(name, number, digest, key, value)
    if promotion.alias is None or isinstance(world.promoted, Unavailable) or world.promoted is None:
        return
    there = world.promoted.value.model if isinstance(world.promoted, Known) else None
    if there is None or there.digest != promotion.model.digest:
        yield SetAlias(name, promotion.alias, number, digest, instead_of=there.version if there else None)


def _tell_refusal(world: World, state: State) -> Iterator[Effect]:
    """While the refused model is asked for, its tag is looked at and set until it is seen."""
    refused, key = state.rejected, owned(world, registry_tags.TAG_REJECTED)
    if refused is None:
        return
    value = rejected_tag(world, refused)
    for seen in _followed_versions(world):
        model = seen.model
        if model.digest == refused.digest and model.name is not None and model.version is not None:
            if seen.tags.get(key) != value:
                yield TagVersion(model.name, model.version, model.digest, key, value)
            return


def _followed_versions(world: World) -> list[Followed]:
    return [seen.value for seen in (world.wanted, world.promoted) if isinstance(seen, Known)]
