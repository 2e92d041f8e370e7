"""The real cluster: one installation and one played story for the whole tier; bad days share them. Never skips: what cannot run fails."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hack.demo import flights
from hack.demo.install import NAMESPACE, Installation
from hack.demo.report import Report
from hack.demo.story import Story
from hack.steps import Steps, table
from tests.cluster import models
from tests.cluster import scene as scenes
from tests.cluster.models import Recipe, Registry, Trained

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Played:
    """The story as it ended: its report, and the four objects as the person's manifests left them."""

    installation: Installation
    report: Report

    def object(self, plural: str, name: str = "flights", namespace: str = NAMESPACE) -> dict[str, Any]:
        return self.installation.get(plural, name, "-n", namespace)


@pytest.fixture(scope="session")
def installation() -> Installation:
    """The cluster with images and a fresh release; every part says what it does on the terminal."""
    found = Installation.from_environment()
    if os.environ.get("BUCLE_TEST_REUSE"):  # while writing a test: what runs is taken as it is
        return found
    steps = Steps(out=sys.__stdout__ or sys.stdout)
    found.prepare(steps)
    found.install_fresh(steps)
    return found


@pytest.fixture(scope="session")
def trained(installation: Installation) -> Iterator[Trained]:
    """One namespace with two models, for every file that needs a model to serve and does not care which."""
    frame = flights.load()
    winter = frame[frame["month"].isin((1, 2))].iloc[::16]
    with scenes.scene(installation, "trained", scenes.storage_secret(installation), unique=True) as scene:
        first, second = models.train(scene, Recipe("first", winter, 40), Recipe("second", winter, 30))
        yield Trained(scene, Registry.of(installation), first, second, frame[frame["month"] == 3])


@pytest.fixture(scope="session")
def story(installation: Installation) -> Iterator[Played]:
    """Played once: about ten minutes of real flights."""
    steps = Steps(out=sys.__stdout__ or sys.stdout)
    report = Report()
    asyncio.run(Story(installation, report, steps).play())
    print(report.text(), table(steps.records), sep="\n", file=sys.__stdout__)
    yield Played(installation, report)
