"""What must be done about one child, given the live object or its absence. Pure."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bucle.contracts.canonical import short_hash
from bucle.contracts.names import ANNOTATION_APPLIED
from bucle.engine.kube import FIELD_MANAGER
from bucle.engine.objects import JsonObject, ObjectKey, annotations_of, controller_of, key_of, uid_of
from bucle.engine.plan import Child
from bucle.engine.reads import Absent, GetObject, Known, ListObjects, Observations, Reads
from bucle.engine.status import Refusal
from bucle.resources.quantity import same_amounts

Live = Mapping[ObjectKey, JsonObject | None]


def observed_objects(reads: Reads, observations: Observations) -> Live:
    """Every object that this run has seen, by key; None for one that was asked for by name and does not exist."""
    seen: dict[ObjectKey, JsonObject | None] = {}
    for name, read in reads.items():
        answer = observations[name]
        if isinstance(read, GetObject):
            key = ObjectKey(read.resource, read.namespace, read.name)
            if isinstance(answer, Known):
                seen[key] = answer.value
            elif isinstance(answer, Absent):
                seen.setdefault(key, None)
        elif isinstance(read, ListObjects) and isinstance(answer, Known):
            seen.update({key_of(read.resource, item): item for item in answer.value})
    return seen


def listed(child: Child, reads: Reads, observations: Observations) -> bool:
    """Whether some list of this run would have shown the child if it existed with its labels and owner."""
    metadata = child.manifest["metadata"]
    labels = metadata.get("labels") or {}
    return any(
        isinstance(read, ListObjects)
        and isinstance(observations[name], Known)
        and read.resource == child.resource
        and read.namespace == metadata["namespace"]
        and all(labels.get(label) == value for label, value in read.labels)
        for name, read in reads.items()
    )


def manifest_to_create(child: Child) -> JsonObject:
    """The manifest as it is posted: with what `adjust` wants already in it, and marked with the hash of that."""
    manifest = copy.deepcopy(child.manifest)
    if child.adjust is not None:
        manifest = _merged(manifest, _without_nulls(child.adjust))
        annotations = manifest["metadata"].get("annotations") or {}
        manifest["metadata"]["annotations"] = {**annotations, ANNOTATION_APPLIED: applied_hash(child.adjust)}
    return manifest


def applied_hash(adjust: JsonObject) -> str:
    return short_hash(adjust, 16)


def adjustment(child: Child, live: JsonObject) -> JsonObject | None:
    """What to apply server-side so that the live object is as `adjust` wants; None when it already is.

    The hash notices an intent that changed, the comparison a live object that somebody else changed.
    """
    if child.adjust is None and child.kept is None:
        return None
    intent = _intent(child)
    if not _asked_anew(child, live) and not any(_edited(live, path) for path in differing(live, intent)):
        return None
    wanted = _merge_patch(live, intent) if child.exact else intent
    metadata = wanted.get("metadata", {})
    mark = annotations_of(live).get(ANNOTATION_APPLIED) if child.adjust is None else applied_hash(child.adjust)
    wanted["apiVersion"], wanted["kind"] = child.resource.api_version, child.resource.kind
    wanted["metadata"] = {
        **metadata,
        "name": child.name,
        "namespace": child.manifest["metadata"]["namespace"],
        "uid": uid_of(live),
        "annotations": {**metadata.get("annotations", {}), ANNOTATION_APPLIED: mark},
    }
    if child.guarded:
        wanted["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
    return wanted


def _asked_anew(child: Child, live: JsonObject) -> bool:
    """Whether what is asked for is not what was applied last."""
    return child.adjust is not None and annotations_of(live).get(ANNOTATION_APPLIED) != applied_hash(child.adjust)


def _intent(child: Child) -> JsonObject:
    """What of the child is as it is wanted: `adjust`, `kept`, and the labels by which lists, Services and people find it."""
    intent = _merged(copy.deepcopy(child.adjust or {}), child.kept or {})
    labels = child.manifest["metadata"].get("labels")
    return _merged(intent, {"metadata": {"labels": dict(labels)}}) if labels else intent


def _merge_patch(live: Any, wanted: Any, key: str = "", *, alone: bool = False) -> Any:
    """The patch after which `live` has what is wanted, and where that is one value, nothing else."""
    if _is_by_name(key, wanted) and isinstance(live, list):
        return _items_patched(live, wanted, key)
    if not isinstance(wanted, Mapping):
        return _without_nulls(wanted)
    there = live if isinstance(live, Mapping) else {}
    patch = {
        name: _merge_patch(there.get(name), value, name, alone=alone or name in _ATOMIC or name in _WRITTEN_WHOLE)
        for name, value in wanted.items()
    }
    return {**dict.fromkeys(set(there) - set(wanted)), **patch} if alone else patch


def _items_patched(live: list[JsonObject], wanted: list[JsonObject], key: str) -> list[JsonObject]:
    """The whole list, as a merge patch asks for: ours as they are wanted, others as they are."""
    ours = {item["name"]: item for item in wanted}
    items = [_item_patched(item, ours[item["name"]], key) if item.get("name") in ours else item for item in live]
    place = 0
    for item in wanted:
        names = [there.get("name") for there in items]
        if item["name"] not in names:
            items.insert(place, _without_nulls(item))
        place = names.index(item["name"]) + 1 if item["name"] in names else place + 1
    return items


def _item_patched(live: JsonObject, wanted: JsonObject, key: str) -> JsonObject:
    if key in _WRITTEN_WHOLE:
        return wanted
    kept = {name: value for name, value in live.items() if name not in wanted}
    over = {
        name: _items_patched(live[name], value, name) if _is_by_name(name, value) and name in live else value
        for name, value in wanted.items()
    }
    patched: JsonObject = _without_nulls({**kept, **over})
    return patched


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


_ATOMIC = frozenset({"selector"})
"""Maps that are one value to the API server: a key that somebody added to a Service's selector empties the Service."""

_WRITTEN_WHOLE = frozenset({"nodeSelector", "env"})
"""What is replaced where it is written: a key that is asked for no more would stay, and a variable cannot have two values."""

_BY_NAME = frozenset({"containers", "env"})
"""Lists of named items in a pod template: a container or a variable that a webhook put beside ours is none of our business."""


def _is_by_name(key: str, wanted: Any) -> bool:
    return key in _BY_NAME and _named(wanted)


def _item(items: Any, name: str) -> Any:
    return next((item for item in items if item.get("name") == name), None) if isinstance(items, list) else None


_AMOUNTS = frozenset({"requests", "limits"})
"""Maps of quantities: the API server stores `1024Mi` as `1Gi`, which is no edit of anybody's."""


def contains(live: Any, wanted: Any) -> bool:
    """Whether every field set in `wanted` has that value in `live`; the server may have added others."""
    return next(differing(live, wanted), None) is None


def differing(live: Any, wanted: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The innermost fields of `wanted` that `live` does not have so. A list without names is one field: it is owned whole."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for key, value in wanted.items():
            yield from _differing_field(live.get(key), value, str(key), (*path, str(key)))
    elif isinstance(wanted, list) and isinstance(live, list):
        if len(live) != len(wanted) or not all(map(contains, live, wanted)):
            yield path
    elif live != wanted:
        yield path


def _differing_field(live: Any, wanted: Any, key: str, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """One field, by what its name says of its shape. Nothing is wanted where null is, and no field is as good as null."""
    if wanted is None or key in _ATOMIC:
        if live != wanted:
            yield path
    elif key in _AMOUNTS and isinstance(live, Mapping) and isinstance(wanted, Mapping):
        yield from ((*path, name) for name, asked in wanted.items() if not same_amounts(live.get(name), asked))
    elif _is_by_name(key, wanted):
        for item in wanted:
            yield from differing(_item(live, item["name"]), item, (*path, item["name"]))
    else:
        yield from differing(live, wanted, path)


@dataclass(frozen=True, slots=True)
class Contest:
    """Fields of a child that somebody else has set, and who. A person does so once, a program again and again."""

    kind: str
    name: str
    fields: str
    others: str

    def once(self) -> Refusal:
        message = (
            f"{self.kind} {self.name}: {self.fields} set by {self.others}, against what this object asks for: "
            "it was set back; change this object instead"
        )
        return Refusal(self.kind, self.name, "FieldSetBack", message)

    def again(self) -> Refusal:
        message = (
            f"{self.kind} {self.name}: {self.fields} set by {self.others} again and again, against what this object asks "
            "for; remove that scaler, webhook or controller from it, or ask for the same"
        )
        return Refusal(self.kind, self.name, "FieldContested", message)


def contest_of(child: Child, live: JsonObject) -> Contest | None:
    """Which fields differ although the intent is the one that was applied last: somebody else has set them since."""
    if _asked_anew(child, live):
        return None
    fields = [path for path in differing(live, _intent(child)) if _edited(live, path)]
    others = sorted({name for path in fields for name in _owners(live, path)} - {FIELD_MANAGER})
    names = ", ".join(".".join(path) for path in fields[:5])
    said = f"{names} {'are' if len(fields) > 1 else 'is'}"
    return Contest(child.resource.kind, child.name, said, " and ".join(others) or "somebody else")


def not_ours(child: Child, live: JsonObject, obj: JsonObject) -> Refusal:
    """Why the child's name cannot be had. What an earlier object of the same name left behind is collected by itself."""
    kind, name, owner = child.resource.kind, child.name, controller_of(live)
    if owner is not None and (owner.get("kind"), owner.get("name")) == (obj.get("kind"), obj["metadata"]["name"]):
        message = f"{kind} {name} of an earlier {owner['kind']} {owner['name']} is about to be deleted by the garbage collector"
        return Refusal(kind, name, "AwaitingDeletion", message)
    message = f"{kind} {name} exists and does not belong to this object; rename or delete it, it is never taken over"
    return Refusal(kind, name, "NameTaken", message)


def _edited(live: JsonObject, path: tuple[str, ...]) -> bool:
    """Whether somebody set that field after us.

    What a mutating webhook makes of our own write stands in the server's books under our own name. In a pod template it is
    left so (a mirror's image, a policy's defaults): to set it back would bring the same again.
    """
    return path[:2] != ("spec", "template") or _owners(live, path) != {FIELD_MANAGER}


def _owners(live: JsonObject, path: tuple[str, ...]) -> set[str]:
    """Who owns that field, by the server's own books."""
    found = set()
    for entry in live["metadata"].get("managedFields") or ():
        fields = entry.get("fieldsV1") or {}
        for part in path:
            known = fields if isinstance(fields, Mapping) else {}
            fields = known.get(f"f:{part}", known.get(f'k:{{"name":"{part}"}}'))
        if fields is not None:
            found.add(str(entry.get("manager")))
    return found


def child_key(child: Child) -> ObjectKey:
    return ObjectKey(child.resource, child.manifest["metadata"]["namespace"], child.name)


def _merged(base: JsonObject, over: JsonObject) -> JsonObject:
    """`over` laid on `base` as a server-side apply would: maps field by field, lists of named items item by item."""
    merged = dict(base)
    for key, value in over.items():
        old = base.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merged(old, value)
        elif isinstance(old, list) and _named(old) and _named(value):
            merged[key] = _merged_items(old, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _merged_items(base: list[JsonObject], over: list[JsonObject]) -> list[JsonObject]:
    wanted = {item["name"]: item for item in over}
    present = {item["name"] for item in base}
    kept = [_merged(item, wanted.get(item["name"], {})) for item in base]
    return kept + [copy.deepcopy(item) for name, item in wanted.items() if name not in present]


def _named(items: Any) -> bool:
    return isinstance(items, list) and bool(items) and all(isinstance(i, dict) and "name" in i for i in items)
