"""From what is known to what is done: the next status, the evaluate Job, the children of a retrain. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from bucle.engine.plan import Child, Deletion, Plan
from bucle.engine.reads import Unavailable
from bucle.engine.status import ConditionUpdate, ready, reconciling
from bucle.kinds.driftpolicy.children import evaluate_job, retrain_children
from bucle.kinds.driftpolicy.evaluate import due_at, looked, reason_of, restarted
from bucle.kinds.driftpolicy.retrain import acted, is_drifting, loop_open
from bucle.kinds.driftpolicy.world import World, reference_of
from bucle.resources.driftpolicy_status import DriftPolicyStatus, EvaluationJob, OpenRetrain
from bucle.workloads import attempt as attempts
from bucle.workloads.attempt import Live

SOON, CALM = timedelta(seconds=2), timedelta(seconds=30)

Status = DriftPolicyStatus


def plan(world: World, now: datetime) -> Plan:
    """One decision."""
    before, served = world.policy.status, world.served
    if served is None:
        waiting = reconciling("WaitingForReference", _why_not_served(world))
        return Plan(before, (*waiting, _loop(world)), wake=CALM)
    status = restarted(world, served, before)
    changed = status.reference != before.reference
    status = looked(world, served, status, now)
    status = acted(world, served, status, now)
    # Once its Job was seen, the watches of Jobs and pods tell of every further change; a closer look costs requests only.
    busy = changed or (status.evaluation is not None and status.evaluation.state == "Running")
    return Plan(
        state=status,
        conditions=(*_main(world, status), _drift(world, status), _loop(world)),
        children=_children(world, status, now),
        deletions=_cleared(world, status)[1],
        wake=SOON if busy else CALM,
    )


def _children(world: World, status: Status, now: datetime) -> tuple[Child, ...]:
    served, signal = world.served, world.policy.spec.signals.performance
    if served is None or signal is None:
        return ()
    look = status.evaluation
    made: list[Child] = list(_cleared(world, status)[0])
    if look is not None and look.job is not None and _wanted_now(look, now):
        made.extend(evaluate_job(world, served, signal, look))
    open_one = status.retrains.in_flight if status.retrains else None
    if open_one is not None and open_one.state in ("Started", "Retraining"):
        made += retrain_children(world, served, open_one)
    return tuple(made)


def _cleared(world: World, status: Status) -> tuple[tuple[Child, ...], tuple[Deletion, ...]]:
    """What is left of attempts that are over; those that were replaced, and those of an earlier version or rule, too."""
    look = status.evaluation
    active = {look.job} if look is not None and look.job is not None and look.finished_at is None else set()
    live, namespace = Live(world.jobs, world.pods), world.policy.metadata.namespace
    kept, dropped = attempts.expired(live, namespace, active)
    return kept, (*dropped, *attempts.superseded(live, namespace, active))


def _wanted_now(look: EvaluationJob, now: datetime) -> bool:
    ready_at = due_at(look)
    return look.finished_at is None and (ready_at is None or ready_at <= now)


def _why_not_served(world: World) -> str:
    name = world.policy.spec.target.model_deployment
    if world.deployment is None:
        return world.misfits.get(f"ModelDeployment {name}") or f"ModelDeployment {name} does not exist yet: apply it"
    return f"ModelDeployment {name} has no stable version yet"


def _main(world: World, status: Status) -> tuple[ConditionUpdate, ...]:
    served, signal = world.served, world.policy.spec.signals.performance
    if served is None or signal is None:
        return reconciling("WaitingForReference", _why_not_served(world))
    version = served.model.version
    if isinstance(world.version, Unavailable):
        return reconciling("RegistryUnavailable", f"the tags of version {version} cannot be read: {world.version.why}")
    if reference_of(served, signal.metric) is None:
        told = f"version {version} has no reference for {signal.metric}: train it with that metric, or watch another"
        return reconciling("WaitingForReference", told)
    look, last = status.evaluation, status.last_evaluation
    failed = last.message if last is not None and last.verdict == "Error" else None
    if look is not None and look.finished_at is None and (look.reason or failed):
        return reconciling(*reason_of(look.reason or failed or ""))
    if look is not None and look.state == "Failed":
        reason, message = reason_of(look.reason or "")
        every = world.policy.spec.schedule.every
        return reconciling(reason, f"{message}; it is looked again after schedule.every ({every})")
    retrain = status.retrains.in_flight if status.retrains else None
    if retrain is not None:
        return ready("Retraining", _under_way(retrain))
    if look is not None and look.finished_at is None:
        return ready("Evaluating", f"Job {look.job} looks for full windows")
    if isinstance(world.watermark, Unavailable):
        told = f"nobody knows whether a window is full: {world.watermark.why}"
        return reconciling("ServersUnavailable", told, still_ready=True)
    if last is None or last.window is None:
        return ready("NotEnoughLabels", f"no window of {world.policy.spec.windows.rows} labelled rows is full yet")
    return ready("Watching", f"window {last.window.index}: {last.message}")


def _under_way(retrain: OpenRetrain) -> str:
    since = f"window {retrain.window} asked for a new model"
    if retrain.model_version is not None:
        return f"{since}: version {retrain.model_version} is made and goes through its rollout"
    return f"{since}: Dataset {retrain.dataset} and Experiment {retrain.experiment} make it"


def _drift(world: World, status: Status) -> ConditionUpdate:
    """True while drift stands; its message says what is done about it."""
    states = is_drifting(world, status)
    last, action = status.last_evaluation, status.action
    message = last.message if last and last.message else ""
    if states and states[-1]:
        if action is not None and action.message:
            message = f"{message}; {action.reason}: {action.message}"
        return ConditionUpdate("DriftDetected", "True", "Breached", message)
    verdict = last.verdict if last else None
    if verdict is None:
        return ConditionUpdate("DriftDetected", "Unknown", "NotEnoughLabels", "no window was judged yet")
    if verdict == "Error":
        reason, why = reason_of(message)
        return ConditionUpdate("DriftDetected", "Unknown", reason, f"the last look failed: {why}")
    known = {"Healthy": "Healthy", "Breached": "Watching", "Inconclusive": "Inconclusive"}
    return ConditionUpdate("DriftDetected", "False", known[verdict], message)


def _loop(world: World) -> ConditionUpdate:
    if world.policy.spec.retrain is None:
        return ConditionUpdate("LoopClosed", "False", "LoopOpen", "the policy makes no new models: it only reports")
    why = loop_open(world)
    if why is not None:
        return ConditionUpdate("LoopClosed", "False", "LoopOpen", why)
    if world.deployment is None:
        return ConditionUpdate("LoopClosed", "Unknown", "WaitingForModelDeployment", _why_not_served(world))
    return ConditionUpdate("LoopClosed", "True", "LoopClosed", "a retrained model arrives at this deployment")
