"""The alert rules on a real Prometheus: each is fired and cleared by its own rule tests, and one by scraping the operator's page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support import prometheus
from tests.support.alert_cases import CASES, Case
from tests.support.worlds.rollout import NAME, Model, RolloutWorld

from bucle import health

pytestmark = pytest.mark.thorough
HOURS = timedelta(hours=6)
SECONDS = 30.0


def rule_test(case: Case) -> dict[str, Any]:
    """A test as promtool reads it: the alert with all that it says at one minute, and nothing at the others."""
    rule = next(rule for rule in prometheus.rules() if rule["alert"] == case.alert)
    fired = {
        "exp_labels": {**case.labels, **rule["labels"]},
        "exp_annotations": prometheus.said_of(rule, case.labels),
    }
    looks = [(minute, [fired]) for minute in (case.fires_at,) if minute >= 0] + [
        (minute, []) for minute in case.quiet_at
    ]
    return {
        "interval": "1m",
        "name": f"{case.alert}: {case.what}",
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "alert_rule_test": [
            {"eval_time": f"{minute}m", "alertname": case.alert, "exp_alerts": wanted} for minute, wanted in looks
        ],
    }


def test_prometheus_takes_the_rules() -> None:
    prometheus.promtool("check", "rules", str(prometheus.ALERTS))


def test_every_alert_is_fired_and_cleared() -> None:
    fired = {
        case.alert for case in CASES if case.fires_at >= 0 and any(minute > case.fires_at for minute in case.quiet_at)
    }
    assert fired == {rule["alert"] for rule in prometheus.rules()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.what}")
def test_an_alert_fires_and_clears(case: Case, tmp_path: Path) -> None:
    tests = {"rule_files": [str(prometheus.ALERTS)], "evaluation_interval": "1m", "tests": [rule_test(case)]}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests), encoding="utf-8")
    prometheus.promtool("test", "rules", str(tmp_path / "tests.yaml"))


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await true():  # noqa: ASYNC110 - Prometheus tells nobody when it has scraped
            await asyncio.sleep(0.2)


def without_pauses(folder: Path) -> Path:
    """The same rules, told at once: nobody waits minutes here."""
    impatient = yaml.safe_load(prometheus.ALERTS.read_text(encoding="utf-8"))
    for rule in (rule for group in impatient["groups"] for rule in group["rules"]):
        rule["for"] = "0s"
    (folder / "alerts.yaml").write_text(yaml.safe_dump(impatient), encoding="utf-8")
    return folder / "alerts.yaml"


async def refused(world: RolloutWorld) -> None:
    """A version serves, and the next one is worse."""
    one = world.register()
    world.point("challenger", one)
    world.sim.create(world.manifest())
    await world.sim.until(world.serves(one), HOURS)
    world.point("challenger", world.register(Model(loss=0.5)))
    await world.sim.until(lambda: world.status.get("rejected") is not None, HOURS)
    await world.sim.settle()


async def test_a_refused_candidate_is_alerted_on_until_another_one_is_wanted(
    tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    world = RolloutWorld()
    await refused(world)

    async def well() -> None:
        return None

    page, port = unused_tcp_port_factory(), unused_tcp_port_factory()
    metrics = world.sim.controller.metrics
    metrics.leading(True)
    server = await health.serve("127.0.0.1", page, metrics.registry, well, well)
    scraped = {f"127.0.0.1:{page}": {"namespace": "bucle-system"}}
    try:
        with prometheus.running(tmp_path, port, scraped, without_pauses(tmp_path)) as found:

            async def firing(alert: str) -> list[dict[str, str]]:
                return await asyncio.to_thread(found.firing, alert)

            await until(lambda: _some(firing("BucleCandidateRefused")))
            told = (await firing("BucleCandidateRefused"))[0]
            assert (told["namespace"], told["name"]) == ("ml", NAME), "the object's, not the operator's"
            assert await firing("BucleOperatorNotLeading") == []
            three = world.register(Model(loss=-0.07))
            world.point("challenger", three)
            await world.sim.until(world.serves(three), HOURS)
            await world.sim.settle()
            await until(lambda: _none(firing("BucleCandidateRefused")))
            metrics.leading(False)
            await until(lambda: _some(firing("BucleOperatorNotLeading")))
    finally:
        await server.cleanup()


async def _some(found: Awaitable[list[dict[str, str]]]) -> bool:
    return bool(await found)


async def _none(found: Awaitable[list[dict[str, str]]]) -> bool:
    return not await found
