"""What every image promises: a numeric user, only files the build context holds, no tool or index address left inside."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TARGETS = ("operator", "worker", "serve", "mlflow", "router", "store")


@pytest.fixture(scope="module")
def stages(root: Path) -> dict[str, list[str]]:
    """Each stage of the Dockerfile with its instructions, its FROM line first; continued lines are joined."""
    text = (root / "Dockerfile").read_text().replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if match := re.match(r"FROM .* AS (\S+)$", line):
            found[match[1]] = []
        if found and line and not line.startswith("#"):
            found[list(found)[-1]].append(line)
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_a_number_and_not_as_root(stages: dict[str, list[str]], target: str) -> None:
    assert [line for line in stages[target] if line.startswith("USER")] == ["USER 65532:65532"]


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_installed_in_an_image_itself(stages: dict[str, list[str]], target: str) -> None:
    commands = [line for line in stages[target] if line.startswith("RUN")]
    assert [line for line in commands if "install" in line or "uv" in line] == []


def test_worker_and_serve_differ_only_in_what_they_start(stages: dict[str, list[str]]) -> None:
    def layers(target: str) -> list[str]:
        return [line for line in stages[target][1:] if line.startswith(("COPY", "RUN", "ENV"))]

    assert stages["worker"][0].split()[1] == stages["serve"][0].split()[1] == "ml"
    assert layers("worker") == layers("serve")


def test_every_file_that_is_copied_reaches_the_builder(root: Path, stages: dict[str, list[str]]) -> None:
    allowed = [line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = {line.split()[1] for lines in stages.values() for line in lines if re.match(r"COPY (?!--from)", line)}
    assert copied
    for source in copied:
        assert (root / source).exists(), source
        assert any(Path(source).match(pattern) for pattern in allowed), f"{source} is kept out by .dockerignore"


def test_every_install_is_by_hash(stages: dict[str, list[str]]) -> None:
    installs = [line for lines in stages.values() for line in lines if re.search(r"pip install", line)]
    assert installs
    assert all("--require-hashes" in line for line in installs)


def test_no_index_address(root: Path) -> None:
    assert "://" not in (root / "Dockerfile").read_text()
