"""What may be typed, and what pip installs for it."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import pytest

from bucle.cli.cluster import Login
from bucle.cli.command import login_of, parser
from bucle.cli.errors import Usage

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    "line",
    [
        "-n ml --context prod status",
        "status -n ml --context prod",
        "-n ml status --context=prod",
        "status -nml --context prod",
    ],
)
def test_flags_may_stand_before_and_after_the_command(line: str) -> None:
    assert login_of(parser().parse_args(line.split())) == Login(namespace="ml", context="prod")


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30.0), ("1m30s", 90.0), ("500ms", 0.5), ("7", 7.0), ("0", 86_400.0)]
)
def test_a_timeout_is_written_as_for_kubectl(text: str, seconds: float) -> None:
    assert login_of(parser().parse_args(["status", "--request-timeout", text])).timeout == seconds


@pytest.mark.parametrize("text", ["soon", "-1", "1d", ""])
def test_a_timeout_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Usage):
        login_of(parser().parse_args(["status", f"--request-timeout={text}"]))


def test_pip_installs_what_kubectl_looks_for() -> None:
    """`kubectl bucle` is the program kubectl-bucle, and it is completed by kubectl_complete-bucle."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert sorted(scripts) == ["kubectl-bucle", "kubectl_complete-bucle"]
    for entry in scripts.values():
        module, _, function = entry.partition(":")
        assert callable(getattr(importlib.import_module(module), function))
