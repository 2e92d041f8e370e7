"""One namespace of the real cluster in which a bad day is played: manifests in, conditions out, every wait bounded.

A wait that fails shows the object's conditions, what its pods say and the namespace's events, so that nobody must
look at a cluster that is gone.
"""

from __future__ import annotations

import copy
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import yaml
from hack.demo import flights
from hack.demo.install import SAMPLES, SYSTEM, Installation

JsonObject = dict[str, Any]
Predicate = Callable[[JsonObject], bool]

LOOK_EVERY = 1.0
SMALL = "s3://bucle/raw/small/flights.parquet"
"""About 3,100 flights over all days of January and February: every split gets whole days, and a fit takes a second."""
EMPTY = "s3://bucle/raw/small/empty.parquet"
SECRET = "bucle-storage"


@dataclass(frozen=True)
class Scene:
    """`kubectl` bound to one namespace."""

    installation: Installation
    namespace: str

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.installation.kubectl("-n", self.namespace, *arguments, stdin=stdin)

    def apply(self, *manifests: JsonObject) -> None:
        documents = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)})
        self.kubectl("apply", "-f", "-", stdin=documents)

    def get(self, plural: str, name: str) -> JsonObject:
        """The object; an empty dict when it does not exist."""
        return self.installation.get(plural, name, "-n", self.namespace)

    def items(self, plural: str, selector: str = "") -> list[JsonObject]:
        chosen = ("-l", selector) if selector else ()
        found: list[JsonObject] = self.installation.get(plural, "-n", self.namespace, *chosen).get("items", [])
        return found

    def watch(self, plural: str, name: str) -> tuple[str, ...]:
        """The command that tells each change of one object as a line; the object need not exist yet. It ends in an hour."""
        chosen = f"--field-selector=metadata.name={name}"
        how = ("--watch", "--output-watch-events", "-o", "json", "--request-timeout=1h")
        return self.installation.kubectl_command("-n", self.namespace, "get", plural, chosen, *how)

    def jobs_of(self, owner: JsonObject) -> dict[str, JsonObject]:
        """The Jobs of one object by name."""
        found = self.items("jobs", f"bucle.dev/uid={owner['metadata']['uid']}")
        return {job["metadata"]["name"]: job for job in found}

    def until(self, plural: str, name: str, holds: Predicate, within: float = 120) -> JsonObject:
        """The object once `holds` is true of it; AssertionError with all there is to see after `within` seconds."""
        deadline = time.monotonic() + within
        while True:
            seen = self.get(plural, name)
            if seen and holds(seen):
                return seen
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{plural}/{name} did not get there in {within:.0f} s\n{self.picture(plural, name)}"
                )
            time.sleep(LOOK_EVERY)

    def picture(self, plural: str, name: str) -> str:
        """What a person would look up next: conditions, rows, pods, events."""
        seen = self.get(plural, name)
        told = [f"  {c['type']}={c['status']} {c['reason']}: {c['message']}" for c in conditions(seen).values()]
        rest = {key: value for key, value in seen.get("status", {}).items() if key != "conditions"}
        pods = self.kubectl("get", "pods", "-o", "wide")
        events = self.kubectl("get", "events", "--sort-by=.lastTimestamp").splitlines()[-25:]
        return "\n".join(
            ["conditions:", *told, f"status: {json.dumps(rest)[:3000]}", "pods:", pods, "events:", *events]
        )

    def replace_status(self, plural: str, name: str, status: JsonObject) -> None:
        """As a backup that restores objects without their status would leave it, whatever the operator writes meanwhile."""
        patch = [{"op": "add", "path": "/status", "value": status}]
        self.kubectl("patch", plural, name, "--subresource=status", "--type=json", "-p", json.dumps(patch))


def wait_until(what: str, holds: Callable[[], bool], within: float) -> None:
    """For facts that are no object's condition; AssertionError names `what` after `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
        time.sleep(LOOK_EVERY)


def conditions(seen: Mapping[str, Any]) -> dict[str, JsonObject]:
    return {c["type"]: c for c in seen.get("status", {}).get("conditions", [])}


def says(type_: str, status: str, reason: str | None = None) -> Predicate:
    """True of an object whose condition has that status (and reason) for the spec it has now."""

    def holds(seen: JsonObject) -> bool:
        found = conditions(seen).get(type_, {})
        current = found.get("observedGeneration") == seen["metadata"]["generation"]
        return current and found["status"] == status and reason in (None, found["reason"])

    return holds


def stalled(reason: str) -> Predicate:
    return says("Stalled", "True", reason)


def ready(reason: str | None = None) -> Predicate:
    return says("Ready", "True", reason)


def sample(kind: str, name: str, changes: Mapping[str, Any] | None = None) -> JsonObject:
    """The demo's manifest of that kind under another name, on the small file, changed at dotted paths.

    A value of None takes the field away.
    """
    manifest: JsonObject = yaml.safe_load((SAMPLES / f"{kind.lower()}.yaml").read_text())
    manifest["metadata"]["name"] = name
    small = {"spec.sources.0.uri.location": SMALL} if kind == "Dataset" else {}
    for path, value in {**small, **(changes or {})}.items():
        *parents, last = path.split(".")
        node: Any = manifest
        for part in parents:
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        if value is None:
            del node[last]
        else:
            node[int(last) if isinstance(node, list) else last] = copy.deepcopy(value)
    return manifest


def storage_secret(installation: Installation, **changed: str) -> JsonObject:
    """The Secret of the release with some of its keys changed."""
    data = installation.get("secret", SECRET, "-n", SYSTEM)["data"]
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET},
        "data": {key: value for key, value in data.items() if key not in changed},
        "stringData": changed,
    }


def upload_small(installation: Installation) -> None:
    """The small file and an empty one of the same columns."""
    frame = flights.load()
    winter = frame[frame["month"].isin((1, 2))].drop(columns=["month", "day"])
    store = installation.object_store()
    for uri, rows in ((SMALL, winter.iloc[::16]), (EMPTY, winter.iloc[:0])):
        with store.open_output_stream(uri.removeprefix("s3://")) as sink:
            rows.to_parquet(sink, index=False)


@contextmanager
def scene(installation: Installation, name: str, secret: JsonObject | None, *, unique: bool = False) -> Iterator[Scene]:
    """A new namespace with that Secret, deleted afterwards with everything in it, as is what an aborted run left.

    `unique` ends its name at random: MLflow outlives a namespace, and an Experiment of the same namespace, name, spec
    and data is not trained twice.
    """
    namespace = f"{name}-{uuid.uuid4().hex[:6]}" if unique else name
    label = f"bucle.dev/scene={name}"
    installation.kubectl("delete", "namespace", "-l", label, "--timeout=120s")
    installation.kubectl("create", "namespace", namespace)
    installation.kubectl("label", "namespace", namespace, label)
    made = Scene(installation, namespace)
    try:
        if secret is not None:
            made.apply(secret)
        yield made
    finally:
        # Servers take half a minute to end, which the next scene need not wait for: it has another name, or waits itself.
        installation.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
