"""Which objects an event speaks of: only keys are taken out of it, never data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bucle.contracts.names import LABEL_KIND, LABEL_NAME
from bucle.engine.objects import labels_of


class OwnerName(NamedTuple):
    kind: str
    namespace: str
    name: str


def owners_of(obj: Mapping[str, Any]) -> frozenset[OwnerName]:
    """The controlling owner, and the object that the labels name: a pod's controller is a Job or ReplicaSet, not ours."""
    metadata = obj.get("metadata", {})
    namespace = metadata.get("namespace", "")
    found = {
        OwnerName(owner["kind"], namespace, owner["name"])
        for owner in metadata.get("ownerReferences") or []
        if owner.get("controller")
    }
    labels = labels_of(obj)
    if LABEL_KIND in labels and LABEL_NAME in labels:
        found.add(OwnerName(labels[LABEL_KIND], namespace, labels[LABEL_NAME]))
    return frozenset(found)
