"""How a task reaches its pod: in the pod's own annotation, or, when it is too long for that, in a ConfigMap. Pure.

The pod reads the same file either way. The ConfigMap is immutable and named after its content, so that a pod that starts
late reads what its Job was made with, whatever was edited since.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from bucle.contracts import names
from bucle.contracts.canonical import canonical_json
from bucle.contracts.limits import TASK_DOCUMENT_BYTES
from bucle.contracts.task import Task
from bucle.engine.objects import CONFIG_MAP, JsonObject, uid_of
from bucle.engine.plan import Child, Deletion
from bucle.engine.room import SpecInvalid
from bucle.workloads.owner import Owner

COMPONENT = "task"
FILE = "task.json"


class TaskTooLarge(SpecInvalid):
    """The task document does not even fit a ConfigMap; the object's spec must be made smaller."""

    reason = "TaskTooLarge"


def is_long(task: Task) -> bool:
    return len(task.canonical()) > names.TASK_LIMIT_BYTES


def document_name(owner: Owner, task: Task) -> str:
    return f"{owner.name}-{names.uid6(owner.uid)}-{task.content_hash()[:12]}"


def document(owner: Owner, task: Task) -> Child | None:
    """The ConfigMap of a long task; None for one that the annotation carries. Raises TaskTooLarge."""
    text = task.canonical()
    if len(text) > TASK_DOCUMENT_BYTES:
        raise TaskTooLarge(
            f"the {task.program} task of {task.name} has {len(text)} bytes, at most {TASK_DOCUMENT_BYTES} fit: "
            "describe fewer or shorter columns and expectations"
        )
    if not is_long(task):
        return None
    manifest: JsonObject = {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.kind,
        "metadata": owner.metadata(document_name(owner, task), owner.labels(COMPONENT)),
        "immutable": True,
        "data": {FILE: text},
    }
    return Child(CONFIG_MAP, manifest)


def mounted(owner: Owner, task: Task) -> tuple[dict[str, str], JsonObject]:
    """The pod's annotations and its volume `task`."""
    if is_long(task):
        return {}, {"name": "task", "configMap": {"name": document_name(owner, task)}}
    field = {"fieldPath": f"metadata.annotations['{names.ANNOTATION_TASK}']"}
    volume = {"name": "task", "downwardAPI": {"items": [{"path": FILE, "fieldRef": field}]}}
    return {names.ANNOTATION_TASK: task.canonical()}, volume


def is_wide(spec: JsonObject) -> bool:
    """Whether a spec may make tasks that need documents: only then is it asked which ones there are."""
    return len(canonical_json(spec)) > names.TASK_LIMIT_BYTES // 4


def unused(namespace: str, documents: Mapping[str, JsonObject], wanted: Collection[Child]) -> tuple[Deletion, ...]:
    """Documents that no Job of this plan is made with: their pods have read them, or will never start."""
    kept = {child.name for child in wanted}
    return tuple(
        Deletion(CONFIG_MAP, namespace, name, uid_of(found))
        for name, found in sorted(documents.items())
        if name not in kept
    )
