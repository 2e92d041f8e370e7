"""The CRDs on a real API server: every CEL rule accepts what it should and refuses what it should, and what Git holds
is what the server stores.

Needs a cluster: KUBECONFIG in BUCLE_TEST_KUBECONFIG and kubectl in BUCLE_TEST_KUBECTL, or both where `hack/cluster`
puts them. Without a cluster these tests fail: a skipped rule is an untested rule.
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.rules.objects import example_in_the_reference, valid
from tests.support.rules.rule_case import RuleCase
from tests.support.rules.rule_cases import RULE_CASES

from bucle.resources import KINDS
from bucle.resources.crd import crd_document, crd_name, schema_hash

pytestmark = pytest.mark.cluster

CRDS = Path(__file__).parents[2] / "crds"
SAMPLES = Path(__file__).parents[2] / "manifests/samples/flights"
HOME = Path.home() / ".cache" / "bucle"
PATIENCE_SECONDS = 120
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


def kubectl_program() -> str:
    return os.environ.get("BUCLE_TEST_KUBECTL") or str(HOME / "bin" / "kubectl")


@pytest.fixture(scope="session")
def kubeconfig() -> Path:
    path = Path(os.environ.get("BUCLE_TEST_KUBECONFIG") or HOME / "kubeconfig")
    assert path.is_file(), f"no cluster: {path} is missing; start one, or set BUCLE_TEST_KUBECONFIG"
    return path


@pytest.fixture(scope="session")
def kubectl(kubeconfig: Path) -> Kubectl:
    program = kubectl_program()

    def run(*arguments: str, obj: Any = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "--kubeconfig", str(kubeconfig), *arguments],
            input=None if obj is None else json.dumps(obj),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    return run


def done(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def nobody_looks_on(kubectl: Kubectl) -> Iterator[None]:
    """No operator runs: it would write the status of what is stored here, and these tests are of the server alone."""
    selector = "app.kubernetes.io/name=bucle,app.kubernetes.io/component=operator"
    found = json.loads(done(kubectl("get", "deployments", "--all-namespaces", "-l", selector, "-o", "json")))["items"]
    running = [(item["metadata"]["namespace"], item["metadata"]["name"], item["spec"]["replicas"]) for item in found]
    for namespace, name, _ in running:
        done(kubectl("scale", "deployment", name, "-n", namespace, "--replicas=0"))
        done(kubectl("wait", "pod", "-n", namespace, "-l", selector, "--for=delete", "--timeout=60s"))
    yield
    for namespace, name, replicas in running:
        done(kubectl("scale", "deployment", name, "-n", namespace, f"--replicas={replicas}"))
        done(kubectl("rollout", "status", f"deployment/{name}", "-n", namespace, "--timeout=100s"))


@pytest.fixture(scope="module")
def installed(kubectl: Kubectl, nobody_looks_on: None) -> Kubectl:
    done(kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS)))
    done(kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS)))
    return kubectl


@pytest.fixture(scope="module")
def namespace(installed: Kubectl) -> Iterator[str]:
    name = f"crds-{uuid.uuid4().hex[:8]}"
    done(installed("create", "namespace", name))
    yield name
    done(installed("delete", "namespace", name, "--wait=false"))


@pytest.fixture(scope="module")
def started(installed: Kubectl, namespace: str) -> str:
    """The resourceVersion of a stored Experiment that has begun."""
    done(installed("create", "-n", namespace, "-f", "-", obj=valid("Experiment")))
    trials = [{"index": index, "state": "Running"} for index in range(2)]
    begun = json.dumps({"status": {"inputs": {"datasetDigest": "sha256:1"}, "trials": trials}})
    patch = ("patch", "mlexp", "flights", "-n", namespace, "--subresource=status", "--type=merge", "-p", begun)
    return str(json.loads(done(installed(*patch, "-o", "json")))["metadata"]["resourceVersion"])


@dataclass(frozen=True)
class Door:
    """The API server by HTTP, where a look costs milliseconds: kubectl needs half a second to start."""

    url: str
    namespace: str

    def refuses(self, obj: Any, *, changed: bool = False) -> str:
        """The server's words against creating (or replacing) the object, tried in full but not stored; empty: it takes it."""
        path = f"/apis/{obj['apiVersion']}/namespaces/{self.namespace}/{KINDS[obj['kind']].plural}"
        if changed:
            path += f"/{obj['metadata']['name']}"
            stored = json.loads(self._asked(urllib.request.Request(self.url + path)))["metadata"]
            obj = {**obj, "metadata": {**obj["metadata"], "resourceVersion": stored["resourceVersion"]}}
        request = urllib.request.Request(
            f"{self.url}{path}?dryRun=All&fieldValidation=Strict",
            data=json.dumps(obj).encode(),
            headers={"Content-Type": "application/json"},
            method="PUT" if changed else "POST",
        )
        try:
            self._asked(request)
        except urllib.error.HTTPError as error:
            return str(json.loads(error.read())["message"])
        return ""

    def _asked(self, request: urllib.request.Request) -> bytes:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            return bytes(answer.read())


@pytest.fixture(scope="module")
def door(installed: Kubectl, namespace: str, kubeconfig: Path) -> Iterator[Door]:
    command = [kubectl_program(), "--kubeconfig", str(kubeconfig), "proxy", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            yield Door(f"http://{proxy.stdout.readline().split()[-1]}", namespace)
        finally:
            proxy.terminate()


CREATED = [case for case in RULE_CASES if not case.started]
CHANGED = [case for case in RULE_CASES if case.started]


@pytest.mark.parametrize("case", CREATED, ids=str)
def test_a_rule_accepts_and_refuses_new_objects(door: Door, case: RuleCase) -> None:
    obj = {**valid(case.kind, case.accepted)}
    obj["metadata"]["name"] = "new" if obj["metadata"]["name"] == "flights" else obj["metadata"]["name"]
    assert door.refuses(obj) == ""
    assert case.message in door.refuses(valid(case.kind, case.refused))


@pytest.mark.parametrize("case", CHANGED, ids=lambda case: f"{case} {list(case.refused)}")
def test_a_rule_accepts_and_refuses_changes(door: Door, started: str, case: RuleCase) -> None:
    assert door.refuses(valid(case.kind, case.accepted), changed=True) == ""
    assert case.message in door.refuses(valid(case.kind, case.refused), changed=True)


def test_an_experiment_that_has_not_begun_may_change(installed: Kubectl, namespace: str, door: Door) -> None:
    done(installed("create", "-n", namespace, "-f", "-", obj=valid("Experiment", {"metadata.name": "fresh"})))
    changed = valid("Experiment", {"metadata.name": "fresh", "spec.objective.metric": "brier", "spec.run": 0})
    assert door.refuses(changed, changed=True) == ""


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_example_in_the_reference_is_accepted(door: Door, kind: str) -> None:
    example = example_in_the_reference(kind)
    assert example["kind"] == kind
    assert door.refuses({**example, "metadata": {"name": "example"}}) == ""


REPEATED = [
    ("Dataset", {"spec.schema.columns.3": {"name": "hour", "type": "Number"}}),
    ("Dataset", {"spec.expectations.1": valid("Dataset")["spec"]["expectations"][0]}),
    ("Experiment", {"spec.parameters.1": valid("Experiment")["spec"]["parameters"][0]}),
    ("ModelDeployment", {"spec.gates.2": valid("ModelDeployment")["spec"]["gates"][0]}),
]


@pytest.mark.parametrize(("kind", "changes"), REPEATED, ids=lambda value: str(value)[:40])
def test_names_in_a_list_are_unique(door: Door, kind: str, changes: dict[str, Any]) -> None:
    assert "Duplicate value" in door.refuses(valid(kind, {"metadata.name": "twice", **changes}))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_new_object_is_in_progress_and_has_the_defaults_of_the_types(
    installed: Kubectl, namespace: str, kind: str
) -> None:
    done(installed("create", "-n", namespace, "-f", "-", obj=valid(kind, {"metadata.name": "defaults"})))
    stored = json.loads(done(installed("get", KINDS[kind].plural, "defaults", "-n", namespace, "-o", "json")))
    assert stored["status"] == {"observedGeneration": -1}
    assert KINDS[kind].model_validate(stored).spec == KINDS[kind].model_validate(valid(kind)).spec  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_served_crd_is_structural_and_carries_the_schema_hash(installed: Kubectl, kind: str) -> None:
    crd = json.loads(done(installed("get", "crd", crd_name(KINDS[kind]), "-o", "json")))
    assert crd["metadata"]["annotations"]["bucle.dev/schema-hash"] == schema_hash(KINDS[kind])
    conditions = {c["type"]: c["status"] for c in crd["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions


# --- Git sees no difference -----------------------------------------------------------------------------------


def copied(kind: str) -> dict[str, Any]:
    """The kind's CRD under names of its own: what another tool manages on this cluster stays as it is."""
    crd: dict[str, Any] = json.loads(json.dumps(crd_document(KINDS[kind])))
    plural = f"{KINDS[kind].plural}copies"
    crd["metadata"]["name"] = f"{plural}.bucletest.example.com"
    names = {"kind": f"{kind}Copy", "listKind": f"{kind}CopyList", "plural": plural, "singular": plural}
    crd["spec"] |= {"group": "bucletest.example.com", "names": names}
    return crd


def shown_to_people(kind: str) -> dict[str, dict[str, Any]]:
    """The objects of that kind that a person copies into Git: the sample, and the example of the reference."""
    sample = yaml.safe_load((SAMPLES / f"{kind.lower()}.yaml").read_text())
    example = example_in_the_reference(kind)
    return {
        "sample": {**sample, "metadata": {"name": "sample"}},
        "example": {**example, "metadata": {"name": "example-2"}},
    }


@pytest.fixture
def files(installed: Kubectl, namespace: str, tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], tuple[str, ...]]]:
    """Writes an object to a file and says how kubectl is told of it; what was applied is deleted in the end."""
    told: list[tuple[str, ...]] = []

    def write(obj: dict[str, Any]) -> tuple[str, ...]:
        path = tmp_path / f"{len(told)}.yaml"
        path.write_text(yaml.safe_dump(obj, sort_keys=False))
        told.append(("-n", namespace, "-f", str(path)))
        return told[-1]

    yield write
    for file in told:
        done(installed("delete", *file, "--ignore-not-found", "--timeout=60s"))


OBJECTS = [(kind, name) for kind in sorted(KINDS) for name in ("sample", "example")]


@pytest.mark.parametrize(("kind", "name"), [*OBJECTS, *((kind, "crd") for kind in sorted(KINDS))])
def test_git_sees_no_difference(installed: Kubectl, files: Any, kind: str, name: str) -> None:
    file = files(copied(kind) if name == "crd" else shown_to_people(kind)[name])
    done(installed("apply", *file))
    if name == "crd":  # its status, which a diff shows as well, comes by and by
        done(installed("wait", "--for=condition=Established", "--timeout=30s", *file))
    assert done(installed("apply", *file)).strip().endswith(" unchanged")
    assert done(installed("diff", *file)) == ""
    # A tool that applies server-side takes the identical file over: a field that is stored otherwise would conflict.
    done(installed("apply", "--server-side", "--field-manager=second", *file))


@pytest.mark.parametrize(("kind", "name"), [*OBJECTS, *((kind, "crd") for kind in sorted(KINDS))])
def test_git_sees_no_difference_server_side(installed: Kubectl, files: Any, kind: str, name: str) -> None:
    file = files(copied(kind) if name == "crd" else shown_to_people(kind)[name])
    done(installed("apply", "--server-side", *file))
    if name == "crd":  # its status, which a diff shows as well, comes by and by
        done(installed("wait", "--for=condition=Established", "--timeout=30s", *file))
    assert done(installed("diff", "--server-side", *file)) == ""
    done(installed("apply", "--server-side", "--field-manager=second", *file))
    assert done(installed("diff", "--server-side", "--field-manager=second", *file)) == ""


@pytest.mark.parametrize(("kind", "name"), OBJECTS)
def test_what_is_applied_server_side_is_stored_as_written(
    installed: Kubectl, files: Any, namespace: str, kind: str, name: str
) -> None:
    """Below a list nothing is stored that nobody wrote: a tool that compares fields finds exactly those of the file."""
    obj = shown_to_people(kind)[name]
    done(installed("apply", "--server-side", *files(obj)))
    stored = json.loads(
        done(installed("get", KINDS[kind].plural, obj["metadata"]["name"], "-n", namespace, "-o", "json"))
    )
    assert lists(stored["spec"]) == lists(obj["spec"])


def lists(node: Any, path: str = "") -> dict[str, Any]:
    """Every list of a spec by its path, whole."""
    if isinstance(node, list):
        return {path: node}
    if not isinstance(node, dict):
        return {}
    return {where: found for key, value in node.items() for where, found in lists(value, f"{path}.{key}").items()}


@pytest.mark.parametrize(
    ("amount", "taken"),
    [
        (0.5, True),
        (2, True),
        ("500m", True),
        ("1e3", True),
        ("half", False),
        (-1, False),
        (["1"], False),
        ({"a": 1}, False),
    ],
)
def test_an_amount_is_taken_as_kubernetes_takes_it(door: Door, amount: Any, taken: bool) -> None:
    obj = valid("Dataset", {"metadata.name": "amount", "spec.pod": {"resources": {"requests": {"cpu": amount}}}})
    assert (door.refuses(obj) == "") is taken
