"""What the engine relies on in Kubernetes, one function per rule. Each runs against FakeKube (tests/stories) and against a
real API server (tests/cluster), so the fake cannot lie. A rule gets a Kube and an empty namespace of its own.
"""

from __future__ import annotations

from tests.conformance import schemas, storage
from tests.conformance.rules import RULES, Rule

__all__ = ["RULES", "Rule", "schemas", "storage"]
