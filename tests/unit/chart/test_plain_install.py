"""The generated files follow their sources: wrapped CRDs, and a plain install with the objects of the chart."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from manifests import render as plain

TRICKY: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.bucle.dev", "annotations": {"bucle.dev/schema-hash": "abc"}},
    "spec": {"pattern": "^{{2,3}}$", "rule": "self.matches('{{.*}}')", "description": 'quotes " and }} and {{'},
}


def chart_of(template: str, folder: Path) -> Path:
    (folder / "templates").mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: probe\nversion: 0.1.0\n")
    (folder / "templates/crd.yaml").write_text(template)
    return folder


@pytest.mark.parametrize("enabled", ["true", "false"])
def test_a_wrapped_crd_comes_out_as_it_went_in(helm: str, tmp_path: Path, enabled: str) -> None:
    chart = chart_of(plain.wrap(TRICKY), tmp_path)
    command = [helm, "template", str(chart), "--set", f"crds.enabled={enabled}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    kept = {**TRICKY["metadata"]["annotations"], "helm.sh/resource-policy": "keep"}
    expected = {**TRICKY, "metadata": {"name": "things.bucle.dev", "annotations": kept}}
    assert yaml.safe_load(done.stdout) == (expected if enabled == "true" else None)


def test_generated_files_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert plain.main(["--check"]) == 0, capsys.readouterr().out


def test_drift_is_found(root: Path) -> None:
    install = root / "manifests/install.yaml"
    assert install in plain.differing({install: install.read_text() + "# edited\n"})


def objects(text: str) -> dict[tuple[str, str], Any]:
    return {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(text) if o}


def test_the_plain_install_has_the_objects_of_the_chart(helm: str, root: Path) -> None:
    chart = objects(plain.helm_template(helm, root, root / "values.yaml"))
    kustomization = yaml.safe_load((root / "manifests/kustomization.yaml").read_text())
    applied: dict[tuple[str, str], Any] = {}
    for name in kustomization["resources"]:
        applied |= objects((root / "manifests" / name).read_text())
    assert chart.keys() - applied.keys() == {("Secret", "bucle-storage")}
    assert applied.keys() - chart.keys() == {("Namespace", "bucle-system")}


def test_a_public_file_carries_no_keys(root: Path) -> None:
    assert not [o for o in objects((root / "manifests/install.yaml").read_text()) if o[0] == "Secret"]
