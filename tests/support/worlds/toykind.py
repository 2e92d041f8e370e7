"""A small kind for the engine's own stories: one ConfigMap child, one effect, conditions. Its spec steers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.fakes.clock import START
from tests.support.fakes.kube import FakeKube

from bucle.engine.objects import CONFIG_MAP, JsonObject, Ref, object_ref, owner_reference
from bucle.engine.plan import Child, Deletion, EffectFailed, Plan
from bucle.engine.reads import Absent, Known, ListObjects, Observation, Observations, Reads, Unavailable, known_or
from bucle.engine.room import Room, Unreadable, unreadable
from bucle.engine.status import ConditionUpdate, ready, reconciling
from bucle.resources.addresses import DATASET
from bucle.resources.base import Status
from bucle.resources.dataset_status import DatasetStatus, DatasetVersion


@dataclass(frozen=True)
class Tagged:
    """Read: is the thing tagged in the fake external?"""

    name: str


@dataclass(frozen=True)
class Tag:
    """Effect: tag it. Whoever points to the tag is woken."""

    name: str

    @property
    def changes(self) -> Ref:
        return Ref("tags", self.name)


@dataclass
class FakeTags:
    """An external system with tags; `down` makes it unavailable, `blind` hides what was done."""

    place = "the tag service"

    kube: FakeKube | None = None
    tags: list[str] = field(default_factory=list)
    down: bool = False
    blind: bool = False
    calls: int = 0

    async def read(self, read: Tagged) -> Observation[bool]:
        at = self.kube.clock.now() if self.kube else START
        if self.down:
            return Unavailable("the tag service is down")
        return Known(True, at) if read.name in self.tags and not self.blind else Absent(at)

    async def execute(self, effect: Tag) -> None:
        self.calls += 1
        if self.down:
            raise EffectFailed("the tag service is down")
        self.tags.append(effect.name)
        if self.kube:
            self.kube.count_write()


def child_of(obj: JsonObject) -> Child:
    """Data `fixed` is created only; data `value` follows the spec."""
    metadata: dict[str, Any] = {
        "name": f"{obj['metadata']['name']}-settings",
        "namespace": obj["metadata"]["namespace"],
        "labels": {"bucle.dev/uid": obj["metadata"]["uid"]},
        "ownerReferences": [owner_reference(DATASET, obj)],
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"fixed": "at birth"},
    }
    value = str(obj["spec"].get("value", "none"))
    return Child(CONFIG_MAP, manifest, {"data": {"value": value}}, guarded=bool(obj["spec"].get("guarded")))


@dataclass(frozen=True)
class ToyWorld:
    obj: JsonObject
    tagged: Observation[bool]
    children: tuple[JsonObject, ...]


def refs(obj: JsonObject) -> frozenset[Ref]:
    spec = obj["spec"]
    found = {object_ref(DATASET, obj["metadata"]["namespace"], spec["follows"])} if spec.get("follows") else set()
    return frozenset(found | ({Ref("tags", spec["heeds"])} if spec.get("heeds") else set()))


def reads(obj: JsonObject) -> Reads:
    metadata = obj["metadata"]
    children = ListObjects(CONFIG_MAP, metadata["namespace"], (("bucle.dev/uid", metadata["uid"]),), metadata["uid"])
    return {"children": children, "tagged": Tagged(metadata["name"])}


def world(obj: JsonObject, observations: Observations) -> ToyWorld | Unreadable:
    if (unseen := unreadable(observations, ("children",))) is not None:
        return unseen
    return ToyWorld(obj, observations["tagged"], known_or(observations["children"], ()))


def plan(world: ToyWorld, now: datetime) -> Plan:
    spec = world.obj["spec"]
    if spec.get("poison"):
        raise KeyError("a mistake in the plan")
    wants_tag = spec.get("tag") and isinstance(world.tagged, Absent)
    waiting = isinstance(world.tagged, Unavailable)
    says = reconciling("Building", "waits for tags") if waiting or wants_tag else ready("VersionReady", "all is done")
    unwanted = tuple(
        Deletion(CONFIG_MAP, item["metadata"]["namespace"], item["metadata"]["name"], item["metadata"]["uid"])
        for item in world.children
        if item["metadata"]["name"].endswith("-old")
    )
    counted = ((world.obj.get("status") or {}).get("current") or {}).get("rows", 0) + 1
    return Plan(
        state=DatasetStatus(current=DatasetVersion(rows=counted)) if spec.get("counts") else Status(),
        conditions=(*says, ConditionUpdate("Toy", "True", "Toy", "it plays")),
        children=(child_of(world.obj),),
        deletions=unwanted,
        effects=(Tag(world.obj["metadata"]["name"]),) if wants_tag else (),
        wake=timedelta(seconds=spec["look"]) if "look" in spec else None,
    )


def nothing(_: Any) -> None:
    """Its state only counts looks."""


ROOM: Room[JsonObject, ToyWorld] = Room(
    DATASET, lambda raw: raw, refs, reads, world, plan, (CONFIG_MAP,), steps=nothing
)
