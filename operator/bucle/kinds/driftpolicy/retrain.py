"""Whether drift leads to a new model now, and what became of the models made before. Pure.

Everything that keeps a retrain from happening twice is read from the children themselves, so a lost status forgets
nothing that matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bucle.contracts import names
from bucle.engine.conditions import condition, timestamp
from bucle.kinds.driftpolicy.children import retrain_name
from bucle.kinds.driftpolicy.decide import drifting
from bucle.kinds.driftpolicy.evaluate import SETTLED
from bucle.kinds.driftpolicy.world import Retrained, Served, World
from bucle.resources.base import parse_duration
from bucle.resources.documents import to_dict
from bucle.resources.driftpolicy import DriftPolicy
from bucle.resources.driftpolicy_status import (
    ActionStatus,
    DriftPolicyStatus,
    FeedbackBounds,
    OpenRetrain,
    PastEvaluation,
    PastRetrain,
    Retrains,
)

Status = DriftPolicyStatus
KEPT = 20


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of one retrain; None for the outcome while it is open."""

    outcome: Literal["Promoted", "Refused", "Failed"] | None
    reason: str
    version: int | None = None


def ending(world: World, past: Retrained) -> Ending:
    """Open until the ModelDeployment reports the version promoted or refused, or one of the children gave up."""
    dataset, experiment = past.dataset, past.experiment
    if dataset is not None and _says(dataset, "Stalled"):
        return Ending("Failed", "DatasetStalled")
    if experiment is None:
        return Ending(None, "Retraining")
    said = to_dict(experiment.status)
    model = experiment.status.final.model if experiment.status.final else None
    version = model.version if model else None
    registered = condition(said, "Registered")
    if registered is not None and registered["status"] == "False" and registered["reason"] in _NOT_ARRIVING:
        return Ending("Refused", str(registered["reason"]))
    succeeded = condition(said, "Succeeded")
    if _says(experiment, "Stalled") or (succeeded is not None and succeeded["status"] == "False" and _over(said)):
        return Ending("Failed", str((condition(said, "Stalled") or succeeded or {}).get("reason", "Failed")))
    if version is None:
        return Ending(None, "Retraining")
    return _arrival(world, version)


_NOT_ARRIVING = frozenset({"NotBetter", "NotRegistered", "ChampionUndecided", "ChampionIncompatible", "GateFailed"})


def _over(said: dict[str, object]) -> bool:
    reconciling = condition(said, "Reconciling")
    return reconciling is not None and reconciling["status"] == "False"


def _says(child: object, type_: str) -> bool:
    found = condition(to_dict(child.status), type_)  # type: ignore[attr-defined]
    return found is not None and found["status"] == "True"


def _arrival(world: World, version: int) -> Ending:
    deployment = world.deployment
    if deployment is None:
        return Ending(None, "Retraining", version)
    status = deployment.status
    stable = status.stable.model.version if status.stable and status.stable.model else None
    if stable == version:
        return Ending(None if status.rollout else "Promoted", "Promoted", version)
    if status.rejected is not None and status.rejected.version == version and status.rollout is None:
        return Ending("Refused", status.rejected.reason or "GateNotPassed", version)
    for line in status.history:
        if line.model is not None and line.model.version == version and line.outcome == "Promoted":
            return Ending("Promoted", "Promoted", version)
    if stable is not None and stable > version:
        return Ending("Refused", "Replaced", version)
    return Ending(None, "Retraining", version)


def loop_open(world: World) -> str | None:
    """Why a retrained model could never arrive; None when it can."""
    deployment, template = world.deployment, world.template
    retrain = world.policy.spec.retrain
    if retrain is None or deployment is None:
        return None
    source = deployment.spec.model.registered
    if source is None or source.alias is None:
        return f"ModelDeployment {deployment.metadata.name} is pinned: let it follow an alias"
    if template is None:
        return f"Experiment {retrain.experiment} does not exist: create it, it is the template"
    register = template.spec.register_
    if register is None:
        return f"Experiment {template.metadata.name} registers no model: set spec.register"
    if (register.model, register.alias) != (source.name, source.alias):
        return (
            f"Experiment {template.metadata.name} registers {register.model}@{register.alias}, "
            f"ModelDeployment {deployment.metadata.name} follows {source.name}@{source.alias}: make them equal"
        )
    if world.base is None:
        return f"Dataset {template.spec.dataset.name} does not exist: its schema and splits are inherited"
    dropped = set(deployment.spec.capture.drop)
    lost = [c.name for c in world.base.spec.schema_.columns if c.role == "Feature" and c.name in dropped]
    if lost:
        return f"capture.drop of ModelDeployment {deployment.metadata.name} leaves out the feature {lost[0]}"
    return None


def is_drifting(world: World, status: Status) -> list[bool]:
    decision = world.policy.spec.decision
    verdicts = [streak.verdict or "" for streak in status.streak]
    return drifting(verdicts, decision.breaches, decision.of, decision.clear_after)


def acted(world: World, served: Served, status: Status, now: datetime) -> Status:
    """The action for what the windows say, with its reason; a new retrain is written down before it is made."""
    status = status.model_copy(update={"retrains": _retrains(world, served, status)})
    states = is_drifting(world, status)
    wanted = _wanted(world.policy) if states and states[-1] else None
    if wanted is None:
        action = ActionStatus(
            wanted="None", outcome="Done", reason="Healthy", at=_since(status, "None", "Healthy", now)
        )
        return status.model_copy(update={"action": action})
    if wanted == "Alert":
        action = ActionStatus(
            wanted="Alert", outcome="Done", reason="Breached", at=_since(status, "Alert", "Breached", now)
        )
        return status.model_copy(update={"action": action})
    trigger = _trigger(status, served, states)
    result, reason, message = _gate(world, served, status, trigger, now)
    action = ActionStatus(
        wanted="Retrain", outcome=result, reason=reason, message=message, at=_since(status, "Retrain", reason, now)
    )
    status = status.model_copy(update={"action": action})
    if reason != "Retraining" or result != "Done" or trigger is None or _open(status) is not None:
        return status
    return status.model_copy(update={"retrains": _started(world, served, status, trigger, now)})


def _wanted(policy: DriftPolicy) -> str | None:
    asked = {action.do for action in policy.spec.actions if "performance" in action.when}
    return "Retrain" if "Retrain" in asked else "Alert" if "Alert" in asked else None


def _since(status: Status, wanted: str, reason: str, now: datetime) -> datetime | None:
    old = status.action
    return old.at if old and (old.wanted, old.reason) == (wanted, reason) else now.replace(microsecond=0)


def _open(status: Status) -> OpenRetrain | None:
    return status.retrains.in_flight if status.retrains else None


def _trigger(status: Status, served: Served, states: list[bool]) -> PastEvaluation | None:
    """The window that began the drift: the same one after a lost status, so the same name for what it starts."""
    first = len(states) - 1
    while first > 0 and states[first - 1]:
        first -= 1
    index = status.streak[first].window
    return next(
        (
            past
            for past in status.history
            if past.version == served.revision and past.window and past.window.index == index
        ),
        None,
    )


def _later_trigger(status: Status, served: Served) -> PastEvaluation | None:
    """The newest breached window: what a further retrain of the same version is for."""
    return next(
        (past for past in status.history if past.version == served.revision and past.verdict == "Breached"), None
    )


def _name_for(world: World, served: Served, trigger: PastEvaluation) -> str:
    end = timestamp(trigger.window.to) if trigger.window and trigger.window.to else ""
    return retrain_name(world.policy, served.model.digest or "", end)


def _gate(
    world: World, served: Served, status: Status, trigger: PastEvaluation | None, now: datetime
) -> tuple[Literal["Done", "Suppressed", "Waiting"], str, str]:
    """The first reason against a retrain, in the order in which a person would ask."""
    limits = world.policy.spec.limits
    if _open(status) is not None:
        return "Done", "Retraining", "a retrain is open"
    if (why := loop_open(world)) is not None:
        return "Suppressed", "LoopOpen", why
    if (rival := _rival(world)) is not None:
        return "Suppressed", "OwnedByOtherPolicy", f"DriftPolicy {rival} retrains this model already"
    if trigger is None or _unknown_data(served):
        return "Waiting", "WaitingForReference", f"the served version has no tag {names.TAG_DATASET_DIGEST}"
    done = [retrain.name for retrain in world.retrains]
    if _name_for(world, served, trigger) in done:
        later = _later_trigger(status, served)
        if later is None or _name_for(world, served, later) in done:
            return "Done", "Breached", "this window was answered by a retrain; the next breached one may start another"
    ends = [ending(world, retrain) for retrain in world.retrains]
    if _stopped(ends, limits.stop_after_failed):
        return "Suppressed", "StoppedAfterFailures", f"the last {limits.stop_after_failed} retrains brought nothing"
    made = [retrain.created_at for retrain in world.retrains if retrain.created_at is not None]
    if made and now - max(made) < parse_duration(limits.cooldown):
        return "Waiting", "Cooldown", f"the last retrain began less than {limits.cooldown} ago"
    if sum(now - at < parse_duration(limits.per) for at in made) >= limits.max_retrains:
        return "Suppressed", "BudgetSpent", f"{limits.max_retrains} retrains within {limits.per}"
    if world.deployment is not None and world.deployment.status.rollout is not None:
        return "Waiting", "RolloutActive", "a rollout is running"
    return "Done", "Retraining", "a new model is being made"


def _unknown_data(served: Served) -> bool:
    return not (served.tags.get(names.TAG_DATASET_NAME) and served.tags.get(names.TAG_DATASET_DIGEST))


def _stopped(ends: list[Ending], limit: int) -> bool:
    finished = [end for end in ends if end.outcome is not None]
    return len(finished) >= limit and all(end.outcome != "Promoted" for end in finished[-limit:])


def _rival(world: World) -> str | None:
    """An older policy that retrains the same deployment: one open retrain per registered model and alias."""
    mine = world.policy.metadata
    for other in world.rivals:
        meta = other.metadata
        if other.spec.target != world.policy.spec.target or _wanted(other) != "Retrain":
            continue
        if (str(meta.creation_timestamp), meta.name) < (str(mine.creation_timestamp), mine.name):
            return meta.name
    return None


def _started(world: World, served: Served, status: Status, trigger: PastEvaluation, now: datetime) -> Retrains:
    name = _name_for(world, served, trigger)
    if name in {retrain.name for retrain in world.retrains}:
        later = _later_trigger(status, served)
        name = _name_for(world, served, later) if later else name
    bound = (now - SETTLED).replace(microsecond=0)
    retrain = OpenRetrain(
        name=name,
        dataset=name,
        experiment=name,
        window=trigger.window.index if trigger.window else None,
        feedback_bounds=FeedbackBounds(received_before=bound, labels_received_before=bound),
        state="Started",
        started_at=now.replace(microsecond=0),
    )
    before = status.retrains or Retrains()
    return before.model_copy(update={"in_flight": retrain, "total": (before.total or 0) + 1})


def _retrains(world: World, served: Served, status: Status) -> Retrains:
    """What the children say: the open one, the finished ones. A lost status is filled again from them."""
    stored = _open(status)
    known = {line.name: line for line in (status.retrains.recent if status.retrains else ())}
    in_flight, recent = None, []
    for past in world.retrains:
        end = ending(world, past)
        if end.outcome is None:
            in_flight = _as_open(past, end, stored)
        else:
            recent.append(known.get(past.name) or _as_past(past, end))
    listed = {past.name for past in world.retrains}
    if in_flight is None and stored is not None and stored.name not in listed:
        in_flight = stored
    gone = [line for name, line in known.items() if name not in listed]
    newest_first = sorted((*recent, *gone), key=lambda line: str(line.started_at), reverse=True)
    total = max(status.retrains.total or 0 if status.retrains else 0, len(world.retrains))
    return Retrains(total=total, in_flight=in_flight, recent=tuple(newest_first[:KEPT]))


def _as_open(past: Retrained, end: Ending, stored: OpenRetrain | None) -> OpenRetrain:
    if stored is not None and stored.name == past.name:
        return stored.model_copy(update={"model_version": end.version, "state": end.reason})
    window = next((s.feedback.window for s in past.dataset.spec.sources if s.feedback), None) if past.dataset else None
    bounds = None
    if window is not None:
        bounds = FeedbackBounds(
            received_before=window.received_before, labels_received_before=window.labels_received_before
        )
    return OpenRetrain(
        name=past.name,
        dataset=past.name,
        experiment=past.name,
        model_version=end.version,
        feedback_bounds=bounds,
        state=end.reason,
        started_at=past.created_at,
    )


def _as_past(past: Retrained, end: Ending) -> PastRetrain:
    return PastRetrain(
        name=past.name,
        dataset=past.name,
        experiment=past.name,
        model_version=end.version,
        outcome=end.outcome,
        reason=end.reason,
        started_at=past.created_at,
    )
