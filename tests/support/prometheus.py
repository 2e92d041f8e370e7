"""A real Prometheus on loopback that scrapes what a test serves and evaluates rules each second; and its rule tests."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hack.cluster.layout import from_environment

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "observe/alerts.yaml"
START_SECONDS = 30.0
LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")


def rules() -> list[dict[str, Any]]:
    """The rules of the chart's file, in order."""
    groups = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def said_of(rule: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, str]:
    """What the rule says of series with these labels."""
    return {name: LABEL.sub(lambda found: labels[found[1]], text) for name, text in rule["annotations"].items()}


def promtool(*arguments: str) -> None:
    """Fails with its words."""
    command = [from_environment().program("promtool"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@dataclass(frozen=True)
class Prometheus:
    address: str
    log: Path

    def get(self, path: str, **parameters: str) -> Any:
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"{self.address}{path}{query}", timeout=5) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Raises HTTPError for what is no query."""
        found: list[dict[str, Any]] = self.get("/api/v1/query", query=expression)["result"]
        return found

    def firing(self, alert: str) -> list[dict[str, str]]:
        """The labels of its firing instances."""
        found = self.get("/api/v1/alerts")["alerts"]
        return [one["labels"] for one in found if one["state"] == "firing" and one["labels"]["alertname"] == alert]


@contextmanager
def running(
    folder: Path, port: int, targets: Mapping[str, Mapping[str, str]], rule_file: Path | None = None
) -> Iterator[Prometheus]:
    """Scrapes each address with the labels that the chart's monitors would give it; labels of the page are honoured."""
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rule_file)] if rule_file else [],
        "scrape_configs": [
            {
                "job_name": "bucle",
                "honor_labels": True,
                "static_configs": [
                    {"targets": [address], "labels": dict(labels)} for address, labels in targets.items()
                ],
            }
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [
        from_environment().program("prometheus"),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            found = Prometheus(f"http://127.0.0.1:{port}", log)
            _wait_until_ready(found, process)
            yield found
        finally:
            process.terminate()


def _wait_until_ready(prometheus: Prometheus, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{prometheus.address}/-/ready", timeout=1):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"Prometheus did not become ready:\n{prometheus.log.read_text()[-2000:]}")
