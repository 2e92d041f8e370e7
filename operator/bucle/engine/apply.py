"""Carries out one plan in the one order that is safe to interrupt: status, children, deletions, effects, events.

The status goes first, with the resourceVersion that was read: what a child or an effect needs to be recognised
later is recorded before it exists, and a second process that decided on older facts stops at its 409.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field

from bucle.contracts.canonical import canonical_json
from bucle.engine.children import Live, adjustment, child_key, manifest_to_create
from bucle.engine.clock import Clock
from bucle.engine.events import changed_conditions, event_for
from bucle.engine.kube import AlreadyExists, Conflict, Forbidden, Invalid, Kube, KubeError, NotFound
from bucle.engine.leader import Fence
from bucle.engine.objects import EVENT, JsonObject, ObjectKey, controller_uid, key_of, uid_of
from bucle.engine.plan import Child, Deletion, Effect, EffectFailed, Executors, Plan
from bucle.engine.room import AnyRoom
from bucle.engine.status import Refusal

EFFECT_LIMIT_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """A plan together with what it was made from: the object as read, and every child seen in the same run.

    `status` is as it is to be stored: the plan's state with the engine's conditions. `covered` names the children that some list would have
    shown: for these an absence is known without another request.
    """

    room: AnyRoom
    obj: JsonObject
    plan: Plan
    status: JsonObject
    live: Live
    covered: frozenset[ObjectKey] = frozenset()


@dataclass(slots=True)
class Applied:
    """What happened. `fenced`: effects were left out because another process may be leading by now."""

    status_written: bool = False
    children_written: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    effects_done: list[Effect] = field(default_factory=list)
    effects_failed: list[str] = field(default_factory=list)
    fenced: bool = False


class Applier:
    """Raises Conflict when the run must start over, Unavailable when the API server does not answer."""

    def __init__(self, kube: Kube, executors: Executors, fence: Fence, clock: Clock) -> None:
        self._kube = kube
        self._executors = executors
        self._fence = fence
        self._clock = clock

    async def apply(self, decision: Decision) -> Applied:
        done = Applied()
        done.status_written = await self.write_status(decision.obj, decision.room, decision.status)
        try:
            await self._carry_out(decision, done)
        except Exception:
            # The next run finds the status as it is now and no change in it: told now or never.
            await self._tell_what_was_written(decision, done)
            raise
        await self._tell_what_was_written(decision, done)
        return done

    async def _carry_out(self, decision: Decision, done: Applied) -> None:
        for child in decision.plan.children:
            await self._child(decision, child, done)
        for deletion in decision.plan.deletions:
            await self._delete(deletion)
        for effect in decision.plan.effects:
            if not self._fence.may_act():
                done.fenced = True
                break
            await self._effect(decision, effect, done)

    async def _tell_what_was_written(self, decision: Decision, done: Applied) -> None:
        if done.status_written:
            await self.tell(decision.room, decision.obj, decision.status)

    async def write_status(self, obj: JsonObject, room: AnyRoom, status: JsonObject) -> bool:
        """Replaces the stored status if it differs; True if a request was made."""
        if canonical_json(status) == canonical_json(obj.get("status") or {}):
            return False
        body = {**obj, "apiVersion": room.resource.api_version, "kind": room.resource.kind, "status": status}
        await self._kube.replace_status(room.resource, body)
        return True

    async def tell(self, room: AnyRoom, obj: JsonObject, status: JsonObject) -> None:
        """Events are a courtesy: what cannot be told is logged and never stops the run."""
        for said in changed_conditions(obj.get("status") or {}, status):
            event = event_for(room.resource, obj, said, self._clock.now())
            try:
                await self._kube.create(EVENT, event)
            except AlreadyExists:
                continue
            except KubeError as error:
                log.warning("event not written", extra={"key": str(key_of(room.resource, obj)), "error": str(error)})

    async def _child(self, decision: Decision, child: Child, done: Applied) -> None:
        try:
            live = await self._live(decision, child)
            if live is None:
                try:
                    await self._kube.create(child.resource, manifest_to_create(child))
                    done.children_written += 1
                    return
                except AlreadyExists:
                    live = await self._kube.get(*child_key(child))
            if controller_uid(live) != uid_of(decision.obj):
                done.refusals.append(_name_taken(child))
                return
            if live["metadata"].get("deletionTimestamp"):
                return
            wanted = adjustment(child, live)
            if wanted is not None:
                await self._kube.apply(child.resource, wanted)
                done.children_written += 1
        except (Invalid, Forbidden) as error:
            message = f"the API server refuses {child.resource.kind} {child.name}: {error}"
            done.refusals.append(Refusal(child.resource.kind, child.name, "ChildRefused", message))
        except NotFound as error:
            # It vanished between our look and our write: what was decided rests on a fact that no longer holds.
            raise Conflict(f"{child.resource.kind} {child.name} is gone meanwhile: {error}") from error

    async def _live(self, decision: Decision, child: Child) -> JsonObject | None:
        key = child_key(child)
        if key in decision.live:
            return decision.live[key]
        if key in decision.covered:
            return None
        try:
            return await self._kube.get(*key)
        except NotFound:
            return None

    async def _delete(self, deletion: Deletion) -> None:
        # Conflict: the name belongs to another object by now, which is none of this plan's business.
        with contextlib.suppress(NotFound, Conflict):
            await self._kube.delete(deletion.resource, deletion.namespace, deletion.name, deletion.uid)

    async def _effect(self, decision: Decision, effect: Effect, done: Applied) -> None:
        name = type(effect).__name__
        executor = self._executors.get(type(effect))
        if executor is None:
            raise LookupError(f"no executor is registered for {name}: register it in bucle.app")
        # An effect that hangs must not outlast the Lease under which it began.
        limit = min(EFFECT_LIMIT_SECONDS, self._fence.seconds_left())
        try:
            async with asyncio.timeout(limit):
                await executor.execute(effect)
            done.effects_done.append(effect)
        except TimeoutError:
            done.effects_failed.append(f"{name}: not done within {limit:g} s")
        except (EffectFailed, KubeError) as error:
            done.effects_failed.append(f"{name}: {error}")
        except Exception as error:
            log.exception("executor failed", extra={"key": str(key_of(decision.room.resource, decision.obj))})
            done.effects_failed.append(f"{name}: {type(error).__name__}: {error}")


def _name_taken(child: Child) -> Refusal:
    message = (
        f"{child.resource.kind} {child.name} exists and does not belong to this object; "
        "rename or delete it, it is never taken over"
    )
    return Refusal(child.resource.kind, child.name, "NameTaken", message)
