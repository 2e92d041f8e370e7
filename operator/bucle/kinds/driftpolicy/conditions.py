"""What a DriftPolicy says of itself, from the state it just reached. Pure."""

from __future__ import annotations

from bucle.engine.reads import Unavailable
from bucle.engine.status import ConditionUpdate, ready, reconciling, stalled
from bucle.kinds.driftpolicy import signals
from bucle.kinds.driftpolicy.loop_closed import loop_open
from bucle.kinds.driftpolicy.signal_verdicts import said_by_name, worst
from bucle.kinds.driftpolicy.state import EvaluationState, OpenRetrain, RetrainState, Rows, State, Verdict
from bucle.kinds.driftpolicy.window_clock import in_words
from bucle.kinds.driftpolicy.world import World
from bucle.workloads import person

Conditions = tuple[ConditionUpdate, ...]


def said(world: World, state: State, waits: person.Waits | None = None) -> Conditions:
    """`waits`: why what a person asks cannot be answered yet."""
    return (
        *_main(world, state),
        _drift(world, state),
        loop(world),
        *_approval(world, state),
        *_asked(world, state, waits),
    )


def not_served(world: World, state: State) -> Conditions:
    """Nothing is watched yet."""
    return (*reconciling("WaitingForReference", why_not_served(world)), loop(world), *_asked(world, state, None))


def _asked(world: World, state: State, waits: person.Waits | None) -> Conditions:
    policy = world.policy
    return person.conditions(policy.metadata, state.person_actions, waits, policy.status.conditions)


def _approval(world: World, state: State) -> Conditions:
    """Said of policies that have a person asked, from the first time on."""
    action = state.action
    if action is not None and action.reason == "ApprovalWanted":
        return (ConditionUpdate("ApprovalWanted", "True", "ApprovalWanted", action.message),)
    if any(condition.type == "ApprovalWanted" for condition in world.policy.status.conditions):
        return (ConditionUpdate("ApprovalWanted", "False", "Watching"),)
    return ()


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
    if evaluation is not None and evaluation.open and last is not None and last.failed:
        return reconciling(last.record.reason or "ResultLost", last.message)
    if (apart := _without_verdict(state)) is not None:
        return apart
    if state.retrain is not None:
        return ready("Retraining", _under_way(state.retrain))
    if evaluation is not None and evaluation.open:
        return ready("Evaluating", f"Job {evaluation.job} looks for full windows")
    if isinstance(world.watermark, Unavailable):
        told = f"cannot tell whether a window is full: {world.watermark.why}"
        return reconciling("ServersUnavailable", told, still_ready=True)
    if last is None or last.window is None:
        return ready(_too_little(world), _with_losses(_no_window_yet(world), world, state))
    of = (last.record.window.of if last.record.window else None) or Rows.LABELLED
    told = f"window {last.window} of {of.lower()} rows: {last.message}"
    return ready("Watching", _with_losses(told, world, state))


def _too_little(world: World) -> str:
    labelled = any(signals.rows_of(signal) is Rows.LABELLED for signal in world.policy.spec.signals)
    return "NotEnoughLabels" if labelled else "NotEnoughRows"


def _no_window_yet(world: World) -> str:
    windows = world.policy.spec.windows
    if windows.rows is None:
        return f"no window {in_words(windows)} is over yet"
    rows = "labelled" if _too_little(world) == "NotEnoughLabels" else "served"
    return f"no window {in_words(windows)} {rows} rows is full yet"


def _with_losses(message: str, world: World, state: State) -> str:
    """What came and counts for nothing: a window that can never fill must not look like one that is not full yet."""
    measured = (signal.performance for signal in world.policy.spec.signals)
    columns = sorted({signal.group_by.column for signal in measured if signal is not None and signal.group_by})
    unseen = state.coverage.words() if state.coverage else ()
    return "; ".join((message, *unseen, *state.uncounted.words(" or ".join(columns) or None)))


def _without_verdict(state: State) -> Conditions | None:
    """A signal that could not be taken; the others are judged all the same."""
    for signal in state.signals:
        told = signal.record
        if told is not None and told.verdict == Verdict.ERROR:
            return reconciling(told.reason or "ResultLost", f"signal {signal.name}: {told.message}")
    return None


def _without_reference(world: World) -> Conditions | None:
    """Why windows cannot be compared with anything; None when they can."""
    served, policy = world.served, world.policy
    if served is None:
        return reconciling("WaitingForReference", why_not_served(world))
    version = served.model.version
    if isinstance(world.version, Unavailable):
        return reconciling("RegistryUnavailable", f"the tags of version {version} cannot be read: {world.version.why}")
    for signal in policy.spec.signals:
        if (why := signals.cannot_be_watched(signal)) is not None:
            return stalled("UnknownMetric", why)
    for signal in signals.without_standard(policy, served):
        metric = signal.performance.metric if signal.performance is not None else ""
        told = (
            f"version {version} has no reference for {metric}: train it with that metric, watch another, or set a bound"
        )
        return reconciling("WaitingForReference", f"signal {signal.name}: {told}")
    return None


def _under_way(retrain: OpenRetrain) -> str:
    asking = "a person" if retrain.asked is not None else f"window {retrain.window}"
    since = f"{asking} asked for a new model"
    if retrain.state is RetrainState.ROLLING_OUT:
        return f"{since}: version {retrain.model_version} is made and goes through its rollout"
    return f"{since}: Dataset {retrain.name} and Experiment {retrain.name} make it"


def _drift(world: World, state: State) -> ConditionUpdate:
    """True while drift stands; its message says what is done about it."""
    last, action = state.last, state.action
    drifts = [signal.record for signal in state.signals if signal.drifting and signal.record is not None]
    if drifts:
        message = said_by_name(drifts)
        if action is not None and action.message:
            message = f"{message}; {action.reason}: {action.message}"
        return ConditionUpdate("DriftDetected", "True", "Breached", message)
    evaluation = state.evaluation
    if evaluation is not None and evaluation.open and evaluation.attempt.reason is not None:
        # What an older window said is no news of the rows that nobody can look at now.
        told = f"rows cannot be looked at: {evaluation.attempt.message}"
        return ConditionUpdate("DriftDetected", "Unknown", evaluation.attempt.reason, told)
    if last is not None and last.failed:
        reason = last.record.reason or "ResultLost"
        return ConditionUpdate("DriftDetected", "Unknown", reason, f"the last look failed: {last.message}")
    verdicts = [signal.record for signal in state.signals if signal.record is not None]
    if not verdicts:
        return ConditionUpdate("DriftDetected", "Unknown", _too_little(world), "no window was judged yet")
    verdict = worst(record.verdict for record in verdicts)
    if verdict is Verdict.ERROR:
        failed = next(record for record in verdicts if record.verdict == Verdict.ERROR)
        return ConditionUpdate("DriftDetected", "Unknown", failed.reason or "ResultLost", said_by_name(verdicts))
    known = {Verdict.HEALTHY: "Healthy", Verdict.BREACHED: "Watching", Verdict.INCONCLUSIVE: "Inconclusive"}
    return ConditionUpdate("DriftDetected", "False", known.get(verdict, _too_little(world)), said_by_name(verdicts))
