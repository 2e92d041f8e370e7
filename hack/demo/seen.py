"""The four objects of the story at one moment, as `kubectl get` answers. Knows their shape, nothing of how they come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Seen:
    """The four objects at one moment; an object that does not exist yet is an empty dict."""

    dataset: dict[str, Any]
    experiment: dict[str, Any]
    deployment: dict[str, Any]
    policy: dict[str, Any]

    def deployed(self, *path: str) -> Any:
        return dig(self.deployment, "status", *path)

    def ready(self, name: str) -> bool:
        conditions = dig(getattr(self, name), "status", "conditions") or []
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def dig(value: Any, *path: str) -> Any:
    """The value at that path of nested dicts, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
