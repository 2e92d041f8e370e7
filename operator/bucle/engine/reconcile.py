"""One run of one object: read, observe, plan, apply; and what each way of failing means for the next run.

Knows kinds only by the functions of their rooms. Never raises for one object's sake: a poisonous object must not stop others.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypeAlias

from bucle.engine.apply import Applied, Applier, Decision
from bucle.engine.children import child_key, listed, observed_objects
from bucle.engine.clock import Clock
from bucle.engine.kube import Conflict, Kube, KubeError, NotFound
from bucle.engine.leader import Fence
from bucle.engine.metrics import Metrics
from bucle.engine.objects import JsonObject, ObjectKey, Ref, key_of, uid_of
from bucle.engine.plan import Effect, Executors, Plan, changed_by
from bucle.engine.room import AnyRoom, SpecInvalid, Unreadable
from bucle.engine.sources import Sources, observe
from bucle.engine.status import Refusal, broken_status, invalid_status, planned_status
from bucle.resources.documents import InvalidResource

RESYNC = timedelta(minutes=10)
REFUSAL_MESSAGE_HOLD = timedelta(seconds=30)
"""How long a refusal keeps its first message. A webhook that names each request would make every run write anew."""

log = logging.getLogger(__name__)


class Again(Enum):
    """When to run again, if not after a time."""

    NOW = "now"
    BACKOFF = "backoff"
    NEVER = "never"


Next: TypeAlias = Again | timedelta


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ended, in one word for logs and metrics, and when the next one is due.

    `within` is the plan's own wish: it holds even when the run is tried again for another reason. `changed`: what
    this run changed outside of Kubernetes.
    """

    outcome: str
    next: Next
    detail: str = ""
    within: timedelta | None = None
    changed: frozenset[Ref] = frozenset()


@dataclass(slots=True)
class _Memory:
    """What one run of one object leaves to the next. Losing it costs one repeated request, never a wrong decision."""

    uid: str = ""
    refusals: tuple[Refusal, ...] = ()
    refused_at: datetime | None = None
    effects: frozenset[Effect] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Surroundings:
    """Everything a run needs from outside. `sources` and `executors` are looked up by the type of read or effect."""

    kube: Kube
    sources: Sources
    executors: Executors
    fence: Fence
    clock: Clock
    metrics: Metrics


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
        self._applier = Applier(around.kube, around.executors, around.fence, around.clock)
        self._memory: dict[ObjectKey, _Memory] = {}

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
            return Verdict("Gone", Again.NEVER)
        except KubeError as error:
            return Verdict("Unavailable", Again.BACKOFF, str(error))
        if obj["metadata"].get("deletionTimestamp"):
            # Looked at again: its end may be missed while the watch is away, and what is gone must be forgotten.
            return Verdict("Deleting", RESYNC)
        try:
            typed = room.parse(obj)
        except InvalidResource as error:
            return await self._invalid(room, obj, SpecInvalid.reason, str(error))
        try:
            return await self._run(key, room, obj, typed)
        except SpecInvalid as error:
            return await self._invalid(room, obj, error.reason, str(error))
        except Conflict as error:
            return Verdict("Conflict", Again.NOW, str(error))
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
        if isinstance(world, Unreadable):
            return Verdict("Unreadable", Again.BACKOFF, world.why)
        plan = room.plan(world, now)
        memory = self._memory_of(key, obj)
        decision = Decision(
            room=room,
            obj=obj,
            plan=plan,
            status=planned_status(obj, plan.state, plan.conditions, memory.refusals, now),
            live=observed_objects(reads, observations),
            covered=frozenset(child_key(c) for c in plan.children if listed(c, reads, observations)),
        )
        applied = await self._applier.apply(decision)
        self._around.metrics.conditions(key, decision.status)
        for effect in applied.effects_done:
            self._around.metrics.effects(type(effect).__name__, "Done")
        for failed in applied.effects_failed:
            self._around.metrics.effects(failed.partition(":")[0], "Failed")
        return replace(_verdict(plan, applied, memory, now), within=plan.wake)

    async def _invalid(self, room: AnyRoom, obj: JsonObject, reason: str, message: str) -> Verdict:
        status = invalid_status(obj, reason, message, self._around.clock.now())
        return await self._tell_why_no_plan(room, obj, status, Verdict(reason, RESYNC, message))

    async def _tell_why_no_plan(self, room: AnyRoom, obj: JsonObject, status: JsonObject, verdict: Verdict) -> Verdict:
        """Says it in the status; if even that fails, the run is tried again later."""
        try:
            if await self._applier.write_status(obj, room, status):
                await self._applier.tell(room, obj, status)
            self._around.metrics.conditions(key_of(room.resource, obj), status)
        except Conflict as error:
            return Verdict("Conflict", Again.NOW, str(error))
        except KubeError as error:
            return Verdict(verdict.outcome, Again.BACKOFF, f"{verdict.detail}; status not written: {error}")
        return verdict

    def _memory_of(self, key: ObjectKey, obj: JsonObject) -> _Memory:
        """A namesake that was made anew starts with an empty one."""
        memory = self._memory.get(key)
        if memory is None or memory.uid != uid_of(obj):
            memory = self._memory[key] = _Memory(uid_of(obj))
        return memory

    def _forget(self, key: ObjectKey) -> None:
        self._refs.forget(key)
        self._memory.pop(key, None)
        self._around.metrics.forget(key)


def _verdict(plan: Plan, applied: Applied, memory: _Memory, now: datetime) -> Verdict:
    before, ran_before = memory.refusals, memory.effects
    refusals, ran = _with_stable_message(tuple(applied.refusals), memory, now), frozenset(applied.effects_done)
    if refusals != before:
        memory.refusals, memory.refused_at = refusals, now
    memory.effects = ran
    if applied.fenced:
        return Verdict("Fenced", Again.BACKOFF, "effects wait: this process may no longer be the leader")
    if refusals != before:
        return Verdict("Refused" if refusals else "Accepted", Again.NOW, "; ".join(r.message for r in refusals))
    if applied.effects_failed:
        return Verdict("EffectFailed", Again.BACKOFF, "; ".join(applied.effects_failed))
    if ran - ran_before:
        return Verdict("EffectDone", Again.NOW, changed=changed_by(ran - ran_before))
    if ran:
        # The same effects once more: what they did does not show yet, so look again later rather than at once.
        return Verdict("EffectRepeated", Again.BACKOFF)
    if refusals:
        return Verdict("Refused", Again.BACKOFF, "; ".join(r.message for r in refusals))
    written = applied.status_written or applied.children_written
    return Verdict("Changed" if written else "Unchanged", plan.wake or RESYNC)


def _with_stable_message(refusals: tuple[Refusal, ...], memory: _Memory, now: datetime) -> tuple[Refusal, ...]:
    """The refusals in the words to be told: those told lately, if only the words differ."""
    same = [(r.kind, r.name, r.reason) for r in refusals] == [(r.kind, r.name, r.reason) for r in memory.refusals]
    lately = memory.refused_at is not None and now - memory.refused_at < REFUSAL_MESSAGE_HOLD
    return memory.refusals if same and lately else refusals
