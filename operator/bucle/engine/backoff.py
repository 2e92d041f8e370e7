"""What one run of one object leaves to the next: refusals to be told, pauses, how long nothing could be seen. No I/O.

In memory only. Losing it costs a few repeated requests, never a wrong decision.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, Literal, TypeVar

from bucle.contracts.canonical import short_hash
from bucle.engine.apply import Applied, Held
from bucle.engine.children import child_key
from bucle.engine.objects import ObjectKey
from bucle.engine.plan import Effect, Plan
from bucle.engine.status import EFFECT, Refusal

REFUSAL_MESSAGE_HOLD = timedelta(seconds=30)
"""How long a refusal keeps its first message. A webhook that names each request would make every run write anew."""
TOLD_AFTER = 4
"""Failures of an effect before a condition speaks of them: a server that restarts is back sooner."""
PATIENCE = 5
"""Conflicts in a row with what somebody else writes, before a condition speaks of them."""
BLIND_AFTER = timedelta(minutes=2)
"""How long a run may see too little before the conditions say so."""
FIRST_PAUSE = timedelta(seconds=0.5)
LONGEST_CHILD_PAUSE = timedelta(minutes=1)
LONGEST_EFFECT_PAUSE = timedelta(minutes=5)
FREE_REVERTS = 3
"""A person's `kubectl edit` is set back at once; who comes back a fourth time is a program, and is not fought."""
FIRST_REVERT_PAUSE = timedelta(minutes=1)
LONGEST_REVERT_PAUSE = timedelta(hours=1)
REVERTS_FORGOTTEN = timedelta(minutes=15)
"""How long a child must stay as it is wanted before it counts as uncontested."""

OWED_FOR = timedelta(hours=1)
"""How long it is tried to settle what is owed for an object that is gone."""

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Pause:
    """`times` it was tried in vain; not again before `until`. `told` is what is said of it meanwhile."""

    times: int
    until: datetime
    told: Refusal | None = None
    intent: str = ""

    @property
    def due_to_be_told(self) -> bool:
        """What another try may mend is not told at once; what no try can mend is."""
        return self.told is not None and (self.told.reason == "EffectRefused" or self.times >= TOLD_AFTER)


class Pauses(Generic[K]):
    """When what failed may be tried again: after half a second, twice that, and so on up to `longest`."""

    def __init__(self, first: timedelta, longest: timedelta) -> None:
        self._first = first
        self._longest = longest
        self._pauses: dict[K, Pause] = {}

    def tried(self, key: K, now: datetime, told: Refusal | None = None, *, free: int = 0, intent: str = "") -> Pause:
        """It did not bring what is wanted; the first `free` times cost no pause."""
        before = self._pauses.get(key)
        times = before.times + 1 if before else 1
        doubled = min(times - free, 20)
        delay = min(self._first * 2 ** (doubled - 1), self._longest) if doubled > 0 else timedelta()
        pause = self._pauses[key] = Pause(times, now + delay, told, intent)
        return pause

    def keep_only(self, keys: Iterable[K]) -> None:
        """What is wanted no more, or went well, starts anew next time."""
        kept = set(keys)
        self._pauses = {key: pause for key, pause in self._pauses.items() if key in kept}

    def held(self, now: datetime) -> dict[K, Pause]:
        return {key: pause for key, pause in self._pauses.items() if pause.until > now}

    def since(self, moment: datetime) -> set[K]:
        """Those whose pause ended after that moment, or still lasts."""
        return {key for key, pause in self._pauses.items() if pause.until > moment}

    def times(self, key: K) -> int:
        """How often that was tried in vain."""
        return self._pauses[key].times if key in self._pauses else 0

    def all(self) -> tuple[Pause, ...]:
        return tuple(self._pauses.values())

    def next(self, now: datetime) -> timedelta | None:
        """Until the first of them ends."""
        return min((pause.until - now for pause in self.held(now).values()), default=None)


class Debts:
    """What must still be done outside of the cluster for objects that are gone. No finalizer waits for it: a deletion
    never hangs, and what cannot be settled in time, or before this process ends, stays undone."""

    def __init__(self) -> None:
        self._owed: dict[ObjectKey, dict[Effect, datetime]] = {}

    def owe(self, key: ObjectKey, effects: Iterable[Effect], now: datetime) -> None:
        for effect in effects:
            self._owed.setdefault(key, {}).setdefault(effect, now)

    def of(self, key: ObjectKey) -> tuple[Effect, ...]:
        return tuple(self._owed.get(key, ()))

    def settled(self, key: ObjectKey, effects: Iterable[Effect]) -> None:
        """They are done, or owed to nobody any more: a namesake goes on with what they would end."""
        left = {effect: since for effect, since in self._owed.pop(key, {}).items() if effect not in set(effects)}
        if left:
            self._owed[key] = left

    def given_up(self, key: ObjectKey, now: datetime) -> tuple[Effect, ...]:
        """Those that were tried for too long; they are forgotten by this."""
        late = tuple(effect for effect, since in self._owed.get(key, {}).items() if now - since >= OWED_FOR)
        self.settled(key, late)
        return late


@dataclass(slots=True)
class Memory:
    """Of one object, by its uid: a namesake that was made anew starts with an empty one."""

    uid: str = ""
    refusals: tuple[Refusal, ...] = ()
    refused_at: datetime | None = None
    blind_since: datetime | None = None
    conflicts: int = 0
    owed: tuple[Effect, ...] = ()
    effects: Pauses[Effect] = field(default_factory=lambda: Pauses(FIRST_PAUSE, LONGEST_EFFECT_PAUSE))
    children: Pauses[ObjectKey] = field(default_factory=lambda: Pauses(FIRST_PAUSE, LONGEST_CHILD_PAUSE))

    reverts: Pauses[ObjectKey] = field(default_factory=lambda: Pauses(FIRST_REVERT_PAUSE, LONGEST_REVERT_PAUSE))

    def held(self, plan: Plan, now: datetime) -> Held:
        """What this run leaves out: effects that failed lately, children that were refused lately as they are wanted now."""
        refused = self.children.held(now)
        intents = _intents(plan) if refused else {}
        children = {
            key: pause.told
            for key, pause in refused.items()
            if pause.told is not None and pause.intent == intents.get(key)
        }
        contested = frozenset(self.reverts.held(now))
        return Held(frozenset(self.effects.held(now)), children, contested, patient=self.conflicts < PATIENCE)

    def blind(self, now: datetime) -> bool:
        """A run has seen too little again; whether that lasts long enough to be said."""
        self.blind_since = self.blind_since or now
        return now - self.blind_since >= BLIND_AFTER

    def learn(self, plan: Plan, applied: Applied, held: Held, now: datetime) -> bool:
        """Takes in what the run met; True if the conditions must say something else from now on."""
        self.blind_since = None
        if held.patient or not applied.refusals:
            self.conflicts = 0
        before = self.refusals
        children = self._refused_children(plan, applied, held, now)
        found = (*children, *self._failed_effects(plan, applied, now), *self._contests(applied, held, now))
        told = _with_stable_message(found, self, now)
        if told != before:
            self.refusals, self.refused_at = told, now
        return told != before

    def _refused_children(self, plan: Plan, applied: Applied, held: Held, now: datetime) -> tuple[Refusal, ...]:
        intents = _intents(plan) if applied.refusals else {}
        for key, refusal in applied.refusals.items():
            if key not in held.children:
                self.children.tried(key, now, refusal, intent=intents[key])
        self.children.keep_only(applied.refusals)
        return tuple(applied.refusals.values())

    def _failed_effects(self, plan: Plan, applied: Applied, now: datetime) -> tuple[Refusal, ...]:
        told = []
        for effect in applied.effects_done:
            self.effects.tried(effect, now, free=1)
        for effect, message in applied.effects_failed.items():
            refused = effect in applied.effects_refused
            why: Literal["EffectRefused", "EffectFailed"] = "EffectRefused" if refused else "EffectFailed"
            pause = self.effects.tried(effect, now, Refusal(EFFECT, type(effect).__name__, why, message))
            if pause.due_to_be_told and pause.told is not None:
                told.append(pause.told)
        self.effects.keep_only(plan.effects)
        for effect, pause in self.effects.held(now).items():
            if pause.due_to_be_told and pause.told is not None and effect not in applied.effects_failed:
                told.append(pause.told)
        return tuple(told)

    def _contests(self, applied: Applied, held: Held, now: datetime) -> tuple[Refusal, ...]:
        for key, contest in applied.reverted.items():
            if key not in held.contested:
                once = self.reverts.times(key) < FREE_REVERTS
                self.reverts.tried(key, now, contest.once() if once else contest.again(), free=FREE_REVERTS)
        self.reverts.keep_only({*applied.reverted, *self.reverts.since(now - REVERTS_FORGOTTEN)})
        return tuple(pause.told for pause in self.reverts.all() if pause.told is not None)

    def next_try(self, now: datetime) -> timedelta | None:
        """Until the first pause ends, or a revert is old enough to be forgotten."""
        waits = (self.effects.next(now), self.children.next(now), self.reverts.next(now))
        forgotten = [pause.until + REVERTS_FORGOTTEN - now for pause in self.reverts.all()]
        return min([*(wait for wait in waits if wait is not None), *forgotten], default=None)


def _intents(plan: Plan) -> dict[ObjectKey, str]:
    """What is wanted of each child: who asks for something else is not held back by an earlier refusal."""
    wanted = {child_key(child): short_hash([child.manifest, child.adjust], 16) for child in plan.children}
    return wanted | {ObjectKey(d.resource, d.namespace, d.name): "deleted" for d in plan.deletions}


def _with_stable_message(refusals: tuple[Refusal, ...], memory: Memory, now: datetime) -> tuple[Refusal, ...]:
    """The refusals in the words to be told: those told lately, if only the words differ."""
    same = [(r.kind, r.name, r.reason) for r in refusals] == [(r.kind, r.name, r.reason) for r in memory.refusals]
    lately = memory.refused_at is not None and now - memory.refused_at < REFUSAL_MESSAGE_HOLD
    return memory.refusals if same and lately else refusals
