"""The one pod template: who may pull, as whom it runs, where, and how its task reaches it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.worlds.simulation import PLATFORM

from bucle.contracts.task import JudgeTask, ServeTask, Task
from bucle.contracts.task import Model as ModelArtifact
from bucle.engine.objects import JsonObject
from bucle.resources.addresses import MODEL_DEPLOYMENT
from bucle.workloads import document
from bucle.workloads.owner import Owner
from bucle.workloads.pod_settings import PodSettings
from bucle.workloads.pods import TaskTooLarge, pod_template, task_pod

OWNER = Owner(MODEL_DEPLOYMENT, "flights", "ml", "b2c495de")
SHORT = JudgeTask(name="flights", location="s3://bucle/ml", metric="log_loss")
PULLING = replace(PLATFORM, image_pull_secrets=("registry", "mirror"))


def long(columns: int) -> Task:
    model = ModelArtifact(uri="s3://bucle/m", digest="sha256:0")
    drop = [f"column_{index:04}" for index in range(columns)]
    task = ServeTask(name="flights", revision="r", model=model, location="s3://bucle/ml")
    return task.model_copy(update={"capture": task.capture.model_copy(update={"drop": tuple(drop)})})


def spec_of(template: JsonObject) -> JsonObject:
    return template["spec"]  # type: ignore[no-any-return]


def test_every_pod_pulls_with_the_secrets_of_the_installation() -> None:
    judge = task_pod(PULLING, OWNER, SHORT, "worker:1", PodSettings(), {})
    router = pod_template(PULLING, {}, [], [], PodSettings())
    for template in (judge, router):
        assert spec_of(template)["imagePullSecrets"] == [{"name": "registry"}, {"name": "mirror"}]
    assert "imagePullSecrets" not in spec_of(task_pod(PLATFORM, OWNER, SHORT, "worker:1", PodSettings(), {}))


def test_every_pod_runs_as_and_where_it_is_told() -> None:
    settings = PodSettings.of(
        {
            "serviceAccountName": "store-reader",
            "nodeSelector": {"disk": "fast"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
        }
    )
    for template in (
        task_pod(PLATFORM, OWNER, SHORT, "worker:1", settings, {}),
        pod_template(PLATFORM, {}, [], [], settings),
    ):
        spec = spec_of(template)
        assert (spec["serviceAccountName"], spec["nodeSelector"]) == ("store-reader", {"disk": "fast"})
        assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists"}]


def test_a_long_task_is_mounted_from_a_document_named_after_its_content() -> None:
    task = long(2000)
    template = task_pod(PLATFORM, OWNER, task, "worker:1", PodSettings(), {}, with_document=True)
    made = document.document(OWNER, task)
    assert made is not None
    (volume,) = [volume for volume in spec_of(template)["volumes"] if volume["name"] == "task"]
    assert volume == {"name": "task", "configMap": {"name": made.name}}
    assert made.manifest["immutable"] is True
    assert made.manifest["data"] == {"task.json": task.canonical()}
    assert "annotations" not in template["metadata"]
    assert document.document_name(OWNER, long(1999)) != made.name
    assert len(made.name) <= 63


def test_a_short_task_needs_no_document() -> None:
    assert document.document(OWNER, SHORT) is None


@pytest.mark.parametrize(("columns", "with_document"), [(2000, False), (90_000, True)])
def test_what_fits_nowhere_is_told(columns: int, with_document: bool) -> None:
    task = long(columns)
    with pytest.raises(TaskTooLarge, match="fewer"):
        task_pod(PLATFORM, OWNER, task, "worker:1", PodSettings(), {}, with_document=with_document)
        document.document(OWNER, task)
