"""One run of one object: read, observe, plan, apply; and what each way of failing means for the next run.

Knows kinds only by the functions of their rooms. Never raises for one object's sake: a poisonous object must not stop others.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypeAlias

from bucle.contracts.limits import LONGEST_BLIND_PAUSE
from bucle.engine.apply import Applied, Applier, Decision, StatusRefused, nobody
from bucle.engine.backoff import Debts, Memory
from bucle.engine.children import child_key, listed, observed_objects
from bucle.engine.clock import Clock
from bucle.engine.kube import Conflict, Kube, KubeError, NotFound
from bucle.engine.leader import Fence
from bucle.engine.metrics import Metrics
from bucle.engine.objects import JsonObject, ObjectKey, Ref, Version, key_of, uid_of, version_of
from bucle.engine.plan import Executors, changed_by
from bucle.engine.room import AnyRoom, SpecInvalid, UnknownState, Unreadable
from bucle.engine.sources import Sources, observe
from bucle.engine.status import (
    UNKNOWN,
    blind_status,
    broken_status,
    held_status,
    invalid_status,
    planned_status,
    told_to_others,
)
from bucle.resources.documents import InvalidResource

log = logging.getLogger(__name__)


class Again(Enum):
    """When to run again, if not after a time."""

    NOW = "now"
    AFRESH = "afresh"
    """At once, on what is true by now: somebody wrote in between."""
    BACKOFF = "backoff"
    AT_REST = "at rest"
    """When something changes. A watch may miss that, so it is looked at once in a long while all the same."""
    NEVER = "never"


Next: TypeAlias = Again | timedelta


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended, in one word for logs and metrics, and when the next one is due.

    `within` is the plan's own wish: it holds even when the run is tried again for another reason. `changed`: what
    this run changed outside of Kubernetes. `known`: the versions that it has read or written; none if it ended early, so
    that every event counts again.
    """

    outcome: str
    next: Next
    detail: str = ""
    within: timedelta | None = None
    changed: frozenset[Ref] = frozenset()
    known: frozenset[Version] = frozenset()


@dataclass(frozen=True)
class Surroundings:
    """Everything a run needs from outside. `sources` and `executors` are looked up by the type of read or effect. `heard` is
    given every Event that is written for the first time."""

    kube: Kube
    sources: Sources
    executors: Executors
    fence: Fence
    clock: Clock
    metrics: Metrics
    heard: Callable[[JsonObject], None] = nobody


class RefMap:
    """Rebuilt by the first run of each object after a start; nothing to persist."""

    def __init__(self) -> None:
        self._by_key: dict[ObjectKey, frozenset[Ref]] = {}
        self._by_ref: defaultdict[Ref, set[ObjectKey]] = defaultdict(set)

    def set(self, key: ObjectKey, refs: frozenset[Ref]) -> None:
        """What `key` points to from now on."""
        before = self._by_key.get(key, frozenset())
        for gone in before - refs:
            self._by_ref[gone].discard(key)
            if not self._by_ref[gone]:
                del self._by_ref[gone]
        for new in refs - before:
            self._by_ref[new].add(key)
        if refs:
            self._by_key[key] = refs
        else:
            self._by_key.pop(key, None)

    def forget(self, key: ObjectKey) -> None:
        self.set(key, frozenset())

    def pointing_at(self, ref: Ref) -> frozenset[ObjectKey]:
        return frozenset(self._by_ref.get(ref, ()))


class Reconciler:
    """`reconcile` may run for different keys at the same time, for one key never (the queue sees to that)."""

    def __init__(self, rooms: tuple[AnyRoom, ...], around: Surroundings, refs: RefMap) -> None:
        self._rooms = {room.resource: room for room in rooms}
        self._around = around
        self._refs = refs
        self._applier = Applier(around.kube, around.executors, around.fence, around.clock, around.heard)
        self._memory: dict[ObjectKey, Memory] = {}
        self._debts = Debts()

    async def reconcile(self, key: ObjectKey) -> Verdict:
        try:
            return await self._reconcile(key, self._rooms[key.resource])
        except Exception as error:
            # Not even its status could be written: said in the log alone.
            log.exception("a mistake in the operator", extra={"key": str(key)})
            return Verdict("InternalError", Again.BACKOFF, f"{type(error).__name__}: {error}")

    async def _reconcile(self, key: ObjectKey, room: AnyRoom) -> Verdict:
        try:
            obj = await self._around.kube.get(*key)
        except NotFound:
            self._forget(key)
            return await self._settle(key)
        except KubeError as error:
            return Verdict("Unavailable", Again.BACKOFF, str(error))
        if key not in self._memory:
            await self._applier.tell_what_is_untold(room, obj)
        await self._note_what_is_owed(key, room, obj)
        if obj["metadata"].get("deletionTimestamp"):
            # Looked at again: its end may be missed while the watch is away, and what is gone must be forgotten.
            return Verdict("Deleting", Again.AT_REST)
        try:
            typed = room.parse(obj)
        except InvalidResource as error:
            return await self._invalid(room, obj, SpecInvalid.reason, str(error))
        try:
            return await self._run(key, room, obj, typed)
        except SpecInvalid as error:
            return await self._invalid(room, obj, error.reason, str(error))
        except UnknownState as problem:
            return await self._hold(room, obj, problem)
        except Conflict as error:
            return Verdict("Conflict", Again.AFRESH, str(error))
        except KubeError as error:
            return Verdict(type(error).__name__, Again.BACKOFF, str(error))
        except Exception as error:
            log.exception("a mistake in the operator", extra={"key": str(key)})
            message = f"{type(error).__name__}: {error}; see the operator's log"
            status = broken_status(obj, message, self._around.clock.now())
            return await self._tell_why_no_plan(room, obj, status, Verdict("InternalError", Again.BACKOFF, message))

    async def _run(self, key: ObjectKey, room: AnyRoom, obj: JsonObject, typed: Any) -> Verdict:
        self._refs.set(key, room.refs(typed))
        reads = room.reads(typed)
        observations = await observe(self._around.sources, reads)
        now = self._around.clock.now()
        world = room.world(typed, observations)
        memory = self._memory_of(key, obj)
        if isinstance(world, Unreadable):
            return await self._unreadable(room, obj, memory, world.why)
        plan = room.plan(world, now)
        held = memory.held(plan, now)
        decision = Decision(
            room=room,
            obj=obj,
            plan=plan,
            status=planned_status(obj, plan.state, plan.conditions, memory.refusals, now),
            live=observed_objects(reads, observations),
            covered=frozenset(child_key(c) for c in plan.children if listed(c, reads, observations)),
            held=held,
        )
        try:
            applied = await self._applier.apply(decision)
        except Conflict:
            memory.conflicts += 1
            raise
        memory.owed = room.owed({**obj, "status": decision.status})
        news = memory.learn(plan, applied, held, now)
        self._count(key, decision, applied)
        verdict = _verdict(decision, applied, memory, news, now)
        return replace(verdict, within=plan.wake, known=_known(decision, applied))

    def _count(self, key: ObjectKey, decision: Decision, applied: Applied) -> None:
        self._around.metrics.told(key, decision.room, decision.obj, decision.status)
        for effect in applied.effects_done:
            self._around.metrics.effects(type(effect).__name__, "Done")
        for effect in applied.effects_failed:
            self._around.metrics.effects(type(effect).__name__, "Failed")

    async def _unreadable(self, room: AnyRoom, obj: JsonObject, memory: Memory, why: str) -> Verdict:
        """A short outage costs only time; one that lasts is said, or Ready would stand although nobody looks."""
        now = self._around.clock.now()
        verdict = Verdict("Unreadable", Again.BACKOFF, why, within=LONGEST_BLIND_PAUSE)
        if not memory.blind(now):
            return verdict
        return await self._tell_why_no_plan(room, obj, blind_status(obj, why, room.doubtful, now), verdict)

    async def _invalid(self, room: AnyRoom, obj: JsonObject, reason: str, message: str) -> Verdict:
        status = invalid_status(obj, reason, message, self._around.clock.now())
        return await self._tell_why_no_plan(room, obj, status, Verdict(reason, Again.AT_REST, message))

    async def _hold(self, room: AnyRoom, obj: JsonObject, problem: UnknownState) -> Verdict:
        """Nothing is decided on a status that nobody here understands, and nothing of it is lost by being read here."""
        now = self._around.clock.now()
        status = held_status(obj, str(problem), problem.serves, problem.conditions, now)
        return await self._tell_why_no_plan(room, obj, status, Verdict(UNKNOWN, Again.AT_REST, str(problem)))

    async def _tell_why_no_plan(self, room: AnyRoom, obj: JsonObject, status: JsonObject, verdict: Verdict) -> Verdict:
        """Says it in the status; if even that fails, the run is tried again later."""
        try:
            written = await self._applier.write_status(obj, room, status)
            if written is not None:
                await self._applier.tell(room, obj, status)
                verdict = replace(verdict, known=frozenset({version_of(room.resource, written)}))
            self._around.metrics.told(key_of(room.resource, obj), room, obj, status)
        except Conflict as error:
            return Verdict("Conflict", Again.AFRESH, str(error))
        except (KubeError, StatusRefused) as error:
            return Verdict(verdict.outcome, Again.BACKOFF, f"{verdict.detail}; status not written: {error}")
        return verdict

    async def _note_what_is_owed(self, key: ObjectKey, room: AnyRoom, obj: JsonObject) -> None:
        """For the day when it is gone. What a gone namesake left is settled first, but for what this one goes on with."""
        memory = self._memory_of(key, obj)
        memory.owed = room.owed(obj)
        self._debts.settled(key, memory.owed)
        if self._debts.of(key):
            await self._settle(key)

    async def _settle(self, key: ObjectKey) -> Verdict:
        """The object is gone; what it left outside of the cluster is ended, if that can be done within the hour."""
        for effect in self._debts.given_up(key, self._around.clock.now()):
            log.warning("left undone for an object that is gone", extra={"key": str(key), "effect": str(effect)})
        applied = await self._applier.settle(key, self._debts.of(key))
        self._debts.settled(key, applied.effects_done)
        if applied.effects_failed:
            return Verdict("EffectFailed", Again.BACKOFF, "; ".join(applied.effects_failed.values()))
        if applied.fenced:
            return Verdict("Fenced", Again.BACKOFF, "effects wait: this process may no longer be the leader")
        return Verdict("Gone", Again.NEVER)

    def _memory_of(self, key: ObjectKey, obj: JsonObject) -> Memory:
        """A namesake that was made anew starts with an empty one."""
        memory = self._memory.get(key)
        if memory is None or memory.uid != uid_of(obj):
            if memory is not None:
                self._debts.owe(key, memory.owed, self._around.clock.now())
            memory = self._memory[key] = Memory(uid_of(obj))
        return memory

    def _forget(self, key: ObjectKey) -> None:
        self._refs.forget(key)
        memory = self._memory.pop(key, None)
        if memory is not None:
            self._debts.owe(key, memory.owed, self._around.clock.now())
        self._around.metrics.forget(key)


def _known(decision: Decision, applied: Applied) -> frozenset[Version]:
    read = {version_of(key.resource, obj) for key, obj in decision.live.items() if obj is not None}
    return frozenset({version_of(decision.room.resource, decision.obj), *read, *applied.versions})


def _verdict(decision: Decision, applied: Applied, memory: Memory, news: bool, now: datetime) -> Verdict:
    """Right again where the next step may rest on what was written: nobody wakes it for that, its own writes are known."""
    if applied.fenced:
        return Verdict("Fenced", Again.BACKOFF, "effects wait: this process may no longer be the leader")
    told = "; ".join(refusal.message for refusal in memory.refusals)
    if news:
        return Verdict("Refused" if told else "Accepted", Again.NOW, told)
    paused = memory.next_try(now)
    if applied.effects_failed:
        return Verdict("EffectFailed", paused or Again.NOW, "; ".join(applied.effects_failed.values()))
    if applied.effects_done:
        repeated = memory.effects.held(now)
        first = [effect for effect in applied.effects_done if effect not in repeated]
        if first:
            return Verdict("EffectDone", Again.NOW, changed=changed_by(first))
        # The same effects once more: what they did does not show yet, so look again later rather than at once.
        return Verdict("EffectRepeated", paused or Again.BACKOFF)
    wake = min((wait for wait in (decision.plan.wake, paused) if wait is not None), default=Again.AT_REST)
    if memory.refusals:
        return Verdict("Refused", wake, told)
    if applied.children_written or _moved(decision):
        return Verdict("Changed", Again.NOW)
    return Verdict("Changed" if applied.status_written else "Unchanged", wake)


def _moved(decision: Decision) -> bool:
    """Whether something was written that the next step may rest on."""
    obj, steps = decision.obj, decision.room.steps
    stored = {**obj, "status": decision.status}
    return told_to_others(obj, steps(obj)) != told_to_others(stored, steps(stored))
