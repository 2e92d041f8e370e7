"""A notice in the words of each kind of sink, and its signature. Pure.

CloudEvents 1.0, structured mode, made by their SDK. Slack: an incoming webhook's `text`. Teams: the adaptive card that its workflow
webhooks take. Signature: Standard Webhooks 1.0, whose libraries verify it: HMAC-SHA256 over `<id>.<timestamp>.<body>`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from cloudevents.core.bindings.http import to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from bucle.contracts.news import NEWS, PREFIX
from bucle.externals.notifications.values import Format, Notice

KEY_PREFIX = b"whsec_"
JSON = {"content-type": "application/json"}
MEANINGS = {news.word: news.meaning for news in NEWS}


@dataclass(frozen=True, slots=True)
class Message:
    headers: Mapping[str, str]
    body: bytes


def message(notice: Notice, form: Format) -> Message:
    return _FORMS[form](notice)


def signed(of: Message, notice: Notice, key: bytes | None, now: datetime) -> Message:
    """With the three headers of Standard Webhooks; a message without a key has only the first two."""
    at = str(int(now.timestamp()))
    headers = {**of.headers, "webhook-id": notice.id, "webhook-timestamp": at}
    if key is not None:
        content = b".".join((notice.id.encode(), at.encode(), of.body))
        mac = hmac.new(_raw(key), content, hashlib.sha256).digest()
        headers["webhook-signature"] = f"v1,{base64.b64encode(mac).decode()}"
    return Message(headers, of.body)


def _raw(key: bytes) -> bytes:
    """A key as the standard writes it is base64 behind `whsec_`; any other text is taken as it is."""
    if key.startswith(KEY_PREFIX):
        try:
            return base64.b64decode(key.removeprefix(KEY_PREFIX), validate=True)
        except binascii.Error:
            return key
    return key


def _cloud_event(notice: Notice) -> Message:
    attributes = {
        "id": notice.id,
        "source": f"/clusters/{notice.cluster}",
        "type": f"{PREFIX}{notice.word}",
        "specversion": "1.0",
        "subject": f"{notice.kind}/{notice.namespace}/{notice.name}",
        "time": notice.at,
        "datacontenttype": "application/json",
    }
    made = to_structured(CloudEvent(attributes, _data(notice)), JSONFormat())
    return Message(made.headers, made.body)


def _data(notice: Notice) -> dict[str, Any]:
    return {
        "cluster": notice.cluster,
        "kind": notice.kind,
        "namespace": notice.namespace,
        "name": notice.name,
        "uid": notice.uid,
        "reason": notice.reason,
        "message": notice.text,
        "severity": "warning" if notice.warning else "info",
    }


def _slack(notice: Notice) -> Message:
    told = f"*{_escaped(notice.subject)}* ({_escaped(notice.cluster)}): {notice.reason}\n{_escaped(notice.text)}"
    return Message(JSON, orjson.dumps({"text": f"{MEANINGS[notice.word]}\n{told}"}))


def _escaped(text: str) -> str:
    """Slack reads these three as markup, and `<!channel>` would call everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(notice: Notice) -> Message:
    facts = {"Cluster": notice.cluster, "Object": notice.subject, "Reason": notice.reason}
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "weight": "Bolder", "wrap": True, "text": MEANINGS[notice.word]},
            {"type": "FactSet", "facts": [{"title": title, "value": value} for title, value in facts.items()]},
            # A RichTextBlock shows text as it is: a TextBlock would read Markdown, and with it links, in words of others.
            {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": notice.text}]},
        ],
    }
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return Message(JSON, orjson.dumps({"type": "message", "attachments": [content]}))


_FORMS: Mapping[Format, Callable[[Notice], Message]] = {
    Format.CLOUD_EVENTS: _cloud_event,
    Format.SLACK: _slack,
    Format.TEAMS: _teams,
}
