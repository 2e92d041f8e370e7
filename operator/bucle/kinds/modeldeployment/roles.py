"""What is decided between rollouts: adopt what lives, choose what to load, start, cancel or leave alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bucle.contracts import names
from bucle.engine.reads import Absent, Known, Unavailable
from bucle.kinds.modeldeployment.endings import change, ending
from bucle.kinds.modeldeployment.identity import is_pinned, revision_id
from bucle.kinds.modeldeployment.promotion import (
    promoted_at,
    promoting_state,
    refusal_of,
    refused_before,
    with_alias_move,
)
from bucle.kinds.modeldeployment.rollout import start
from bucle.kinds.modeldeployment.routing import FULL
from bucle.kinds.modeldeployment.world import Followed, World
from bucle.resources.base import parse_duration
from bucle.resources.modeldeployment_status import ModelDeploymentStatus, StableRevision

Status = ModelDeploymentStatus


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why nothing new is being loaded; a reason from the closed list."""

    reason: str
    message: str


def adopted(world: World, status: Status, now: datetime) -> Status:
    """A lost status is rebuilt from the router's ConfigMap: stable is the revision with the larger weight.

    At 50 to 50 it is the one that was stable before: the other has not passed its gates.
    Whatever was on trial is not: it starts again at weight 0. The alias is moved on if the adopted version is newer.
    """
    if status.stable is not None or status.rollout is not None or world.routes is None:
        return status
    live = world.routes
    owned = [r for r in live.weights if r in world.fleets and r in live.facts and live.weights[r] > 0]
    if not owned:
        return status
    revision = max(owned, key=lambda r: (live.weights[r], r == live.main, r))
    stable = StableRevision(
        revision=revision,
        model=live.facts[revision].reference(),
        image=live.images[revision],
        weight=FULL,
        since=promoted_at(world, live.facts[revision].version) or now.replace(microsecond=0),
    )
    status = change(status, stable=stable)
    if isinstance(world.promoted, Known) and (world.promoted.value.model.version or 0) >= (
        live.facts[revision].version or 0
    ):
        return status
    return with_alias_move(world, change(status, rollout=promoting_state(status)))


def target(world: World, status: Status) -> Followed | Waiting:
    """The model that should be served now. Without a stable revision the promoted one comes first, unless it was refused."""
    spec = world.deployment.spec
    if status.stable is None and status.rollout is None and not is_pinned(spec) and spec.promote is not None:
        match world.promoted:
            case Known(value=champion) if champion.model.digest and refusal_of(world, status, champion) is None:
                return champion
            case Unavailable(why=why):
                return Waiting("RegistryUnavailable", f"the alias {spec.promote.alias} cannot be read: {why}")
            case _:
                pass
    match world.wanted:
        case Known(value=wanted) if wanted.model.digest:
            return wanted
        case Known(value=wanted):
            return Waiting(
                "WaitingForModel",
                f"{wanted.model} has no tag {names.TAG_MODEL_DIGEST}: register it by an Experiment, or set the tag",
            )
        case Absent():
            return Waiting("WaitingForModel", f"{_asked_for(world)} does not exist in the registry yet")
        case Unavailable(why=why):
            return Waiting("RegistryUnavailable", f"{_asked_for(world)} cannot be read: {why}")


def _asked_for(world: World) -> str:
    source = world.deployment.spec.model.registered
    if source is None:
        return "the model"
    name = names.registered_model(world.deployment.metadata.namespace, source.name)
    return f"model {name} alias {source.alias}" if source.alias else f"model {name} version {source.version}"


def same_revision(world: World, wanted: Followed, revision: str | None, image: str | None) -> bool:
    """Whether that revision is what is wanted, seen with the image it was pinned to."""
    if revision is None or image is None:
        return False
    return revision_id(wanted.model.digest, world.deployment.spec, image) == revision


def between(world: World, status: Status, now: datetime) -> Status:
    """No rollout runs: start one if something else is wanted, allowed and not refused."""
    wanted = target(world, status)
    if isinstance(wanted, Waiting) or status.rollout is not None:
        return status
    stable = status.stable
    if stable is not None and same_revision(world, wanted, stable.revision, stable.image):
        return status
    if stable is not None and world.deployment.spec.rollout.paused:
        return status
    first_choice = not isinstance(world.wanted, Known) or wanted != world.wanted.value
    refused = None if first_choice else refused_before(world, status)
    if refused is not None:
        return change(status, rejected=refused)
    image = _image_of(world, wanted)
    return start(
        world, status, wanted.model, revision_id(wanted.model.digest, world.deployment.spec, image), image, now
    )


def _image_of(world: World, wanted: Followed) -> str:
    """A revision that is still routed or loaded keeps its image: a lost status must not load it a second time."""
    live = world.routes
    if live is not None:
        for revision, facts in live.facts.items():
            image = live.images[revision]
            if facts.digest == wanted.model.digest and same_revision(world, wanted, revision, image):
                return image
    return world.platform.image_serve


def overruled(world: World, status: Status, now: datetime) -> Status:
    """A running rollout against what is wanted now: cancelled, restarted, replaced, or left to finish."""
    rollout, trial = status.rollout, status.candidate or status.stable
    if rollout is None or trial is None or rollout.state in ("Aborting", "Promoting"):
        return status
    # Steps that were edited must not be gone on with at the old index, whoever cannot be asked at the moment.
    edited = rollout.state != "Soaking" and rollout.plan_hash != world.plan_hash
    if isinstance(world.wanted, Known) and world.wanted.value.model.digest:
        status, settled = _against(world, status, world.wanted.value, now, edited=edited)
        if settled:
            return status
    elif status.stable is None:
        return status
    return ending(status, "Superseded", "PlanChanged", EDITED) if edited else status


EDITED = "steps, gates or serving were edited: it starts again"


def _against(world: World, status: Status, wanted: Followed, now: datetime, *, edited: bool) -> tuple[Status, bool]:
    """The rollout against the model that is wanted now, and whether that settles it."""
    trial, spec = status.candidate or status.stable, world.deployment.spec
    rollout = status.rollout
    if trial is None or rollout is None:
        return status, True
    if same_revision(world, wanted, trial.revision, trial.image):
        return status, not edited
    before = status.previous if rollout.state == "Soaking" else status.stable
    if before is not None and same_revision(world, wanted, before.revision, before.image):
        told = f"{wanted.model} is wanted again, which is the stable version"
        return ending(status, "Superseded", "Cancelled", told), True
    if trial.model is not None and trial.model.digest == wanted.model.digest:
        return ending(status, "Superseded", "PlanChanged", "serving or capture was edited: it starts again"), True
    if is_pinned(spec) or spec.rollout.supersede == "Replace" or _overdue(world, status, now):
        if status.stable is None and rollout.state == "Loading" and _is_champion(world, trial.model):
            return status, False
        return ending(status, "Superseded", "Replaced", f"{wanted.model} is wanted now"), True
    return status, False


def _is_champion(world: World, model: object) -> bool:
    """Loaded first on purpose: what is followed goes through the steps after it."""
    return isinstance(world.promoted, Known) and world.promoted.value.model.reference() == model


def _overdue(world: World, status: Status, now: datetime) -> bool:
    """A version that did not load in time blocks nobody, whatever keeps it."""
    rollout = status.rollout
    if rollout is None or rollout.state != "Loading" or rollout.started_at is None:
        return False
    return now - rollout.started_at >= parse_duration(world.deployment.spec.serving.load_timeout)
