"""`python -m hack check [--cluster]`: every check in order, each with its time and budget; the test runner's own summary comes last.

Without a cluster the tests marked `thorough` are left out; with one they run beside the fast ones.

Knows the commands of the project's checks. A part that fails does not keep later ones from running; the exit code tells of all of them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.layout import Layout, from_environment
from hack.environment import ROOT, with_sources
from hack.shell import Failure
from hack.steps import Steps, table

FAST_TIERS = ("tests/unit", "tests/contract", "tests/golden", "tests/stories", "tests/wire")
NOT_THOROUGH = ("-m", "not thorough")
CLUSTER_TIER = ("tests/cluster",)
# Fast tests share nothing; the cluster has one installation, which its tests take turns with.
ON_ALL_CORES = ("-n", "auto", "--dist", "worksteal")
SOURCES = ("operator", "tests", "hack")
# Without a cluster nobody can look up the store's keys.
KEYS = ("--set", "storage.credentials.accessKey=check,storage.credentials.secretKey=check")
# The wheel's own programs; PATH is not relied on.
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Part:
    """One check: what it is called, what is run, the seconds it may take, and whether its output is shown while it runs."""

    name: str
    command: tuple[str, ...]
    budget: float
    live: bool = False


def static_parts(layout: Layout) -> list[Part]:
    """Checks that start no test."""
    python, helm = sys.executable, layout.program("helm")
    return [
        Part("style: ruff check", (str(BIN / "ruff"), "check", *SOURCES), 10),
        Part("layout: ruff format", (str(BIN / "ruff"), "format", "--check", *SOURCES), 10),
        Part("types: operator and tests", (str(BIN / "mypy"),), 120),
        Part("types: hack", (str(BIN / "mypy"), "hack"), 60),
        Part("layers: import-linter", (str(BIN / "lint-imports"),), 20),
        Part("requirement files agree", (python, "-m", "hack", "lock", "--check"), 5),
        Part("generated files follow their sources", (python, "-m", "hack", "generate", "--check"), 30),
        Part("chart: lint", (helm, "lint", "--strict", "."), 10),
        Part("chart: renders", (helm, "template", "bucle", ".", "--namespace", "bucle-system", *KEYS), 10),
    ]


def cluster_parts() -> list[Part]:
    """What the cluster tier stands on, with the system's Python as a person would call it."""
    return [
        Part("cluster up", (sys.executable, "-m", "hack", "cluster", "up"), 900, live=True),
        Part("helm and kubectl", (sys.executable, "-m", "hack", "cluster", "tools"), 300, live=True),
        Part("images built", (sys.executable, "-m", "hack", "images", "build"), 900, live=True),
        Part("images loaded", (sys.executable, "-m", "hack", "images", "load"), 180, live=True),
    ]


def pytest_command(tiers: Sequence[str]) -> tuple[str, ...]:
    """The test runner on some tiers; a folder that is not there is its error, not our silence."""
    return (sys.executable, "-m", "pytest", *tiers)


def perform(part: Part, steps: Steps) -> bool:
    """Run one part and say whether it succeeded; what it printed is shown when it failed."""
    try:
        with steps.step(part.name, part.budget):
            if part.live:
                steps.note(" ".join(part.command))
            done = subprocess.run(
                part.command,
                cwd=ROOT,
                env=with_sources(),
                capture_output=not part.live,
                text=True,
                stdin=subprocess.DEVNULL,
                check=False,
            )
            if done.returncode != 0:
                raise Failure(((done.stdout or "") + (done.stderr or "")).strip() or f"ended with {done.returncode}")
    except (Failure, OSError) as error:
        steps.say(f"--- {part.name}: {' '.join(part.command)}\n{error}\n---")
        return False
    return True


def main(arguments: Sequence[str]) -> int:
    """Run everything; 0 only when every part succeeded."""
    parser = argparse.ArgumentParser(prog="python -m hack check", description=__doc__)
    parser.add_argument("--cluster", nargs="*", metavar="TESTS", help="also the tier that needs a real cluster")
    cluster_tests = parser.parse_args(arguments).cluster
    with_cluster = cluster_tests is not None
    layout = from_environment()
    runs = [*static_parts(layout)]
    if with_cluster:
        runs += [
            Part("fast and thorough tests", pytest_command((*ON_ALL_CORES, *FAST_TIERS)), 600, live=True),
            *cluster_parts(),
        ]
    steps = Steps(total=len(runs))
    outcomes = [perform(part, steps) for part in runs]
    failed = [part.name for part, succeeded in zip(runs, outcomes, strict=True) if not succeeded]
    steps.say(
        f"\n{table(steps.records)}\n{'failed: ' + ', '.join(failed) if failed else 'all of these passed'}; "
        f"now the {'tests on the cluster' if with_cluster else 'fast tests; the thorough ones are left to `make test`'}\n"
    )
    # The cluster tier says on the terminal what it waits for; capturing file descriptors would swallow that.
    cluster = ("--capture=sys", *(cluster_tests or CLUSTER_TIER))
    tests = pytest_command(cluster if with_cluster else (*ON_ALL_CORES, *NOT_THOROUGH, *FAST_TIERS))
    last = subprocess.run(tests, cwd=ROOT, env=with_sources(), check=False).returncode
    return last or (1 if failed else 0)
