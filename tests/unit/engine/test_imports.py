"""What loading a room brings along, and what the engine may name: import-linter sees modules, not what a package's `__init__` loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import bucle.engine
from bucle.resources import KINDS

OPERATOR = Path(bucle.engine.__file__).parents[2]
CLIENTS = ("aiohttp", "kubernetes", "kopf", "optuna", "prometheus_client")


def test_rooms_load_no_client_of_anything() -> None:
    rooms = ", ".join(f"bucle.kinds.{name.lower()}" for name in KINDS)
    program = f"import sys, {rooms}; print(*sorted(set({CLIENTS!r}) & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=OPERATOR,
        env={"PYTHONPATH": str(OPERATOR)},
        capture_output=True,
        check=True,
    )
    assert found.stdout.decode().split() == []


@pytest.mark.parametrize("module", sorted((OPERATOR / "bucle/engine").glob("*.py")), ids=lambda path: path.stem)
def test_the_engine_names_no_kind(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    assert [name for name in KINDS if name in text] == []


def test_the_engine_is_a_small_house() -> None:
    assert len(list((OPERATOR / "bucle/engine").glob("*.py"))) <= 20
