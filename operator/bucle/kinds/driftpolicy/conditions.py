"""What a DriftPolicy says of itself, from the state it just reached. Pure."""

from __future__ import annotations

from bucle.contracts.metrics import METRICS, watchable
from bucle.engine.reads import Unavailable
from bucle.engine.status import ConditionUpdate, ready, reconciling, stalled
from bucle.kinds.driftpolicy.loop_closed import loop_open
from bucle.kinds.driftpolicy.state import EvaluationState, OpenRetrain, RetrainState, State, Verdict
from bucle.kinds.driftpolicy.window_verdicts import is_drifting
from bucle.kinds.driftpolicy.world import World, reference_of

Conditions = tuple[ConditionUpdate, ...]


def said(world: World, state: State) -> Conditions:
    return (*_main(world, state), _drift(world, state), loop(world))


def not_served(world: World) -> Conditions:
    """Nothing is watched yet."""
    return (*reconciling("WaitingForReference", why_not_served(world)), loop(world))


def why_not_served(world: World) -> str:
    name = world.policy.spec.target.model_deployment
    if world.deployment is None:
        return world.misfits.get(f"ModelDeployment {name}") or f"ModelDeployment {name} does not exist yet: apply it"
    return f"ModelDeployment {name} has no stable version yet"


def loop(world: World) -> ConditionUpdate:
    if world.policy.spec.retrain is None:
        return ConditionUpdate("LoopClosed", "False", "LoopOpen", "the policy makes no new models: it only reports")
    why = loop_open(world)
    if why is not None:
        return ConditionUpdate("LoopClosed", "False", "LoopOpen", why)
    if world.deployment is None:
        return ConditionUpdate("LoopClosed", "Unknown", "WaitingForModelDeployment", why_not_served(world))
    return ConditionUpdate("LoopClosed", "True", "LoopClosed", "a retrained model arrives at this deployment")


def _main(world: World, state: State) -> Conditions:
    unknown = _without_reference(world)
    if unknown is not None:
        return unknown
    evaluation, last = state.evaluation, state.last
    if evaluation is not None and evaluation.state is EvaluationState.FAILED:
        every = world.policy.spec.schedule.every
        told = f"{evaluation.attempt.message}; the next look comes after schedule.every ({every})"
        return reconciling(evaluation.attempt.reason or "ResultLost", told)
    if evaluation is not None and evaluation.open and evaluation.attempt.reason is not None:
        return reconciling(evaluation.attempt.reason, evaluation.attempt.message)
    if evaluation is not None and evaluation.open and last is not None and last.verdict is Verdict.ERROR:
        return reconciling(last.record.reason or "ResultLost", last.message)
    if state.retrain is not None:
        return ready("Retraining", _under_way(state.retrain))
    if evaluation is not None and evaluation.open:
        return ready("Evaluating", f"Job {evaluation.job} looks for full windows")
    if isinstance(world.watermark, Unavailable):
        told = f"cannot tell whether a window is full: {world.watermark.why}"
        return reconciling("ServersUnavailable", told, still_ready=True)
    if last is None or last.window is None:
        told = f"no window of {world.policy.spec.windows.rows} labelled rows is full yet"
        return ready("NotEnoughLabels", _with_losses(told, world, state))
    return ready("Watching", _with_losses(f"window {last.window}: {last.message}", world, state))


def _with_losses(message: str, world: World, state: State) -> str:
    """What came and counts for nothing: a window that can never fill must not look like one that is not full yet."""
    signal = world.policy.spec.signals.performance
    column = signal.group_by.column if signal is not None and signal.group_by is not None else None
    return "; ".join((message, *state.uncounted.words(column)))


def _without_reference(world: World) -> Conditions | None:
    """Why windows cannot be compared with anything; None when they can."""
    served, signal = world.served, world.policy.spec.signals.performance
    if served is None or signal is None:
        return reconciling("WaitingForReference", why_not_served(world))
    version = served.model.version
    if isinstance(world.version, Unavailable):
        return reconciling("RegistryUnavailable", f"the tags of version {version} cannot be read: {world.version.why}")
    known = METRICS.get(signal.metric)
    if known is None or not known.per_row:
        told = f"{signal.metric} is no mean over rows and cannot be watched: watch {', '.join(watchable())}"
        return stalled("UnknownMetric", told)
    if reference_of(served, signal.metric) is None:
        told = f"version {version} has no reference for {signal.metric}: train it with that metric, or watch another"
        return reconciling("WaitingForReference", told)
    return None


def _under_way(retrain: OpenRetrain) -> str:
    since = f"window {retrain.window} asked for a new model"
    if retrain.state is RetrainState.ROLLING_OUT:
        return f"{since}: version {retrain.model_version} is made and goes through its rollout"
    return f"{since}: Dataset {retrain.name} and Experiment {retrain.name} make it"


def _drift(world: World, state: State) -> ConditionUpdate:
    """True while drift stands; its message says what is done about it."""
    drifts, last, action = is_drifting(world.policy, state), state.last, state.action
    message = last.message if last is not None else ""
    if drifts and drifts[-1]:
        if action is not None and action.message:
            message = f"{message}; {action.reason}: {action.message}"
        return ConditionUpdate("DriftDetected", "True", "Breached", message)
    evaluation = state.evaluation
    if evaluation is not None and evaluation.open and evaluation.attempt.reason is not None:
        # What an older window said is no news of the rows that nobody can look at now.
        told = f"rows cannot be looked at: {evaluation.attempt.message}"
        return ConditionUpdate("DriftDetected", "Unknown", evaluation.attempt.reason, told)
    if last is None:
        return ConditionUpdate("DriftDetected", "Unknown", "NotEnoughLabels", "no window was judged yet")
    if last.verdict is Verdict.ERROR:
        reason = last.record.reason or "ResultLost"
        return ConditionUpdate("DriftDetected", "Unknown", reason, f"the last look failed: {message}")
    known = {Verdict.HEALTHY: "Healthy", Verdict.BREACHED: "Watching", Verdict.INCONCLUSIVE: "Inconclusive"}
    return ConditionUpdate("DriftDetected", "False", known.get(last.verdict, "NotEnoughLabels"), message)
