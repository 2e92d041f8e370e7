"""The rules of tests/conformance.py on the API server in memory; tests/cluster runs them on a real one."""

from __future__ import annotations

import pytest
from tests import conformance
from tests.fakes.kube import FakeKube


@pytest.mark.parametrize("rule", conformance.RULES, ids=lambda rule: rule.__name__)
async def test_rule(rule: conformance.Rule) -> None:
    await rule(FakeKube(), "conformance")
