"""Whether drift leads to a new model now, and the first reason why not. Pure.

`CHECKS` is the order in which a person would ask, and the documentation of what holds a retrain back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bucle.contracts import registry_tags
from bucle.contracts.capture import SETTLED
from bucle.contracts.names import ANNOTATION_ACTION
from bucle.engine.reads import Unavailable
from bucle.engine.status import timestamp
from bucle.kinds.driftpolicy import window_verdicts
from bucle.kinds.driftpolicy.children import retrain_name
from bucle.kinds.driftpolicy.loop_closed import loop_open
from bucle.kinds.driftpolicy.retrain_ledger import wants_retrains
from bucle.kinds.driftpolicy.state import (
    Action,
    ActionOutcome,
    FeedbackBounds,
    OpenRetrain,
    PastRetrain,
    PastWindow,
    RetrainOutcome,
    RetrainState,
    State,
    Wanted,
    WantedRetrain,
)
from bucle.kinds.driftpolicy.world import Served, World
from bucle.resources.base import parse_duration
from bucle.resources.driftpolicy import Action as ActionSpec
from bucle.resources.driftpolicy import DriftPolicy


@dataclass(frozen=True, slots=True)
class Question:
    """May a retrain begin now? `asking`: the signals that want it; `trigger`: the window that began their drift, while it
    is remembered."""

    world: World
    served: Served
    state: State
    asking: tuple[str, ...]
    trigger: PastWindow | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What is done, in one word of the closed list and a sentence."""

    outcome: ActionOutcome
    reason: str
    message: str


APPROVAL_WANTED = "ApprovalWanted"
BEGINS = Answer(ActionOutcome.DONE, "Retraining", "a new model is being made")


def acted(world: World, served: Served, state: State, now: datetime) -> State:
    """The action for what the windows say, with its reason; a retrain is claimed in status before anything is made."""
    if state.retrain is not None and _outclaimed(world, state.retrain):
        state = _given_way(state, state.retrain, now)
    policy, drifting = world.policy, window_verdicts.drifting_signals(state)
    firing = _firing(policy, drifting)
    if not firing:
        nothing = Answer(ActionOutcome.DONE, "Breached" if drifting else "Healthy", "")
        return _with_action(replace(state, approval=None), Wanted.NONE, nothing, now)
    heeded = tuple(name for name in drifting if name not in state.muted)
    retrains = [action for action in _firing(policy, heeded) if action.do == "Retrain"]
    if not retrains or not wants_retrains(policy):
        return _without_retrain(replace(state, approval=None), policy, drifting, heeded, now)
    asking = _asking(retrains, heeded)
    trigger = window_verdicts.began_drift(policy, state, served, asking)
    question = Question(world, served, state, asking, trigger, now)
    answer = next((found for check in CHECKS if (found := check(question)) is not None), BEGINS)
    state = _with_action(state, Wanted.RETRAIN, answer, now, asking)
    if answer.reason == APPROVAL_WANTED:
        return replace(state, approval=_wanted(question))
    return _claimed(question, state) if answer is BEGINS else state


def asks_for_retrain(policy: DriftPolicy, state: State) -> bool:
    """Whether drift that nobody muted is for an action that does Retrain."""
    heeded = [name for name in window_verdicts.drifting_signals(state) if name not in state.muted]
    return wants_retrains(policy) and any(action.do == "Retrain" for action in _firing(policy, heeded))


def _without_retrain(
    state: State, policy: DriftPolicy, drifting: tuple[str, ...], heeded: tuple[str, ...], now: datetime
) -> State:
    """Only an alert is asked for, or nothing but what a person muted."""
    firing = _firing(policy, heeded)
    if firing:
        asking = _asking(firing, heeded)
        return _with_action(state, Wanted.ALERT, Answer(ActionOutcome.DONE, "Breached", ""), now, asking)
    silent = _firing(policy, drifting)
    wanted = Wanted.RETRAIN if any(action.do == "Retrain" for action in silent) else Wanted.ALERT
    told = f"a person muted {', '.join(state.muted)}: nothing is done about it until it clears"
    return _with_action(state, wanted, Answer(ActionOutcome.SUPPRESSED, "Muted", told), now, _asking(silent, drifting))


def _given_way(state: State, claim: OpenRetrain, now: datetime) -> State:
    """Another policy goes first. What a person asked for is told; what drift asks for is asked again by itself."""
    state = replace(state, retrain=None, retrains_begun=max(0, state.retrains_begun - 1))
    if claim.asked is None:
        return state
    ended = PastRetrain(
        claim.name, RetrainOutcome.CANCELLED, "OwnedByOtherPolicy", claim.started_at, now.replace(microsecond=0)
    )
    return replace(state, past_retrains=(ended, *state.past_retrains))


def _firing(policy: DriftPolicy, drifting: Collection[str]) -> list[ActionSpec]:
    return [action for action in policy.spec.actions if _fires(action, drifting)]


def _fires(action: ActionSpec, drifting: Collection[str]) -> bool:
    stands = [name in drifting for name in action.when]
    return all(stands) if action.match == "All" else any(stands)


def _asking(actions: Iterable[ActionSpec], drifting: Iterable[str]) -> tuple[str, ...]:
    """The drifting signals that these actions name, in the order of the spec."""
    named = {name for action in actions for name in action.when}
    return tuple(name for name in drifting if name in named)


def _with_action(state: State, wanted: Wanted, answer: Answer, now: datetime, asking: tuple[str, ...] = ()) -> State:
    """`at` stays while what is wanted and why stay the same."""
    old = state.action
    same = old is not None and (old.wanted, old.reason) == (wanted, answer.reason)
    at = old.at if old is not None and same else now.replace(microsecond=0)
    return replace(state, action=Action(wanted, answer.outcome, answer.reason, answer.message, at, asking))


def _claimed(question: Question, state: State) -> State:
    wanted = _wanted(question)
    assert wanted is not None, "a retrain begins for a window"
    return begun(replace(state, approval=None), wanted.name, question.now, window=wanted.window)


def begun(state: State, name: str, now: datetime, *, window: int | None = None, asked: str | None = None) -> State:
    """That retrain is claimed in status. `asked`: the request of the person who wants it, for no window."""
    bound = (now - SETTLED).replace(microsecond=0)
    claim = OpenRetrain(
        name=name,
        state=RetrainState.CLAIMED,
        started_at=now.replace(microsecond=0),
        window=window,
        feedback_bounds=FeedbackBounds(bound, bound),
        asked=asked,
    )
    return replace(state, retrain=claim, retrains_begun=state.retrains_begun + 1)


# --- what holds a retrain back, in this order ------------------------------------------------------------------


def _one_is_open(question: Question) -> Answer | None:
    if question.state.retrain is None:
        return None
    return Answer(ActionOutcome.DONE, "Retraining", "a retrain is open")


def _loop_is_open(question: Question) -> Answer | None:
    why = loop_open(question.world)
    return Answer(ActionOutcome.SUPPRESSED, "LoopOpen", why) if why is not None else None


def _owned_by_other_policy(question: Question) -> Answer | None:
    rival = _rival(question.world)
    if rival is None:
        return None
    return Answer(ActionOutcome.SUPPRESSED, "OwnedByOtherPolicy", f"DriftPolicy {rival} retrains this model already")


def _window_forgotten(question: Question) -> Answer | None:
    if question.trigger is not None or question.state.approval is not None:
        return None
    told = "the window that began the drift is no longer in status: the next one tells"
    return Answer(ActionOutcome.WAITING, "Watching", told)


def _data_unknown(question: Question) -> Answer | None:
    """Nobody can say what the served version learnt from."""
    version, tags = question.world.version, question.served.tags
    if isinstance(version, Unavailable):
        told = f"the tags of the served version cannot be read: {version.why}"
        return Answer(ActionOutcome.WAITING, "RegistryUnavailable", told)
    if tags.get(registry_tags.TAG_DATASET_NAME) and tags.get(registry_tags.TAG_DATASET_DIGEST):
        return None
    told = f"the served version has no tag {registry_tags.TAG_DATASET_DIGEST}"
    return Answer(ActionOutcome.WAITING, "WaitingForReference", told)


def _window_answered(question: Question) -> Answer | None:
    if _wanted(question) is not None:
        return None
    told = "this window was answered by a retrain, or a person rejected it; the next breached one may start another"
    return Answer(ActionOutcome.DONE, "Breached", told)


def _stopped_after_failures(question: Question) -> Answer | None:
    limit = question.world.policy.spec.limits.stop_after_failed
    if not _nothing_came_of(question.state.past_retrains, limit):
        return None
    told = f"none of the last {limit} retrains promoted a model"
    return Answer(ActionOutcome.SUPPRESSED, "StoppedAfterFailures", told)


def _cools_down(question: Question) -> Answer | None:
    limits = question.world.policy.spec.limits
    answered = [*_begun_at(question), *(line.started_at for line in _rejected(question.state))]
    if not answered or question.now - max(answered) >= parse_duration(limits.cooldown):
        return None
    return Answer(
        ActionOutcome.WAITING, "Cooldown", f"the last retrain began or was rejected less than {limits.cooldown} ago"
    )


def _budget_spent(question: Question) -> Answer | None:
    limits = question.world.policy.spec.limits
    lately = sum(question.now - at < parse_duration(limits.per) for at in _begun_at(question))
    if lately < limits.max_retrains:
        return None
    return Answer(ActionOutcome.SUPPRESSED, "BudgetSpent", f"{limits.max_retrains} retrains within {limits.per}")


def _rollout_active(question: Question) -> Answer | None:
    deployment = question.world.deployment
    if deployment is None or deployment.status.rollout is None:
        return None
    return Answer(ActionOutcome.WAITING, "RolloutActive", "a rollout is running")


def _approval_wanted(question: Question) -> Answer | None:
    """Last: a person is asked for what would begin at once."""
    retrain, wanted = question.world.policy.spec.retrain, _wanted(question)
    if retrain is None or retrain.approval != "Required" or wanted is None or wanted.approved:
        return None
    meta = question.world.policy.metadata
    told = (
        f"retrain {wanted.name} for window {wanted.window} waits for a person: kubectl annotate driftpolicy {meta.name} "
        f"--namespace {meta.namespace} --overwrite {ANNOTATION_ACTION}=approve/{wanted.name}/$(date +%s), or reject/{wanted.name}/$(date +%s)"
    )
    return Answer(ActionOutcome.WAITING, APPROVAL_WANTED, told)


CHECKS: tuple[Callable[[Question], Answer | None], ...] = (
    _one_is_open,
    _loop_is_open,
    _owned_by_other_policy,
    _window_forgotten,
    _data_unknown,
    _window_answered,
    _stopped_after_failures,
    _cools_down,
    _budget_spent,
    _rollout_active,
    _approval_wanted,
)
BY_HAND: tuple[Callable[[Question], Answer | None], ...] = (
    _one_is_open,
    _loop_is_open,
    _owned_by_other_policy,
    _data_unknown,
    _budget_spent,
    _rollout_active,
)
"""What holds back a retrain that a person asks for: neither the cooldown nor failures of those before, which are there to
have a person look."""


# --- what the checks ask ---------------------------------------------------------------------------------------


def _name_for(question: Question, window: PastWindow) -> str:
    return retrain_name(question.world.policy, question.served.model.digest or "", timestamp(window.to))


def _wanted(question: Question) -> WantedRetrain | None:
    """What a retrain would answer: the window that a person was told of, else the one that began the drift, else the newest
    breached one.

    Children that a person deleted were made all the same.
    """
    done = {children.name for children in question.world.retrains}
    done |= {line.name for line in question.state.past_retrains}
    told = question.state.approval
    if told is not None and told.name not in done:
        return told
    windows = (
        question.trigger,
        window_verdicts.newest_breach(question.world.policy, question.state, question.served, question.asking),
    )
    since = question.now.replace(microsecond=0)
    wanted = (WantedRetrain(_name_for(question, w), w.window, since) for w in windows if w is not None)
    return next((found for found in wanted if found.name not in done), None)


def _begun_at(question: Question) -> list[datetime]:
    listed = {children.name: children.created_at for children in question.world.retrains}
    rejected = {line.name for line in _rejected(question.state)}
    begun = {line.name: line.started_at for line in question.state.past_retrains if line.name not in rejected} | listed
    return [at for at in begun.values() if at is not None]


def _rejected(state: State) -> list[PastRetrain]:
    return [line for line in state.past_retrains if line.outcome is RetrainOutcome.REJECTED]


_NOBODY_TRIED = (RetrainOutcome.CANCELLED, RetrainOutcome.REJECTED)


def _nothing_came_of(newest_first: Sequence[PastRetrain], limit: int) -> bool:
    tried = [line for line in newest_first if line.outcome not in _NOBODY_TRIED][:limit]
    return len(tried) >= limit and all(line.outcome is not RetrainOutcome.PROMOTED for line in tried)


def _rival(world: World) -> str | None:
    """One open retrain per registered model and alias. Whoever has claimed it goes first; of the policies of one
    deployment that could retrain it, the oldest."""
    ours = _registers(world, world.policy)
    for other in world.rivals:
        if other.spec.retrain is None:
            continue
        claimed = other.status.retrains is not None and other.status.retrains.in_flight is not None
        if claimed and ours is not None and _registers(world, other) == ours:
            return other.metadata.name
        same_target = other.spec.target == world.policy.spec.target
        if same_target and wants_retrains(other) and _could_retrain(other) and _age(other) < _age(world.policy):
            return other.metadata.name
    return None


def _outclaimed(world: World, claim: OpenRetrain) -> bool:
    """Whether another policy claimed the same model in the same moment and goes first. Each claim stands in status
    before its owner reads those of the others again, so at least one of two sees both; nothing is made before that."""
    ours = _registers(world, world.policy)
    if claim.state is not RetrainState.CLAIMED or ours is None:
        return False
    for other in world.rivals:
        theirs = other.status.retrains.in_flight if other.status.retrains else None
        if theirs is None or _registers(world, other) != ours:
            continue
        if theirs.state != RetrainState.CLAIMED or _age(other) < _age(world.policy):
            return True
    return False


def _could_retrain(other: DriftPolicy) -> bool:
    """A policy whose loop is open retrains nothing and keeps nobody from it."""
    return not any(said.type == "LoopClosed" and said.status == "False" for said in other.status.conditions)


def _age(policy: DriftPolicy) -> tuple[str, str]:
    return str(policy.metadata.creation_timestamp), policy.metadata.name


def _registers(world: World, policy: DriftPolicy) -> tuple[str, str | None] | None:
    template = world.templates.get(policy.spec.retrain.experiment) if policy.spec.retrain else None
    register = template.spec.register_ if template else None
    return (register.model, register.alias) if register else None
