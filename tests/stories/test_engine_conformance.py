"""The rules of tests/conformance on the API server in memory; tests/cluster runs them on a real one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests import conformance
from tests.support.fakes.kube import FakeKube

from bucle.engine.objects import DEPLOYMENT, JOB, JsonObject
from bucle.resources.addresses import Resource


class WithControllers(FakeKube):
    """A real server is never alone: controllers write the status of a new Job or Deployment a few times."""

    WRITES_PER_OBJECT = 3

    def __init__(self) -> None:
        super().__init__()
        self.written: Counter[tuple[Resource, str]] = Counter()

    async def get(self, resource: Resource, namespace: str, name: str) -> JsonObject:
        return self._then_a_controller_writes(resource, await super().get(resource, namespace, name))

    async def create(self, resource: Resource, manifest: JsonObject) -> JsonObject:
        return self._then_a_controller_writes(resource, await super().create(resource, manifest))

    async def apply(self, resource: Resource, manifest: JsonObject) -> JsonObject:
        return self._then_a_controller_writes(resource, await super().apply(resource, manifest))

    def _then_a_controller_writes(self, resource: Resource, answer: JsonObject) -> JsonObject:
        def write(obj: JsonObject) -> None:
            status: dict[str, Any] = obj.setdefault("status", {})
            said = {"type": "Suspended", "status": "True", "message": f"write {self.written[resource, name]}"}
            status["conditions"] = [said]

        name = answer["metadata"]["name"]
        if resource in (JOB, DEPLOYMENT) and self.written[resource, name] < self.WRITES_PER_OBJECT:
            self.written[resource, name] += 1
            self.edit(resource, answer["metadata"]["namespace"], name, write)
        return answer


@pytest.mark.parametrize("rule", conformance.RULES, ids=lambda rule: rule.__name__)
async def test_rule(rule: conformance.Rule) -> None:
    await rule(FakeKube(), "conformance")


@pytest.mark.parametrize("rule", conformance.RULES, ids=lambda rule: rule.__name__)
async def test_rule_holds_although_controllers_write_in_between(rule: conformance.Rule) -> None:
    await rule(WithControllers(), "conformance")
