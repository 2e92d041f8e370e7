"""Whether drift leads to a new model now, and what became of the models made before. Pure.

Everything that keeps a retrain from happening twice is read from the children themselves, so a lost status forgets
nothing that matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bucle.contracts import names
from bucle.contracts.reasons import ends_unregistered
from bucle.engine.reads import Unavailable
from bucle.engine.status import condition, timestamp
from bucle.kinds.driftpolicy.children import retrain_name
from bucle.kinds.driftpolicy.decide import drifting
from bucle.kinds.driftpolicy.evaluate import SETTLED
from bucle.kinds.driftpolicy.world import Retrained, Served, World
from bucle.resources.base import parse_duration
from bucle.resources.dataset import Dataset
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
from bucle.resources.modeldeployment import ModelDeployment

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
    if registered is not None and registered["status"] == "False" and ends_unregistered(registered["reason"]):
        return Ending("Refused", str(registered["reason"]))
    succeeded = condition(said, "Succeeded")
    if _says(experiment, "Stalled") or (succeeded is not None and succeeded["status"] == "False" and _over(said)):
        return Ending("Failed", str((condition(said, "Stalled") or succeeded or {}).get("reason", "Failed")))
    if version is None:
        return Ending(None, "Retraining")
    return _arrival(world, version)


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
    trial = status.rollout.candidate_revision if status.rollout else None
    if status.stable is not None and stable == version:
        # Until the soak is over; a later rollout of another version changes nothing any more.
        return Ending(None if trial == status.stable.revision else "Promoted", "Promoted", version)
    candidate = status.candidate.model.version if status.candidate and status.candidate.model else None
    if candidate == version:
        return Ending(None, "Retraining", version)
    if status.rejected is not None and status.rejected.version == version:
        return Ending("Refused", status.rejected.reason or "GateNotPassed", version)
    line = next((line for line in status.history if line.model and line.model.version == version), None)
    if line is not None and line.reason != "PlanChanged":  # after an edit the same version starts again
        promoted = line.outcome == "Promoted"
        return Ending("Promoted" if promoted else "Refused", line.reason or line.outcome or "Replaced", version)
    tried = max(stable or 0, status.rejected.version or 0 if status.rejected else 0)
    return Ending("Refused", "Replaced", version) if tried > version else Ending(None, "Retraining", version)


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
        missing = f"Experiment {retrain.experiment} does not exist: create it, it is the template"
        return world.misfits.get(f"Experiment {retrain.experiment}") or missing
    register = template.spec.register_
    if register is None:
        return f"Experiment {template.metadata.name} registers no model: set spec.register"
    if (register.model, register.alias) != (source.name, source.alias):
        return (
            f"Experiment {template.metadata.name} registers {register.model}@{register.alias}, "
            f"ModelDeployment {deployment.metadata.name} follows {source.name}@{source.alias}: make them equal"
        )
    if world.base is None:
        missing = f"Dataset {template.spec.dataset.name} does not exist: its schema and splits are inherited"
        return world.misfits.get(f"Dataset {template.spec.dataset.name}") or missing
    return _data_apart(world, deployment, world.base)


def _data_apart(world: World, deployment: ModelDeployment, base: Dataset) -> str | None:
    """Why served rows and the served version's data would not make one table of the template's schema."""
    dropped = set(deployment.spec.capture.drop)
    group = base.spec.splits.hash.group
    decides = group.column if group else base.spec.splits.hash.key
    for column in base.spec.schema_.columns:
        needed = column.role == "Feature" or column.nullable == "Never" or column.name == decides
        if needed and column.name in dropped:
            return (
                f"capture.drop of ModelDeployment {deployment.metadata.name} leaves out the column {column.name}, "
                f"which Dataset {base.metadata.name} must have"
            )
    served = world.datasets.get((world.served.tags.get(names.TAG_DATASET_NAME) or "") if world.served else "")
    if served is not None and _features(served) != _features(base):
        return (
            f"the served version learnt from Dataset {served.metadata.name}, whose target and features differ from "
            f"those of {base.metadata.name}: serve a model of that schema first"
        )
    return None


def _features(dataset: Dataset) -> list[tuple[str, str]]:
    schema = dataset.spec.schema_
    return [
        (schema.target.name, schema.target.task),
        *((c.name, c.type) for c in schema.columns if c.role == "Feature"),
    ]


def is_drifting(world: World, status: Status) -> list[bool]:
    decision = world.policy.spec.decision
    verdicts = [streak.verdict or "" for streak in status.streak]
    return drifting(verdicts, decision.breaches, decision.of, decision.clear_after)


def acted(world: World, served: Served, status: Status, now: datetime) -> Status:
    """The action for what the windows say, with its reason; a new retrain is written down before it is made."""
    status = status.model_copy(update={"retrains": _retrains(world, status, now)})
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
    if trigger is None:
        return "Waiting", "Watching", "the window that began the drift is no longer in status: the next one tells"
    if (unknown := _unknown_data(world, served)) is not None:
        return "Waiting", *unknown
    lines = status.retrains.recent if status.retrains else ()
    done = _names_done(world, status)
    if _name_for(world, served, trigger) in done:
        later = _later_trigger(status, served)
        if later is None or _name_for(world, served, later) in done:
            return "Done", "Breached", "this window was answered by a retrain; the next breached one may start another"
    if _stopped(lines, limits.stop_after_failed):
        return "Suppressed", "StoppedAfterFailures", f"the last {limits.stop_after_failed} retrains brought nothing"
    listed = {retrain.name: retrain.created_at for retrain in world.retrains}
    began = {line.name: line.started_at for line in lines} | listed
    made = [at for at in began.values() if at is not None]
    if made and now - max(made) < parse_duration(limits.cooldown):
        return "Waiting", "Cooldown", f"the last retrain began less than {limits.cooldown} ago"
    if sum(now - at < parse_duration(limits.per) for at in made) >= limits.max_retrains:
        return "Suppressed", "BudgetSpent", f"{limits.max_retrains} retrains within {limits.per}"
    if world.deployment is not None and world.deployment.status.rollout is not None:
        return "Waiting", "RolloutActive", "a rollout is running"
    return "Done", "Retraining", "a new model is being made"


def _unknown_data(world: World, served: Served) -> tuple[str, str] | None:
    """Why nobody can say what the served version learnt from: reason and message."""
    if isinstance(world.version, Unavailable):
        return "RegistryUnavailable", f"the tags of the served version cannot be read: {world.version.why}"
    if served.tags.get(names.TAG_DATASET_NAME) and served.tags.get(names.TAG_DATASET_DIGEST):
        return None
    return "WaitingForReference", f"the served version has no tag {names.TAG_DATASET_DIGEST}"


def _names_done(world: World, status: Status) -> set[str | None]:
    """Children that a person deleted were made all the same."""
    lines = status.retrains.recent if status.retrains else ()
    return {retrain.name for retrain in world.retrains} | {line.name for line in lines}


def _stopped(newest_first: Sequence[PastRetrain], limit: int) -> bool:
    last = newest_first[:limit]
    return len(last) >= limit and all(line.outcome != "Promoted" for line in last)


def _rival(world: World) -> str | None:
    """One open retrain per registered model and alias: an older policy for the same deployment retrains it, and
    whoever has one open for the same model goes first."""
    mine = world.policy.metadata
    for other in world.rivals:
        meta = other.metadata
        if _wanted(other) != "Retrain":
            continue
        open_one = other.status.retrains.in_flight if other.status.retrains else None
        ours = _registers(world, world.policy)
        if open_one is not None and ours is not None and _registers(world, other) == ours:
            return meta.name
        if other.spec.target != world.policy.spec.target:
            continue
        if (str(meta.creation_timestamp), meta.name) < (str(mine.creation_timestamp), mine.name):
            return meta.name
    return None


def _registers(world: World, policy: DriftPolicy) -> tuple[str, str | None] | None:
    template = world.experiments.get(policy.spec.retrain.experiment) if policy.spec.retrain else None
    register = template.spec.register_ if template else None
    return (register.model, register.alias) if register else None


def _started(world: World, served: Served, status: Status, trigger: PastEvaluation, now: datetime) -> Retrains:
    name = _name_for(world, served, trigger)
    if name in _names_done(world, status):
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


def _retrains(world: World, status: Status, now: datetime) -> Retrains:
    """What the children say: the open one, the finished ones. A lost status is filled again from them.

    A version that was promoted or refused stays so: what the deployment tells of it is forgotten after a while.
    """
    stored = _open(status)
    known = {line.name: line for line in (status.retrains.recent if status.retrains else ())}
    in_flight, recent = None, []
    for past in world.retrains:
        end, line = ending(world, past), known.get(past.name)
        if line is not None and (end.outcome is not None or line.outcome in ("Promoted", "Refused")):
            recent.append(line)
        elif end.outcome is None:
            in_flight = _as_open(past, end, stored)
        else:
            recent.append(_as_past(past, end, stored, now))
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


def _as_past(past: Retrained, end: Ending, stored: OpenRetrain | None, now: datetime) -> PastRetrain:
    mine = stored if stored is not None and stored.name == past.name else None
    return PastRetrain(
        name=past.name,
        dataset=past.name,
        experiment=past.name,
        model_version=end.version,
        outcome=end.outcome,
        reason=end.reason,
        window=mine.window if mine else None,
        started_at=(mine.started_at if mine else None) or past.created_at,
        finished_at=now.replace(microsecond=0) if mine else None,
    )
