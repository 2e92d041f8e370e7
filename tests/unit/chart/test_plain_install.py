"""The generated files follow their sources: CRDs as they are, and a plain install with the objects of the chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hack import plain_install as plain

KEYS = ("--set", "storage.credentials.accessKey=test-access", "--set", "storage.credentials.secretKey=test-secret")


def crds_of(text: str) -> dict[str, Any]:
    documents = (document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document)
    return {d["metadata"]["name"]: d for d in documents if d["kind"] == "CustomResourceDefinition"}


def test_helm_prints_the_crds_as_they_are_and_keeps_them(helm: str, root: Path) -> None:
    printed = crds_of(plain.helm_template(helm, root, root / "values.yaml", *KEYS))
    for crd in printed.values():
        assert crd["metadata"]["annotations"].pop("helm.sh/resource-policy") == "keep"
    assert printed == crds_of("\n---\n".join(path.read_text() for path in (root / "crds").glob("*.yaml")))


def test_crds_can_be_left_out(helm: str, root: Path) -> None:
    assert crds_of(plain.helm_template(helm, root, root / "values.yaml", "--set", "crds.enabled=false", *KEYS)) == {}


def test_generated_files_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert plain.main(["--check"]) == 0, capsys.readouterr().out


def test_drift_is_found(root: Path) -> None:
    install = root / "manifests/install.yaml"
    assert install in plain.differing({install: install.read_text() + "# edited\n"})


def objects(text: str) -> dict[tuple[str, str], Any]:
    return {(o["kind"], o["metadata"]["name"]): o for o in yaml.load_all(text, Loader=yaml.CSafeLoader) if o}


def test_the_plain_install_has_the_objects_of_the_chart(helm: str, root: Path) -> None:
    chart = objects(plain.helm_template(helm, root, root / "values.yaml", *KEYS))
    kustomization = yaml.safe_load((root / "manifests/kustomization.yaml").read_text())
    applied: dict[tuple[str, str], Any] = {}
    for name in kustomization["resources"]:
        applied |= objects((root / "manifests" / name).read_text())
    assert chart.keys() - applied.keys() == {("Secret", "bucle-storage")}
    assert applied.keys() - chart.keys() == {("Namespace", "bucle-system")}


def test_a_public_file_carries_no_keys(root: Path) -> None:
    assert not [o for o in objects((root / "manifests/install.yaml").read_text()) if o[0] == "Secret"]
