"""Carries out one plan in the one order that is safe to interrupt: status, children, deletions, effects, events.

The status goes first, with the resourceVersion that was read: what a child or an effect needs to be recognised
later is recorded before it exists, and a second process that decided on older facts stops at its 409.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from bucle.contracts.measures import NOTHING
from bucle.engine.children import Contest, Live, adjustment, child_key, contest_of, manifest_to_create, not_ours
from bucle.engine.clock import Clock
from bucle.engine.events import RECENT, events, happened, recent_news
from bucle.engine.kube import AlreadyExists, Conflict, Forbidden, Invalid, Kube, KubeError, NotFound
from bucle.engine.leader import Fence
from bucle.engine.metrics import measured
from bucle.engine.objects import EVENT, JsonObject, ObjectKey, Version, controller_uid, key_of, uid_of, version_of
from bucle.engine.plan import Child, Deletion, Effect, EffectFailed, EffectRefused, Executors, Plan
from bucle.engine.room import AnyRoom
from bucle.engine.status import Refusal

EFFECT_LIMIT_SECONDS = 10.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """What a run leaves out because it was tried in vain lately: each with what is told of it meanwhile.

    `contested`: children whose fields somebody else sets again and again. `patient`: a conflict may still pass by itself.
    """

    effects: frozenset[Effect] = frozenset()
    children: Mapping[ObjectKey, Refusal] = field(default_factory=dict)
    contested: frozenset[ObjectKey] = frozenset()
    patient: bool = True


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
    held: Held = Held()


@dataclass(slots=True)
class Applied:
    """What happened. `versions`: what the writes left behind; their events tell nothing new. `reverted`: children that were
    set back although their intent had not changed. `effects_refused`: those that failed and would fail again as they are.
    `fenced`: effects were left out because another process may be leading.
    """

    status_written: bool = False
    children_written: int = 0
    refusals: dict[ObjectKey, Refusal] = field(default_factory=dict)
    reverted: dict[ObjectKey, Contest] = field(default_factory=dict)
    effects_done: list[Effect] = field(default_factory=list)
    effects_failed: dict[Effect, str] = field(default_factory=dict)
    effects_refused: set[Effect] = field(default_factory=set)
    versions: set[Version] = field(default_factory=set)
    fenced: bool = False


class StatusRefused(Exception):
    """The server does not take the status as it is; it would not take it later either."""


def nobody(_: JsonObject) -> None:
    """Hears of Events in an installation without sinks."""


class Applier:
    """Raises Conflict when the run must start over, Unavailable when the API server does not answer."""

    def __init__(
        self, kube: Kube, executors: Executors, fence: Fence, clock: Clock, heard: Callable[[JsonObject], None] = nobody
    ) -> None:
        self._heard = heard
        self._kube = kube
        self._executors = executors
        self._fence = fence
        self._clock = clock

    async def apply(self, decision: Decision) -> Applied:
        done = Applied()
        written = await self.write_status(decision.obj, decision.room, decision.status)
        done.status_written = written is not None
        if written is not None:
            done.versions.add(version_of(decision.room.resource, written))
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
            await self._delete(decision, deletion, done)
        due = [effect for effect in decision.plan.effects if effect not in decision.held.effects]
        await self._effects(key_of(decision.room.resource, decision.obj), due, done)

    async def settle(self, key: ObjectKey, owed: Iterable[Effect]) -> Applied:
        """Carries out what is owed for an object that is gone."""
        done = Applied()
        await self._effects(key, owed, done)
        return done

    async def _effects(self, key: ObjectKey, effects: Iterable[Effect], done: Applied) -> None:
        for effect in effects:
            if not self._fence.may_act():
                done.fenced = True
                break
            await self._effect(key, effect, done)

    async def _tell_what_was_written(self, decision: Decision, done: Applied) -> None:
        if done.status_written:
            await self.tell(decision.room, decision.obj, decision.status)

    async def write_status(self, obj: JsonObject, room: AnyRoom, status: JsonObject) -> JsonObject | None:
        """Replaces the stored status if it differs; the object as it is then, or None if no request was made."""
        if status == (obj.get("status") or {}):
            return None
        body = {**obj, "apiVersion": room.resource.api_version, "kind": room.resource.kind, "status": status}
        try:
            return await self._kube.replace_status(room.resource, body)
        except Invalid as error:
            raise StatusRefused(str(error)) from error

    async def tell(self, room: AnyRoom, obj: JsonObject, status: JsonObject) -> None:
        """Events are a courtesy: what cannot be told is logged and never stops the run."""
        once = happened(measured(room, obj), measured(room, {**obj, "status": status}))
        await self._write(room, obj, events(room.resource, obj, status, once, self._clock.now()))

    async def tell_what_is_untold(self, room: AnyRoom, obj: JsonObject) -> None:
        """The first look of a process at an object: the one before may have died between a status and its Event, or before a
        sink took what the Event tells."""
        once = happened(NOTHING, measured(room, obj))
        if not (news := recent_news(room.resource, obj, once, self._clock.now())):
            return
        try:
            chosen = {"involvedObject.uid": uid_of(obj)}
            told = await self._kube.list(EVENT, obj["metadata"]["namespace"], fields=chosen)
        except KubeError as error:
            log.warning("events not read", extra={"key": str(key_of(room.resource, obj)), "error": str(error)})
            return
        stored = {event["metadata"]["name"]: event["metadata"] for event in told}
        missing = []
        for event, age, certain in news:
            metadata = stored.get(event["metadata"]["name"])
            if metadata is None and certain and age < RECENT:
                missing.append(event)
            elif metadata is not None and metadata.get("labels") == event["metadata"]["labels"]:
                event["metadata"]["annotations"] = metadata.get("annotations") or {}
                self._heard(event)
        await self._write(room, obj, missing)

    async def _write(self, room: AnyRoom, obj: JsonObject, found: Iterable[JsonObject]) -> None:
        for event in found:
            try:
                await self._kube.create(EVENT, event)
            except AlreadyExists:
                continue
            except KubeError as error:
                log.warning("event not written", extra={"key": str(key_of(room.resource, obj)), "error": str(error)})
            self._heard(event)

    async def _child(self, decision: Decision, child: Child, done: Applied) -> None:
        key = child_key(child)
        if key in decision.held.children:
            done.refusals[key] = decision.held.children[key]
            return
        try:
            live = await self._live_or_made(decision, child, done)
            if live is None or live["metadata"].get("deletionTimestamp"):
                return
            if controller_uid(live) != uid_of(decision.obj):
                done.refusals[key] = not_ours(child, live, decision.obj)
                return
            await self._adjust(decision, child, live, done)
        except (Invalid, Forbidden) as error:
            done.refusals[key] = _refused(child, str(error))
        except (NotFound, Conflict) as error:
            # It changed or vanished between our look and our write: what was decided rests on a fact that no longer holds.
            if decision.held.patient:
                raise Conflict(f"{child.resource.kind} {child.name} changed meanwhile: {error}") from error
            done.refusals[key] = _refused(child, f"somebody else writes it all the time: {error}")

    async def _live_or_made(self, decision: Decision, child: Child, done: Applied) -> JsonObject | None:
        """The live object; None if it was made just now, as it is wanted, or if what holds its name is being deleted."""
        live = await self._live(decision, child)
        if live is not None:
            return live
        try:
            made = await self._kube.create(child.resource, manifest_to_create(child))
        except AlreadyExists:
            return await self._kube.get(*child_key(child))
        except NotFound as error:
            raise Invalid(str(error)) from error  # its namespace or its kind does not exist: no look will change that
        done.versions.add(version_of(child.resource, made))
        done.children_written += 1
        return None

    async def _adjust(self, decision: Decision, child: Child, live: JsonObject, done: Applied) -> None:
        wanted = adjustment(child, live)
        if wanted is None:
            return
        contest = contest_of(child, live)
        if contest is not None:
            done.reverted[child_key(child)] = contest
            if child_key(child) in decision.held.contested:
                return
        applied = await (self._kube.merge if child.exact else self._kube.apply)(child.resource, wanted)
        done.versions.add(version_of(child.resource, applied))
        if contest is None:
            done.children_written += 1

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

    async def _delete(self, decision: Decision, deletion: Deletion, done: Applied) -> None:
        key = ObjectKey(deletion.resource, deletion.namespace, deletion.name)
        if key in decision.held.children:
            done.refusals[key] = decision.held.children[key]
            return
        try:
            # Conflict: the name belongs to another object by now, which is none of this plan's business.
            with contextlib.suppress(NotFound, Conflict):
                await self._kube.delete(*key, deletion.uid)
        except (Invalid, Forbidden) as error:
            message = f"the API server refuses to delete {deletion.resource.kind} {deletion.name}: {error}"
            done.refusals[key] = Refusal(deletion.resource.kind, deletion.name, "ChildRefused", message)

    async def _effect(self, key: ObjectKey, effect: Effect, done: Applied) -> None:
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
            done.effects_failed[effect] = f"{name}: not done within {limit:g} s by {executor.place}"
        except (EffectFailed, KubeError) as error:
            done.effects_failed[effect] = f"{name}: {error}"
            if isinstance(error, EffectRefused):
                done.effects_refused.add(effect)
        except Exception as error:
            log.exception("executor failed", extra={"key": str(key)})
            done.effects_failed[effect] = f"{name}: {type(error).__name__}: {error}"


def _refused(child: Child, why: str) -> Refusal:
    message = f"the API server refuses {child.resource.kind} {child.name}: {why}"
    return Refusal(child.resource.kind, child.name, "ChildRefused", message)
