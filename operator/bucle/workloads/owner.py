"""The object a child belongs to, as far as builders need it: references, labels, selectors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bucle.contracts import names
from bucle.engine.objects import JsonObject, owner_reference
from bucle.resources.addresses import Resource
from bucle.resources.base import ObjectMeta


@dataclass(frozen=True, slots=True)
class Owner:
    """The object a child belongs to, as far as builders need it."""

    resource: Resource
    name: str
    namespace: str
    uid: str

    @classmethod
    def of(cls, resource: Resource, metadata: ObjectMeta) -> Owner:
        return cls(resource, metadata.name, metadata.namespace, metadata.uid)

    def reference(self) -> JsonObject:
        return owner_reference(self.resource, {"metadata": {"name": self.name, "uid": self.uid}})

    def labels(self, component: str, **more: str) -> dict[str, str]:
        """Labels of a child and of its pods; never copied from the owner, which may carry tracking labels."""
        return {
            names.LABEL_MANAGED_BY: names.MANAGED_BY,
            names.LABEL_KIND: self.resource.kind,
            names.LABEL_NAME: self.name,
            names.LABEL_UID: self.uid,
            names.LABEL_COMPONENT: component,
            **more,
        }

    def selector(self, component: str | None = None) -> tuple[tuple[str, str], ...]:
        """The label selector that lists this owner's children and nobody else's."""
        chosen = [(names.LABEL_UID, self.uid)]
        if component is not None:
            chosen.append((names.LABEL_COMPONENT, component))
        return tuple(chosen)

    def metadata(self, name: str, labels: Mapping[str, str]) -> JsonObject:
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": dict(labels),
            "ownerReferences": [self.reference()],
        }
