"""A notice in three formats, each as its reader parses it; and a signature that the reader can verify."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat

from bucle.contracts.news import WORDS
from bucle.externals.notifications.formats import Message, message, signed
from bucle.externals.notifications.values import Format, Notice

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOTICE = Notice(
    "flights.0a1b", "model.refused", "default", "ModelDeployment", "ml", "flights", "u1", "GateNotPassed",
    "version 2: worse by <0.1> & more", AT, warning=True,
)  # fmt: skip


def test_a_cloud_event_is_read_back_by_its_sdk() -> None:
    made = message(NOTICE, Format.CLOUD_EVENTS)
    assert made.headers["content-type"] == "application/cloudevents+json"
    event = from_structured(HTTPMessage(dict(made.headers), made.body), JSONFormat())
    assert (event.get_id(), event.get_type()) == ("flights.0a1b", "dev.bucle.model.refused")
    assert (event.get_source(), event.get_subject()) == ("/clusters/default", "ModelDeployment/ml/flights")
    assert event.get_time() == AT
    assert event.get_data() == {
        "cluster": "default", "kind": "ModelDeployment", "namespace": "ml", "name": "flights", "uid": "u1",
        "reason": "GateNotPassed", "message": NOTICE.text, "severity": "warning",
    }  # fmt: skip


def test_slack_reads_no_markup_in_words_that_others_wrote() -> None:
    text = json.loads(message(replace(NOTICE, text="<!channel> & <http://x|here>"), Format.SLACK).body)["text"]
    assert "A wanted version was tried and refused." in text and "ModelDeployment ml/flights" in text
    assert "<" not in text and "&lt;!channel&gt; &amp; &lt;http://x|here&gt;" in text


def test_teams_gets_an_adaptive_card() -> None:
    body = json.loads(message(NOTICE, Format.TEAMS).body)
    (attachment,) = body["attachments"]
    assert (body["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    assert attachment["content"]["type"] == "AdaptiveCard"
    assert NOTICE.text in json.dumps(attachment["content"]["body"][2])


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("word", WORDS)
def test_every_news_has_words_in_every_format(form: Format, word: str) -> None:
    assert message(replace(NOTICE, word=word), form).body


@pytest.mark.parametrize(
    ("key", "raw"),
    [(b"hunter2", b"hunter2"), (b"whsec_" + base64.b64encode(b"0123456789"), b"0123456789"), (b"whsec_!", b"whsec_!")],
    ids=["any text", "as the standard writes it", "no base64"],
)
def test_whoever_has_the_key_can_verify_id_time_and_body(key: bytes, raw: bytes) -> None:
    made = signed(Message({}, b'{"a": 1}'), NOTICE, key, AT)
    assert (made.headers["webhook-id"], made.headers["webhook-timestamp"]) == ("flights.0a1b", "1772366400")
    wanted = hmac.new(raw, b'flights.0a1b.1772366400.{"a": 1}', hashlib.sha256).digest()
    assert made.headers["webhook-signature"] == f"v1,{base64.b64encode(wanted).decode()}"


def test_without_a_key_nothing_is_signed() -> None:
    assert "webhook-signature" not in signed(Message({}, b""), NOTICE, None, AT).headers
