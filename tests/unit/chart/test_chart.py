"""Rules that hold for every rendering of the chart: strict values, restricted pods, least rights, a small package."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bucle.app import LEASE_NAME

Objects = list[dict[str, Any]]
Render = Callable[[Mapping[str, object]], Objects]
Call = Callable[[Mapping[str, object]], subprocess.CompletedProcess[str]]
CASES = sorted((Path(__file__).resolve().parents[2] / "golden/chart").iterdir())
PACKAGED = (
    ".helmignore",
    "Chart.yaml",
    "LICENSE",
    "NOTICE",
    "README.md",
    "observe/",
    "templates/",
    "values.schema.json",
    "values.yaml",
)
KINDS = ("datasets", "experiments", "modeldeployments", "driftpolicies")
NEVER = {"secrets", "pods/exec", "pods/log", "roles", "clusterroles", "serviceaccounts", "nodes"}
PACKAGE_LIMIT_BYTES = 256 * 1024


def case_values(case: Path) -> dict[str, Any]:
    loaded = yaml.safe_load((case / "values.yaml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def pod_specs(objects: Objects) -> Iterator[tuple[str, dict[str, Any]]]:
    for thing in objects:
        template = thing.get("spec", {}).get("template")
        if template:
            yield f"{thing['kind']}/{thing['metadata']['name']}", template["spec"]


def rules(objects: Objects) -> Iterator[tuple[str, str, str]]:
    """Every right the operator's account gets, as (group, resource, verb)."""
    for thing in objects:
        for_users = thing["metadata"]["name"].endswith(("-edit", "-view"))
        if thing["kind"] in ("Role", "ClusterRole") and not for_users:
            for rule in thing["rules"]:
                yield from ((g, r, v) for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"])


def test_lint_is_clean(helm: str, root: Path) -> None:
    done = subprocess.run([helm, "lint", "--strict", str(root)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"replicCount": 1}, "'replicCount' not allowed"),
        ({"operator": {"replica": 1}}, "'replica' not allowed"),
        ({"operator": {"replicas": 6}}, "maximum"),
        ({"image": {"tag": "latest"}}, "/image/tag"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"storage": {"uri": "gs://bucket"}}, "/storage/uri"),
        ({"watchNamespaces": ["Team A"]}, "/watchNamespaces/0"),
        ({"metrics": {"prometheusRule": {"interval": "30s"}}}, "'interval' not allowed"),
        ({"store": {"resources": {"limits": {"memory": "lots"}}}}, "/store/resources/limits/memory"),
        (
            {"storage": {"endpoint": "http://s3.example.com"}},
            "storage.endpoint must be empty while store.enabled is true",
        ),
        ({"mlflow": {"uri": "http://mlflow.example.com"}}, "mlflow.uri must be empty while mlflow.enabled is true"),
        ({"mlflow": {"enabled": False}}, "mlflow.uri must be set when mlflow.enabled is false"),
        ({"storage": {"endpoint": "store.example.com:9000"}}, "/storage/endpoint"),
        ({"storage": {"endpoint": "https://store.example.com/path"}}, "/storage/endpoint"),
        ({"mlflow": {"enabled": False, "uri": "https://me:secret@mlflow"}}, "mlflow.credentialsSecret"),
        (
            {"store": {"enabled": False}, "storage": {"credentials": {}}},
            "storage.credentials.accessKey and secretKey must both be set",
        ),
    ],
)
def test_a_mistake_in_values_is_refused_in_plain_words(
    chart_call: Call, values: Mapping[str, object], words: str
) -> None:
    done = chart_call(values)
    assert done.returncode != 0
    assert words in done.stderr


def test_the_schema_knows_the_keys_of_the_defaults_and_no_others(root: Path) -> None:
    """A key that the schema took and no template read would be a setting without effect."""

    def keys(values: Mapping[str, Any]) -> dict[str, Any]:
        return {key: keys(value) if isinstance(value, dict) and value else None for key, value in values.items()}

    def allowed(schema: Mapping[str, Any]) -> dict[str, Any] | None:
        schema = definitions[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        found = {key: allowed(child) for key, child in schema.get("properties", {}).items()}
        return found or None

    schema = json.loads((root / "values.schema.json").read_text())
    definitions = schema["definitions"]
    told = allowed(schema)
    assert told is not None
    told.pop("global")
    for part in ("operator", "store", "mlflow"):
        told[part]["resources"] = None
    told["image"]["references"] = None
    defaults = keys(yaml.safe_load((root / "values.yaml").read_text()))
    for part in ("operator", "store", "mlflow"):
        defaults[part]["resources"] = None
    assert told == defaults


def test_global_values_of_a_parent_chart_are_let_through(render: Render) -> None:
    assert render({"global": {"anything": 1}})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_pod_is_restricted(case: Path, render: Render) -> None:
    for name, spec in pod_specs(render(case_values(case))):
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True and pod["runAsUser"] == 65532, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec.get("automountServiceAccountToken") is (None if "serviceAccountName" in spec else False), name
        assert ("serviceAccountName" in spec) is name.endswith("-operator"), name
        for container in spec["containers"]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True and security["allowPrivilegeEscalation"] is False, name
            assert security["capabilities"] == {"drop": ["ALL"]}, name
            assert "memory" in container["resources"]["limits"], name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_operator_may_do_only_what_it_does(case: Path, render: Render) -> None:
    granted = set(rules(render(case_values(case))))
    assert not any("*" in right for right in granted)
    assert not {resource for _, resource, _ in granted} & NEVER
    cluster_wide = "watchNamespaces" not in case_values(case)
    own_crds = {("apiextensions.k8s.io", "customresourcedefinitions", "get")} if cluster_wide else set()
    with_sinks = {("", "events", "patch")} if "notifications" in case_values(case) else set()
    assert granted == rights_by_use() | own_crds | with_sinks


def rights_by_use() -> set[tuple[str, str, str]]:
    """What the code calls, by hand; that nothing is missing here is shown by the stories in tests/stories."""
    look = ("list", "watch")
    by_use = {
        ("bucle.dev", KINDS): ("get", *look),
        ("bucle.dev", ("datasets", "experiments")): ("create", "delete"),
        ("bucle.dev", tuple(f"{kind}/status" for kind in KINDS)): ("update",),
        ("batch", ("jobs",)): ("get", *look, "create", "patch", "delete"),
        ("apps", ("deployments",)): ("get", *look, "create", "patch", "delete"),
        ("", ("services",)): ("get", *look, "create", "patch", "delete"),
        ("policy", ("poddisruptionbudgets",)): ("get", *look, "create", "patch", "delete"),
        ("", ("configmaps",)): ("get", *look, "create", "patch", "delete"),
        ("", ("pods",)): (*look, "patch"),
        ("", ("events",)): ("list", "create"),
        ("coordination.k8s.io", ("leases",)): ("get", "create", "update"),
    }
    return {(group, name, verb) for (group, names), verbs in by_use.items() for name in names for verb in verbs}


def test_only_its_own_lease_can_be_read_or_written(render: Render) -> None:
    role = next(t for t in render({}) if t["kind"] == "Role" and t["metadata"]["name"].endswith("-lease"))
    named = {verb: rule.get("resourceNames") for rule in role["rules"] for verb in rule["verbs"]}
    assert named == {"create": None, "get": [LEASE_NAME], "update": [LEASE_NAME]}


def test_watched_namespaces_need_no_right_over_the_cluster(render: Render) -> None:
    objects = render({"watchNamespaces": ["team-a", "team-b"], "rbac": {"aggregateToUserRoles": False}})
    assert not [thing for thing in objects if thing["kind"].startswith("ClusterRole")]
    roles = [thing["metadata"] for thing in objects if thing["kind"] == "Role"]
    assert {role["namespace"] for role in roles if not role["name"].endswith("-lease")} == {"team-a", "team-b"}


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({}, {}, True),
        ({}, {"operator": {"logFormat": "text"}}, True),
        ({}, {"storage": {"uri": "s3://other"}}, False),
        ({}, {"image": {"tag": "2"}}, False),
        ({}, {"store": {"nodeSelector": {"disk": "ssd"}}}, False),
    ],
)
def test_the_bucket_job_is_renamed_only_when_it_changes(
    render: Render, first: Mapping[str, object], second: Mapping[str, object], same: bool
) -> None:
    names = [next(t["metadata"]["name"] for t in render(values) if t["kind"] == "Job") for values in (first, second)]
    assert (names[0] == names[1]) is same


def fields(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    yield path, node
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in parts:
        yield from fields(value, f"{path}.{key}")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_the_server_stores_is_what_the_chart_says(case: Path, render: Render) -> None:
    """What it drops or fills in conflicts with the next tool that applies the same file server-side."""
    for thing in render(case_values(case)):
        assert "stringData" not in thing
        for path, node in fields(thing):
            assert not (path.endswith(".fieldRef") and "apiVersion" not in node), path
            assert not (".env." in path and path.endswith(".value") and node == ""), path


def test_mlflow_answers_to_each_form_of_its_name(render: Render) -> None:
    server = next(spec for name, spec in pod_specs(render({})) if name == "StatefulSet/bucle-mlflow")
    argument = next(a for a in server["containers"][0]["args"] if a.startswith("--allowed-hosts="))
    hosts = set(argument.removeprefix("--allowed-hosts=").split(","))
    for suffix in ("", ".bucle-system", ".bucle-system.svc", ".bucle-system.svc.cluster.local"):
        name = f"bucle-mlflow{suffix}"
        assert {name, f"{name}:*"} <= hosts


def test_data_outlives_the_release(render: Render) -> None:
    claims = [thing for thing in render({}) if thing["kind"] == "PersistentVolumeClaim"]
    assert {claim["metadata"]["name"] for claim in claims} == {"bucle-store", "bucle-mlflow"}
    assert all(claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for claim in claims)


def test_the_package_holds_the_chart_and_nothing_else(helm: str, root: Path, tmp_path: Path) -> None:
    command = [helm, "package", str(root), "--destination", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    archive = next(tmp_path.glob("bucle-*.tgz"))
    with tarfile.open(archive) as package:
        names = [member.name.removeprefix("bucle/") for member in package.getmembers()]
    strangers = [name for name in names if not name.startswith(PACKAGED)]
    assert strangers == [], "add them to .helmignore, or to PACKAGED if the chart needs them"
    assert {"Chart.yaml", "values.yaml", "values.schema.json"} <= set(names)
    assert archive.stat().st_size < PACKAGE_LIMIT_BYTES
