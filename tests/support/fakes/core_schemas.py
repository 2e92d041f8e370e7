"""`python tests/support/fakes/core_schemas.py SWAGGER`: the schemas of the core kinds we write, taken from Kubernetes' own OpenAPI.

SWAGGER is `api/openapi-spec/swagger.json` of a Kubernetes release, or what `kubectl get --raw /openapi/v2` prints.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

KEPT = Path(__file__).with_suffix(".json")
API = "io.k8s.api."
ROOTS = {
    ("", "ConfigMap"): f"{API}core.v1.ConfigMap",
    ("", "Event"): f"{API}core.v1.Event",
    ("", "Pod"): f"{API}core.v1.Pod",
    ("", "Service"): f"{API}core.v1.Service",
    ("apps", "Deployment"): f"{API}apps.v1.Deployment",
    ("batch", "Job"): f"{API}batch.v1.Job",
    ("policy", "PodDisruptionBudget"): f"{API}policy.v1.PodDisruptionBudget",
    ("coordination.k8s.io", "Lease"): f"{API}coordination.v1.Lease",
}
"""The definition of each kind, by group and kind."""


@cache
def definitions() -> Mapping[str, Mapping[str, Any]]:
    """Every definition that the roots reach, by its full name."""
    return json.loads(KEPT.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def reached(swagger: Mapping[str, Any]) -> dict[str, Any]:
    """The definitions that the roots reach, without prose."""
    found: dict[str, Any] = {}
    waiting = list(ROOTS.values())
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _without_prose(swagger["definitions"][name])
            waiting.extend(_references(found[name]))
    return dict(sorted(found.items()))


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value.rpartition("/")[2]
            else:
                yield from _references(value)


def _without_prose(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    prose = {"description", "x-kubernetes-group-version-kind", "x-kubernetes-patch-strategy"}
    return {k: _without_prose(v) for k, v in schema.items() if k not in prose or not isinstance(v, str | list)}


def main(swagger: str) -> None:
    found = reached(json.loads(Path(swagger).read_text(encoding="utf-8")))
    lines = [f"{json.dumps(name)}: {json.dumps(schema, separators=(',', ':'))}" for name, schema in found.items()]
    KEPT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
