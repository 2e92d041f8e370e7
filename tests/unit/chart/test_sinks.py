"""Sinks of the chart: their secrets are named and never held, and the operator gets the one right that they need."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bucle.contracts.news import WORDS
from bucle.externals.notifications.values import Format, sinks

ROOT = Path(__file__).resolve().parents[3]
Render = Callable[[Mapping[str, object]], list[dict[str, Any]]]
Call = Callable[[Mapping[str, object]], subprocess.CompletedProcess[str]]
EVENTS = {"name": "events", "url": "https://events.example.com/bucle", "types": ["drift.detected"], "secret": {"name": "s", "key": "hmac"}}  # fmt: skip
CHAT = {"name": "team-chat", "format": "Slack", "urlFrom": {"name": "chat", "key": "url"}}


def environment(objects: list[dict[str, Any]]) -> dict[str, Any]:
    pod = next(o for o in objects if o["kind"] == "Deployment" and o["metadata"]["name"].endswith("-operator"))
    return {
        e["name"]: e.get("value", e.get("valueFrom")) for e in pod["spec"]["template"]["spec"]["containers"][0]["env"]
    }


def verbs_on_events(objects: list[dict[str, Any]]) -> set[str]:
    roles = [
        o
        for o in objects
        if o["kind"] in ("Role", "ClusterRole") and not o["metadata"]["name"].endswith(("-view", "-edit"))
    ]
    return {verb for role in roles for rule in role["rules"] if "events" in rule["resources"] for verb in rule["verbs"]}


def test_the_operator_reads_the_sinks_that_the_chart_names(render: Render) -> None:
    found = environment(render({"notifications": {"sinks": [EVENTS, CHAT]}}))
    assert found["BUCLE_SINK_KEY_EVENTS"] == {"secretKeyRef": {"name": "s", "key": "hmac"}}
    assert found["BUCLE_SINK_URL_TEAM_CHAT"] == {"secretKeyRef": {"name": "chat", "key": "url"}}
    from_kubelet = {"BUCLE_SINK_KEY_EVENTS": "k", "BUCLE_SINK_URL_TEAM_CHAT": "https://hooks.example.com/x"}
    read = sinks({"BUCLE_SINKS": found["BUCLE_SINKS"], **from_kubelet})
    assert [(s.name, s.url, s.format, set(s.words), s.key) for s in read] == [
        ("events", "https://events.example.com/bucle", Format.CLOUD_EVENTS, {"drift.detected"}, b"k"),
        ("team-chat", "https://hooks.example.com/x", Format.SLACK, set(), None),
    ]


def test_without_sinks_there_is_nothing_of_them(render: Render) -> None:
    objects = render({})
    assert not [name for name in environment(objects) if name.startswith("BUCLE_SINK")]
    assert verbs_on_events(objects) == {"list", "create"}


def test_a_sink_needs_one_right_more(render: Render) -> None:
    assert verbs_on_events(render({"notifications": {"sinks": [EVENTS]}})) == {"list", "create", "patch"}


@pytest.mark.parametrize(
    ("sink", "words"),
    [
        ({"name": "events"}, "/notifications/sinks/0"),
        ({**EVENTS, "urlFrom": CHAT["urlFrom"]}, "/notifications/sinks/0"),
        ({**EVENTS, "url": "https://me:hunter2@events.example.com"}, "/notifications/sinks/0/url"),
        ({**EVENTS, "format": "Pager"}, "/notifications/sinks/0/format"),
        ({**EVENTS, "types": ["drift"]}, "/notifications/sinks/0/types"),
        ({**EVENTS, "name": "Team Chat"}, "/notifications/sinks/0/name"),
    ],
)
def test_a_sink_that_cannot_be_used_is_refused(chart_call: Call, sink: dict[str, object], words: str) -> None:
    done = chart_call({"notifications": {"sinks": [sink]}})
    assert done.returncode != 0 and words in done.stderr


def test_two_sinks_of_one_name_are_refused(chart_call: Call) -> None:
    done = chart_call({"notifications": {"sinks": [EVENTS, EVENTS]}})
    assert done.returncode != 0 and "two sinks are called events" in done.stderr


def test_the_schema_has_the_words_of_the_code() -> None:
    schema = json.loads((ROOT / "values.schema.json").read_text())
    sink = schema["properties"]["notifications"]["properties"]["sinks"]["items"]["properties"]
    assert sink["types"]["items"]["enum"] == list(WORDS)
    assert sink["format"]["enum"] == list(Format)
