"""Where and with how much a pod runs, as a person may say it; what every kind of pod takes from it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from bucle.engine.objects import JsonObject


@dataclass(frozen=True, slots=True)
class PodSettings:
    """The small subset of a PodSpec that a person may set, as raw values of the spec."""

    resources: JsonObject = field(default_factory=dict)
    node_selector: JsonObject = field(default_factory=dict)
    tolerations: tuple[JsonObject, ...] = ()
    service_account: str | None = None

    @classmethod
    def of(cls, spec: Mapping[str, object] | None) -> PodSettings:
        given: Mapping[str, object] = spec or {}
        return cls(
            resources=_without_empty(given.get("resources")),
            node_selector=dict(given.get("nodeSelector") or {}),  # type: ignore[call-overload]
            tolerations=tuple(given.get("tolerations") or ()),  # type: ignore[arg-type]
            service_account=given.get("serviceAccountName"),  # type: ignore[arg-type]
        )

    def placed_as(self, other: PodSettings) -> PodSettings:
        """Its own resources; for all else that it leaves open, what `other` says."""
        said = {item.name: value for item in fields(self) if (value := getattr(self, item.name))}
        return replace(other, **{"resources": self.resources, **said})

    def placement(self) -> JsonObject:
        """What it says of the pod itself; the resources belong to the container."""
        said: JsonObject = {}
        if self.node_selector:
            said["nodeSelector"] = self.node_selector
        if self.tolerations:
            said["tolerations"] = list(self.tolerations)
        if self.service_account:
            said["serviceAccountName"] = self.service_account
        return said


def _without_empty(resources: object) -> JsonObject:
    """A typed spec writes `requests: {}` for what a person left out; that must not count as a choice."""
    given: JsonObject = dict(resources or {})  # type: ignore[call-overload]
    return {name: amounts for name, amounts in given.items() if amounts}
