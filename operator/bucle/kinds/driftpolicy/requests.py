"""What a person may ask of a DriftPolicy by its annotation: approve, reject, retrain, mute. Pure.

A request is answered at the first look at it, done or refused, and remembered; only one that nobody can judge yet, because
the registry is silent, is asked again. `VERBS` is all there is, and `_possible` what of it can be asked now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bucle.contracts.person import Illegible, Request, Said
from bucle.kinds.driftpolicy import window_verdicts
from bucle.kinds.driftpolicy.children import asked_name
from bucle.kinds.driftpolicy.retrain_checks import BY_HAND, Question, asks_for_retrain, begun
from bucle.kinds.driftpolicy.state import ActionOutcome, PastRetrain, RetrainOutcome, State
from bucle.kinds.driftpolicy.world import Served, World
from bucle.workloads import person
from bucle.workloads.person import Answer, Waits, done, refused


@dataclass(frozen=True, slots=True)
class Asked:
    request: Request
    world: World
    served: Served
    state: State
    now: datetime


Heard = tuple[State, Answer | Waits]


def heard(world: World, served: Served | None, state: State, now: datetime) -> tuple[State, Waits | None]:
    """The state with what a person asks done or refused; what they muted is forgotten once it clears, and what waited for
    them once no drift asks for it."""
    drifting, meta = window_verdicts.drifting_signals(state), world.policy.metadata
    state = replace(state, muted=tuple(name for name in state.muted if name in drifting))
    if not asks_for_retrain(world.policy, state):
        state = replace(state, approval=None)
    said = person.unanswered(meta, state.person_actions)
    if said is None:
        return state, None
    state, answer = _answered(world, served, state, said, now)
    if isinstance(answer, Waits):
        return state, answer
    return replace(state, person_actions=person.remembered(meta, state.person_actions, said, answer, now)), None


def _answered(world: World, served: Served | None, state: State, said: Said, now: datetime) -> Heard:
    if isinstance(said, Illegible):
        return state, refused(f"{said}: possible are now {_possible(world, state)}")
    if served is None:
        name = world.policy.spec.target.model_deployment
        return state, refused(f"{said}: ModelDeployment {name} serves no version yet")
    verb = VERBS.get(said.verb)
    if verb is None:
        return state, refused(f"{said}: there is no verb {said.verb}; possible are now {_possible(world, state)}")
    return verb(Asked(said, world, served, state, now))


def _approve(asked: Asked) -> Heard:
    wanted = asked.state.approval
    if wanted is None or wanted.name != asked.request.subject:
        return asked.state, _unknown_retrain(asked)
    approved = replace(asked.state, approval=replace(wanted, approved=True))
    return approved, done(f"{asked.request}: retrain {wanted.name} is approved and begins when nothing else holds it")


def _reject(asked: Asked) -> Heard:
    wanted = asked.state.approval
    if wanted is None or wanted.name != asked.request.subject:
        return asked.state, _unknown_retrain(asked)
    now = asked.now.replace(microsecond=0)
    line = PastRetrain(wanted.name, RetrainOutcome.REJECTED, "RetrainRejected", now, now, wanted.window)
    cooldown = asked.world.policy.spec.limits.cooldown
    told = f"{asked.request}: retrain {wanted.name} is rejected; drift may ask for the next one after limits.cooldown ({cooldown})"
    state = replace(asked.state, approval=None, past_retrains=(line, *asked.state.past_retrains))
    return state, done(told)


def _unknown_retrain(asked: Asked) -> Answer:
    """A name that waits for nobody, with what became of it if that is known."""
    subject, state = asked.request.subject, asked.state
    line = next((line for line in state.past_retrains if line.name == subject), None)
    if state.retrain is not None and state.retrain.name == subject:
        told = f"retrain {subject} has begun already"
    elif line is not None:
        told = f"retrain {subject} has ended already: {line.outcome}"
    else:
        told = f"no retrain {subject} waits for approval"
    return refused(f"{asked.request}: {told}; possible are now {_possible(asked.world, state)}")


def _retrain(asked: Asked) -> Heard:
    policy, state, request = asked.world.policy, asked.state, asked.request
    if request.subject != policy.metadata.name:
        told = f"its subject is the policy, {policy.metadata.name}"
        return state, refused(f"{request}: {told}; possible are now {_possible(asked.world, state)}")
    if policy.spec.retrain is None:
        return state, refused(f"{request}: the policy has no `retrain`: set it")
    name = asked_name(policy, str(request))
    if name in _made(asked):
        return state, done(f"{request}: retrain {name} was begun by it before")
    question = Question(asked.world, asked.served, state, (), None, asked.now)
    held = next((found for check in BY_HAND if (found := check(question)) is not None), None)
    if held is None:
        return begun(state, name, asked.now, asked=str(request)), done(f"{request}: retrain {name} begins")
    if held.outcome is ActionOutcome.WAITING and held.reason != "RolloutActive":
        return state, Waits(held.reason, held.message)
    return state, refused(f"{request}: {held.reason}: {held.message}")


def _made(asked: Asked) -> set[str]:
    """Names of all retrains that are known to have begun: a lost status has the same request read again."""
    under_way = {asked.state.retrain.name} if asked.state.retrain is not None else set()
    listed = {children.name for children in asked.world.retrains}
    return under_way | listed | {line.name for line in asked.state.past_retrains}


def _mute(asked: Asked) -> Heard:
    subject, state = asked.request.subject, asked.state
    if subject not in window_verdicts.drifting_signals(state):
        told = f"no signal {subject} drifts"
        return state, refused(f"{asked.request}: {told}; possible are now {_possible(asked.world, state)}")
    muted = (*(name for name in state.muted if name != subject), subject)
    return replace(state, muted=muted), done(f"{asked.request}: nothing is done about {subject} until it clears")


VERBS: Mapping[str, Callable[[Asked], Heard]] = {
    "approve": _approve,
    "reject": _reject,
    "retrain": _retrain,
    "mute": _mute,
}


def _possible(world: World, state: State) -> str:
    """What a person may ask now, without the nonce."""
    found = [f"{verb}/{state.approval.name}" for verb in ("approve", "reject") if state.approval is not None]
    if world.policy.spec.retrain is not None and state.retrain is None:
        found.append(f"retrain/{world.policy.metadata.name}")
    found += [f"mute/{name}" for name in window_verdicts.drifting_signals(state) if name not in state.muted]
    return ", ".join(found) or "no requests"
