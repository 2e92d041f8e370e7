"""`python -m hack`: one way in, and rooms that a bare machine can enter."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hack.__main__ import ROOMS
from hack.cluster.layout import Layout
from hack.shell import Failure

ROOT = Path(__file__).resolve().parents[3]
BEFORE_ANYTHING_IS_INSTALLED = ("environment", "cluster", "images")


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_one_way_in(room: str) -> None:
    assert callable(importlib.import_module(ROOMS[room][0]).main)


@pytest.mark.parametrize("room", BEFORE_ANYTHING_IS_INSTALLED)
def test_a_bare_python_can_enter_what_comes_before_the_environment(room: str) -> None:
    """-S leaves all installed packages out, as on a machine where `make demo` is the first command."""
    program = f"import importlib, hack.__main__ as m; importlib.import_module(m.ROOMS[{room!r}][0])"
    done = subprocess.run([sys.executable, "-S", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_script_bends_the_search_path() -> None:
    scripts = [path for folder in ("hack", "tests", "operator") for path in (ROOT / folder).rglob("*.py")]
    assert [p for p in scripts if re.search(r"^\s*sys\.path\.(insert|append)", p.read_text(), re.M)] == []


def test_the_makefile_knows_rooms_only() -> None:
    called = re.findall(r"\$\((?:PYTHON|VENV)\) (.*)", (ROOT / "Makefile").read_text())
    assert called
    assert {line.split()[2] for line in called} <= set(ROOMS)
    assert all(line.startswith("-m hack ") for line in called)


def test_a_program_is_the_one_that_is_named_else_ours_else_the_one_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, elsewhere = Layout(tmp_path / "cache"), tmp_path / "path"
    monkeypatch.delenv("HELM", raising=False)
    monkeypatch.setenv("PATH", str(elsewhere))
    with pytest.raises(Failure, match="make tools"):
        layout.program("helm")
    for folder in (elsewhere, layout.binaries):
        folder.mkdir(parents=True)
        (folder / "helm").touch(mode=0o755)
        assert layout.program("helm") == str(folder / "helm")
    monkeypatch.setenv("HELM", "/named/helm")
    assert layout.program("helm") == "/named/helm"
