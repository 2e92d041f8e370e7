"""The keys of the embedded store: made once, kept by looking at the cluster, never made where nobody can look."""

from __future__ import annotations

import subprocess
from base64 import b64decode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.lookups import cluster

Objects = list[dict[str, Any]]
Call = Callable[[Mapping[str, object]], subprocess.CompletedProcess[str]]
Seen = Mapping[str, Mapping[str, str]]
BARE: dict[str, Any] = {"storage": {"credentials": {}}}
KNOWN: Seen = {"bucle-system/bucle-storage": {"AWS_ACCESS_KEY_ID": "old-access", "AWS_SECRET_ACCESS_KEY": "old-secret"}}


@pytest.fixture
def looked_up(helm: str, root: Path, tmp_path: Path) -> Callable[..., Objects]:
    """The chart as a server with these Secrets makes it be rendered."""

    def call(secrets: Seen, *options: str) -> Objects:
        command = [
            helm,
            "template",
            "bucle",
            str(root),
            "--namespace",
            "bucle-system",
            "--dry-run=server",
            "--disable-openapi-validation",
            *options,
        ]
        with cluster(tmp_path, secrets) as kubeconfig:
            command += ["--kubeconfig", str(kubeconfig), "--set", "crds.enabled=false"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [document for document in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if document]

    return call


def keys(objects: Objects) -> dict[str, tuple[str, str]]:
    secrets = {thing["metadata"]["namespace"]: thing["data"] for thing in objects if thing["kind"] == "Secret"}
    access, secret = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    return {place: (text(data[access]), text(data[secret])) for place, data in secrets.items()}


def text(encoded: str) -> str:
    return b64decode(encoded).decode()


def checksums(objects: Objects) -> set[str]:
    pods = [thing["spec"]["template"]["metadata"] for thing in objects if thing["kind"] == "StatefulSet"]
    return {pod["annotations"]["checksum/keys"] for pod in pods}


def test_where_no_cluster_can_be_asked_no_keys_are_made(chart_call: Call) -> None:
    """As Argo CD renders: other keys at each look, and a store that refuses them while everything is Healthy."""
    done = chart_call(BARE)
    assert done.returncode != 0
    for cure in ("storage.credentials.accessKey", "storage.secret.create=false", "--dry-run=server"):
        assert cure in done.stderr


def test_whoever_brings_keys_or_secrets_renders_without_a_cluster(chart_call: Call) -> None:
    assert chart_call({"storage": {"credentials": {"accessKey": "a", "secretKey": "b"}}}).returncode == 0
    assert chart_call({"storage": {"credentials": {}, "secret": {"create": False}}}).returncode == 0


def test_with_set_keys_two_renderings_are_equal(chart_call: Call) -> None:
    values = {"storage": {"credentials": {"accessKey": "a", "secretKey": "b"}}}
    assert chart_call(values).stdout == chart_call(values).stdout


def test_an_upgrade_keeps_the_keys_that_the_cluster_has(looked_up: Callable[..., Objects]) -> None:
    first, second = looked_up(KNOWN), looked_up(KNOWN)
    assert keys(first) == keys(second) == {"bucle-system": ("old-access", "old-secret")}
    assert checksums(first) == checksums(second)


def test_a_first_install_makes_keys_of_its_own_for_all_namespaces(looked_up: Callable[..., Objects]) -> None:
    one, other = (looked_up({}, "--set", "storage.namespaces={team-a,team-b}") for _ in range(2))
    assert keys(one).keys() == {"bucle-system", "team-a", "team-b"}
    assert len(set(keys(one).values())) == 1, "all Secrets of one rendering carry the same keys"
    assert set(keys(one).values()) != set(keys(other).values()), "two installs do not share keys"
    ((access, secret),) = set(keys(one).values())
    assert (len(access), len(secret)) == (20, 40)


def test_other_keys_make_another_pod_of_the_store(looked_up: Callable[..., Objects]) -> None:
    """The store reads its keys at start: one that keeps running would refuse all who read the Secret afresh."""
    assert checksums(looked_up(KNOWN)).isdisjoint(checksums(looked_up({})))
    assert len(checksums(looked_up(KNOWN))) == 1
