"""Sinks as the chart names them: what cannot be used is refused in words, and no secret is in them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bucle.externals.notifications.values import Format, Sink, SinkInvalid, notice_of, sinks
from bucle.settings import Settings, SettingsInvalid

SECRETS = {"BUCLE_SINK_URL_TEAM_CHAT": "https://hooks.example.com/T0/s3cret", "BUCLE_SINK_KEY_TEAM_CHAT": "hunter2"}
REQUIRED = dict.fromkeys(
    ("BUCLE_STORE_URI", "BUCLE_MLFLOW_URI", "BUCLE_IMAGE_WORKER", "BUCLE_IMAGE_SERVE", "BUCLE_IMAGE_ROUTER"),
    "s3://bucle",
)


def read(*written: dict[str, Any], **environment: str) -> tuple[Sink, ...]:
    return sinks({"BUCLE_SINKS": json.dumps(written), **environment})


def test_address_and_key_come_from_variables_of_their_own_and_are_shown_nowhere() -> None:
    (sink,) = read({"name": "team-chat", "format": "Slack", "types": ["drift.detected"]}, **SECRETS)
    assert (sink.url, sink.key) == ("https://hooks.example.com/T0/s3cret", b"hunter2")
    assert (sink.format, sink.words) == (Format.SLACK, frozenset({"drift.detected"}))
    assert "s3cret" not in repr(sink) and "hunter2" not in repr(sink)
    settings = Settings.from_environment({**REQUIRED, "BUCLE_SINKS": '[{"name": "team-chat"}]', **SECRETS})
    assert "s3cret" not in repr(settings) and "hunter2" not in repr(settings)


def test_an_installation_without_sinks_has_none() -> None:
    assert sinks({}) == sinks({"BUCLE_SINKS": ""}) == ()


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"name": "a"}, "sink a: its address must begin with http:// or https://"),
        ({"name": "a", "url": "ftp://s3cret@x"}, "sink a: its address must begin"),
        ({"name": "a", "url": "https://x", "format": "Pager"}, "format must be one of CloudEvents, Slack, Teams"),
        ({"name": "a", "url": "https://x", "types": ["drift"]}, "there is no news drift; there is drift.detected"),
    ],
)
def test_a_sink_that_cannot_be_used_is_refused_in_words(written: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsInvalid, match=words) as caught:
        Settings.from_environment({**REQUIRED, "BUCLE_SINKS": json.dumps([written])})
    assert "s3cret" not in str(caught.value)


def test_no_json_is_told_and_not_repeated() -> None:
    with pytest.raises(SinkInvalid, match="no JSON") as caught:
        sinks({"BUCLE_SINKS": "s3cret"})
    assert "s3cret" not in str(caught.value)


def test_an_event_that_is_no_news_makes_no_notice() -> None:
    assert notice_of({"metadata": {"name": "flights.1", "namespace": "ml"}}, "default") is None
