"""An API server in memory: the rules of Kubernetes that the engine relies on, and no others.

It fakes: create with uid, resourceVersion and generation; the status subresource; PUT preconditions; server-side
apply by one manager; label selectors; background garbage collection by owner; deletion with a uid; schemas (defaults and
pruning of our kinds, refusals of all) and immutable fields. It does not fake: CEL rules, defaults of core kinds,
admission webhooks, quotas, finalizers, namespaces.
Each rule it fakes is tested in tests/conformance against it and a real server.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import orjson
from tests.support.fakes.admission import LARGEST_REQUEST, admitted, immutable, intent_changed, status_admitted
from tests.support.fakes.clock import FakeClock
from tests.support.fakes.failures import Failures
from tests.support.fakes.merging import apply, intent_of, only_applied, patched, wire_copy
from tests.support.fakes.rights import NotGranted, Right, needed
from tests.support.fakes.stored import Stored, selected_by

from bucle.engine.kube import AlreadyExists, Conflict, Invalid, KubeError, NotFound
from bucle.engine.objects import (
    CONFIG_MAP,
    EVENT,
    LEASE,
    JsonObject,
    ObjectKey,
    key_of,
    labels_of,
    uid_of,
)
from bucle.engine.status import timestamp
from bucle.resources.addresses import GROUP, Resource

WITHOUT_STATUS = frozenset({CONFIG_MAP, EVENT, LEASE})
WRITES = frozenset({"create", "apply", "merge", "replace", "replace_status", "patch_annotations", "delete"})

Changed = Callable[[Resource, JsonObject, str], None]


class UnknownField(BaseException):
    """The operator sent a field that Kubernetes does not know, and which it would drop in silence."""


class Crashed(BaseException):
    """The process died here. Not an Exception, so that nothing in the engine can survive it."""


@dataclass(frozen=True, slots=True)
class Request:
    verb: str
    resource: Resource
    namespace: str
    name: str


class FakeKube:
    """`requests` logs every call; `writes` those that may change something. `on_change` hears of every change.

    `request_seconds`: what each call costs on the clock. `collects_after`: seconds from the end of an owner to the end of
    its children. With `rights` a call that none of them allows ends the test, and so does a field that no schema knows. `own_schemas`:
    False where one of our kinds stands for a toy.
    """

    def __init__(
        self, clock: FakeClock | None = None, rights: Collection[Right] | None = None, *, own_schemas: bool = True
    ) -> None:
        self.clock = clock or FakeClock()
        self.rights = rights
        self.request_seconds = 0.0
        self.collects_after = 0.0
        self._own_schemas = own_schemas
        self._orphaned: list[float] = []
        self.requests: list[Request] = []
        self.on_change: list[Changed] = []
        self._kinds: defaultdict[Resource, dict[ObjectKey, Stored]] = defaultdict(dict)
        self._version = 100
        self._uids = 0
        self._failures = Failures()
        self._writes_left: int | None = None

    # --- for tests ---------------------------------------------------------------------------------------------

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.verb in WRITES]

    def fail(self, verb: str, error: KubeError, *, resource: Resource | None = None, times: int = 1) -> None:
        """The next `times` calls of that verb (on that resource) raise `error` and do nothing."""
        self._failures.add(verb, resource, error, times)

    def failing(self, *verbs: str) -> bool:
        """Whether some call of these verbs still fails on its next try."""
        return self._failures.wait_for(verbs)

    def mend(self) -> None:
        """Calls fail no longer."""
        self._failures.clear()

    def crash_after(self, writes: int | None) -> None:
        """Die right after so many more writes, which still land; None takes it back."""
        self._writes_left = writes

    def count_write(self) -> None:
        """For executors of fake externals: their effects count as writes too."""
        if self._writes_left is not None:
            self._writes_left -= 1
            if self._writes_left <= 0:
                self._writes_left = None
                raise Crashed("killed after a write")

    def all(self, resource: Resource, namespace: str | None = None) -> list[JsonObject]:
        """Copies of all objects of a kind, by name; leaves no request behind."""
        return self._selected(resource, namespace, {})

    def _selected(self, resource: Resource, namespace: str | None, labels: Mapping[str, str]) -> list[JsonObject]:
        kept = self._kinds[resource]
        found = [
            key
            for key, stored in kept.items()
            if namespace in (None, key.namespace)
            and all(labels_of(stored.obj).get(label) == value for label, value in labels.items())
        ]
        return [kept[key].copy() for key in sorted(found, key=lambda key: (key.namespace, key.name))]

    def look(self, resource: Resource) -> Iterator[JsonObject]:
        """All objects of a kind as they are stored: not to be changed, and of no use after the next write."""
        return (stored.obj for stored in list(self._kinds[resource].values()))

    def peek(self, resource: Resource, namespace: str, name: str) -> JsonObject | None:
        """A copy of one object, or None; leaves no request behind."""
        stored = self._kinds[resource].get(ObjectKey(resource, namespace, name))
        return stored.copy() if stored else None

    def put(self, resource: Resource, manifest: JsonObject) -> JsonObject:
        """What a person or another controller creates; leaves no request behind. Invalid."""
        return self._put(resource, manifest, strict=False)

    def _put(self, resource: Resource, manifest: JsonObject, *, strict: bool) -> JsonObject:
        key = key_of(resource, manifest)
        assert key not in self._kinds[resource], f"{key} exists already"
        obj = self._born(resource, manifest, strict=strict)
        stored = self._kinds[resource][key] = Stored(obj, None, wire_copy(manifest))
        self._tell(stored, resource, "ADDED")
        return stored.copy()

    def edit(self, resource: Resource, namespace: str, name: str, change: Callable[[JsonObject], None]) -> JsonObject:
        """What a person or another controller does: `change` edits a copy; generation follows the spec."""
        obj = self._stored(ObjectKey(resource, namespace, name)).copy()
        change(obj)
        return self._store(ObjectKey(resource, namespace, name), obj, strict=False)

    def edit_under_an_older_schema(
        self, resource: Resource, namespace: str, name: str, change: Callable[[JsonObject], None]
    ) -> JsonObject:
        """An object of ours as an older release's CRD let it in: not judged, now or later, by its spec."""
        judging, self._own_schemas = self._own_schemas, False
        try:
            return self.edit(resource, namespace, name, change)
        finally:
            self._own_schemas = judging

    def seconds_to_collection(self) -> float | None:
        """Seconds until the collector takes the next children; None when there are none to take."""
        return max(0.0, min(self._orphaned) - self.clock.monotonic()) if self._orphaned else None

    def collect(self) -> None:
        """The collector takes the children whose time has come: those all of whose owners are gone."""
        now = self.clock.monotonic()
        while any(due <= now for due in self._orphaned):
            self._orphaned = [due for due in self._orphaned if due > now]
            present = self._present()
            for key, stored in [item for kept in self._kinds.values() for item in kept.items()]:
                owners = stored.obj["metadata"].get("ownerReferences") or []
                if owners and key in self._kinds[key.resource] and not any(o["uid"] in present for o in owners):
                    self._remove(key)

    def _present(self) -> set[str]:
        return {uid_of(stored.obj) for kept in self._kinds.values() for stored in kept.values()}

    def remove(self, resource: Resource, namespace: str, name: str) -> None:
        """What a person's `kubectl delete` does; children follow, in their time."""
        self._remove(ObjectKey(resource, namespace, name))

    # --- the protocol ------------------------------------------------------------------------------------------

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        self._request("get", resource, namespace, name)
        return self._stored(ObjectKey(resource, namespace, name)).copy()

    async def list(
        self,
        resource: Resource,
        namespace: str,
        labels: Mapping[str, str] | None = None,
        at_most: int | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[JsonObject]:
        self._request("list", resource, namespace, "")
        found = self._selected(resource, namespace or None, labels or {})
        return [item for item in found if selected_by(fields, item)][:at_most]

    async def create(self, resource: Resource, manifest: JsonObject) -> JsonObject:
        key = key_of(resource, manifest)
        self._request("create", resource, key.namespace, key.name)
        if key in self._kinds[resource]:
            raise AlreadyExists(f"{resource.plural} {key.name!r} already exists")
        if manifest["metadata"].get("resourceVersion"):
            raise Invalid("resourceVersion should not be set on objects to be created")
        obj = self._put(resource, manifest, strict=True)
        self.count_write()
        return obj

    async def apply(self, resource: Resource, manifest: JsonObject) -> JsonObject:
        key = key_of(resource, manifest)
        self._request("apply", resource, key.namespace, key.name)
        stored = self._kinds[resource].get(key)
        uid = manifest["metadata"].get("uid")
        if stored is None:
            if uid:
                raise Conflict(
                    f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                )
            obj = self._born(resource, manifest, strict=True)
            stored = self._kinds[resource][key] = Stored(obj, intent_of(manifest))
            self._tell(stored, resource, "ADDED")
        else:
            if uid and uid != uid_of(stored.obj):
                raise Conflict(f"uid mismatch: the provided object specified uid {uid}")
            self._check_version(stored, manifest)
            intent = intent_of(manifest)
            before = only_applied(stored.applied, stored.posted) if stored.applied else None
            merged = apply(stored.obj, before, intent)
            self._store(key, merged, strict=True)
            stored.applied = intent
        self.count_write()
        return stored.copy()

    async def merge(self, resource: Resource, manifest: JsonObject) -> JsonObject:
        key = key_of(resource, manifest)
        self._request("merge", resource, key.namespace, key.name)
        stored = self._stored(key)
        uid = manifest["metadata"].get("uid")
        if uid and uid != uid_of(stored.obj):
            raise Conflict(f"uid mismatch: the provided object specified uid {uid}")
        self._check_version(stored, manifest)
        patch = {**manifest, "metadata": {k: v for k, v in manifest["metadata"].items() if k != "resourceVersion"}}
        result = self._store(key, patched(stored.obj, patch), strict=True)
        self.count_write()
        return wire_copy(result)

    async def replace(self, resource: Resource, obj: JsonObject) -> JsonObject:
        key = key_of(resource, obj)
        self._request("replace", resource, key.namespace, key.name)
        stored = self._stored(key)
        self._check_version(stored, obj)
        changed = wire_copy(obj)
        changed["metadata"] = {**stored.obj["metadata"], **changed["metadata"]}
        if resource not in WITHOUT_STATUS and "status" in stored.obj:
            changed["status"] = stored.obj["status"]
        self._store(key, changed, strict=True)
        self.count_write()
        return stored.copy()

    async def replace_status(self, resource: Resource, obj: JsonObject) -> JsonObject:
        key = key_of(resource, obj)
        self._request("replace_status", resource, key.namespace, key.name)
        stored = self._stored(key)
        self._check_version(stored, obj)
        self._store(key, {**stored.obj, "status": wire_copy(obj.get("status", {}))}, strict=True)
        self.count_write()
        return stored.copy()

    async def patch_annotations(
        self, resource: Resource, namespace: str, name: str, annotations: Mapping[str, str]
    ) -> JsonObject:
        self._request("patch_annotations", resource, namespace, name)
        key = ObjectKey(resource, namespace, name)
        stored = self._stored(key)
        obj = stored.copy()
        obj["metadata"]["annotations"] = {**obj["metadata"].get("annotations", {}), **annotations}
        self._store(key, obj, strict=True)
        self.count_write()
        return stored.copy()

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        self._request("delete", resource, namespace, name)
        key = ObjectKey(resource, namespace, name)
        if uid_of(self._stored(key).obj) != uid:
            raise Conflict(f"the UID in the precondition ({uid}) does not match")
        self._remove(key)
        self.count_write()

    # --- how it works ------------------------------------------------------------------------------------------

    def _request(self, verb: str, resource: Resource, namespace: str, name: str) -> None:
        self.requests.append(Request(verb, resource, namespace, name))
        self.clock.advance(self.request_seconds)
        self.collect()
        right = needed(verb, resource)
        if self.rights is not None and right not in self.rights:
            raise NotGranted(f"the operator needs {right}: grant it in templates/operator/rbac.yaml, or do without")
        self._failures.strike(verb, resource)

    def _stored(self, key: ObjectKey) -> Stored:
        stored = self._kinds[key.resource].get(key)
        if stored is None:
            raise NotFound(f"{key.resource.plural} {key.name!r} not found")
        return stored

    def _check_version(self, stored: Stored, sent: JsonObject) -> None:
        version = sent["metadata"].get("resourceVersion")
        if version and version != stored.obj["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified; please apply your changes to the latest version")

    def _born(self, resource: Resource, manifest: JsonObject, *, strict: bool) -> JsonObject:
        obj = {**wire_copy(manifest), "apiVersion": resource.api_version, "kind": resource.kind}
        if resource not in WITHOUT_STATUS:
            obj.pop("status", None)
        obj = self._judged(resource, obj, None, strict=strict)
        self._uids += 1
        uid = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{resource.plural}/{self._uids}"))
        obj["metadata"] |= {
            "uid": uid,
            "resourceVersion": self._next_version(),
            "creationTimestamp": timestamp(self.clock.now()),
        }
        if resource not in WITHOUT_STATUS:
            obj["metadata"]["generation"] = 1
            if resource.group == GROUP:
                obj.setdefault("status", {"observedGeneration": -1})
        self._note_orphan(obj)
        return obj

    def _note_orphan(self, obj: JsonObject) -> None:
        """Made after its owner went: the collector finds it all the same."""
        owners = obj["metadata"].get("ownerReferences") or []
        present = self._present() if owners else set()
        if owners and not any(owner["uid"] in present for owner in owners):
            self._orphaned.append(self.clock.monotonic() + self.collects_after)

    def _judged(self, resource: Resource, obj: JsonObject, before: JsonObject | None, *, strict: bool) -> JsonObject:
        """The object as it is stored. Invalid, with the server's list of what is wrong; what did not change is not judged again."""
        if len(orjson.dumps(obj)) > LARGEST_REQUEST:
            raise Invalid(f"{resource.kind} {obj['metadata']['name']}: the request is too large")
        if resource.group == GROUP and not self._own_schemas:
            return obj
        status_alone = before is not None and all(obj.get(k) == before.get(k) for k in obj if k != "status")
        if status_alone:
            verdict = status_admitted(resource, obj.get("status") or {})
            verdict.value = {**obj, "status": verdict.value}
        else:
            verdict = admitted(resource, obj)
            verdict.problems += immutable(resource, before, obj) if before is not None else []
        if verdict.dropped and strict and self.rights is not None:
            raise UnknownField(f"{resource.kind} {obj['metadata']['name']}: the server drops {verdict.dropped}")
        if verdict.problems:
            told = verdict.problems[0] if len(verdict.problems) == 1 else f"[{', '.join(verdict.problems)}]"
            qualified = f"{resource.kind}.{resource.group}".rstrip(".")
            raise Invalid(f'{qualified} "{obj["metadata"]["name"]}" is invalid: {told}')
        return verdict.value  # type: ignore[no-any-return]

    def _store(self, key: ObjectKey, obj: JsonObject, *, strict: bool) -> JsonObject:
        stored = self._stored(key)
        if obj == stored.obj:
            return stored.obj
        obj = self._judged(key.resource, obj, stored.obj, strict=strict)
        if obj == stored.obj:
            return stored.obj
        if key.resource not in WITHOUT_STATUS and intent_changed(key.resource, stored.obj, obj):
            obj["metadata"] = {**obj["metadata"], "generation": stored.obj["metadata"].get("generation", 1) + 1}
        obj["metadata"] = {**obj["metadata"], "resourceVersion": self._next_version()}
        stored.obj = obj
        self._tell(stored, key.resource, "MODIFIED")
        return obj

    def _remove(self, key: ObjectKey) -> None:
        gone = self._stored(key)
        del self._kinds[key.resource][key]
        self._tell(gone, key.resource, "DELETED")
        self._orphaned.append(self.clock.monotonic() + self.collects_after)
        self.collect()

    def _next_version(self) -> str:
        self._version += 1
        return str(self._version)

    def _tell(self, stored: Stored, resource: Resource, event: str) -> None:
        told = stored.copy() if self.on_change else {}
        for listener in list(self.on_change):
            listener(resource, told, event)
