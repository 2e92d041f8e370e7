"""What the chart tests share: the repository root, the helm command and a way to render."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from hack.cluster.layout import from_environment

ROOT = Path(__file__).resolve().parents[3]

Call = Callable[[Mapping[str, object]], subprocess.CompletedProcess[str]]
Render = Callable[[Mapping[str, object]], list[dict[str, object]]]


def with_keys(values: Mapping[str, object]) -> dict[str, object]:
    """Without a cluster nobody can look up the store's keys: they are given, unless the values speak of them."""
    storage = values.get("storage")
    keys = {"credentials": {"accessKey": "test-access", "secretKey": "test-secret"}}
    return {**values, "storage": {**keys, **(storage if isinstance(storage, Mapping) else {})}}


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def helm() -> str:
    return from_environment().program("helm")


@pytest.fixture(scope="session")
def chart_call(helm: str, tmp_path_factory: pytest.TempPathFactory) -> Call:
    """Run `helm template` on given values; the caller looks at the exit code."""

    def call(values: Mapping[str, object]) -> subprocess.CompletedProcess[str]:
        path = tmp_path_factory.mktemp("values") / "values.yaml"
        path.write_text(yaml.safe_dump(with_keys(values)))
        command = [helm, "template", "bucle", str(ROOT), "--namespace", "bucle-system", "--values", str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return call


@pytest.fixture(scope="session")
def render(chart_call: Call) -> Render:
    """Render the chart, the same values once, and return its objects, which each test may change; fails with helm's words."""
    known: dict[str, list[dict[str, object]]] = {}

    def call(values: Mapping[str, object]) -> list[dict[str, object]]:
        if (asked := json.dumps(values)) not in known:
            done = chart_call(values)
            assert done.returncode == 0, done.stderr
            # The CRDs are half a megabyte, for which the reader written in Python takes seconds.
            known[asked] = [document for document in yaml.load_all(done.stdout, Loader=yaml.CSafeLoader) if document]
        return deepcopy(known[asked])

    return call
