"""Which edits make a new revision, and which a new plan."""

from __future__ import annotations

from typing import Any

import pytest

from bucle.kinds.modeldeployment.identity import plan_hash, revision_id
from bucle.resources.modeldeployment import ModelDeploymentSpec


def spec(**more: Any) -> ModelDeploymentSpec:
    return ModelDeploymentSpec.model_validate({"model": {"registered": {"name": "flights", "version": 1}}, **more})


def revision(spec: ModelDeploymentSpec) -> str:
    return revision_id("sha256:1", spec, "image")


@pytest.mark.parametrize(
    ("edit", "new_revision", "new_plan"),
    [
        ({"feedback": {"key": "Id"}}, False, False),
        ({"feedback": {"key": "RequestId"}}, True, True),
        ({"feedback": {"maturity": "1h"}}, False, True),
        ({"capture": {"drop": ["carrier"]}}, True, True),
        ({"serving": {"builtin": {}, "replicas": 3}}, False, False),
        ({"rollout": {"onOtherInputs": "Refuse"}}, False, False),
        ({"rollout": {"onOtherInputs": "Try"}}, False, True),
        ({"rollout": {"supersede": "Replace"}}, False, False),
    ],
    ids=str,
)
def test_what_a_server_or_a_verdict_depends_on_is_in_the_hash(
    edit: dict[str, Any], new_revision: bool, new_plan: bool
) -> None:
    assert (revision(spec(**edit)) != revision(spec())) is new_revision
    assert (plan_hash(spec(**edit)) != plan_hash(spec())) is new_plan
