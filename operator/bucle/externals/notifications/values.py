"""A sink as the chart names it, and a notice as it is made from an Event. Pure.

Addresses and keys of sinks are secrets (whoever knows a Slack address can write there): they are shown by no `repr` and no error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bucle.contracts import news
from bucle.contracts.names import ANNOTATION_DELIVERED, LABEL_NEWS
from bucle.engine.objects import JsonObject


class Format(StrEnum):
    CLOUD_EVENTS = "CloudEvents"
    SLACK = "Slack"
    TEAMS = "Teams"


class SinkInvalid(ValueError):
    """A sink of the chart cannot be used; the message names it and the value, never its content."""


@dataclass(frozen=True, slots=True)
class Sink:
    """`words`: which news it is told; none means all of it. `key`: what a message is signed with."""

    name: str
    url: str = field(repr=False)
    format: Format
    words: frozenset[str]
    key: bytes | None = field(default=None, repr=False)

    def wants(self, notice: Notice) -> bool:
        return not self.words or notice.word in self.words

    @property
    def mark(self) -> str:
        """The annotation that says of an Event that this sink took it."""
        return f"{ANNOTATION_DELIVERED}{self.name}"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that people are told. `id` is the same for every attempt and after every restart."""

    id: str
    word: str
    cluster: str
    kind: str
    namespace: str
    name: str
    uid: str
    reason: str
    text: str
    at: datetime
    warning: bool
    delivered: frozenset[str] = frozenset()
    """Annotations of the sinks that took it."""

    @property
    def subject(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


def sinks(environment: Mapping[str, str]) -> tuple[Sink, ...]:
    """The sinks of `BUCLE_SINKS`; what is secret of each stands in variables of its own, which the kubelet reads from Secrets.
    Raises SinkInvalid."""
    try:
        written = json.loads(environment.get("BUCLE_SINKS") or "[]")
    except ValueError:
        raise SinkInvalid("BUCLE_SINKS is no JSON: set the chart's notifications.sinks") from None
    return tuple(_sink(one, environment) for one in written)


def _sink(one: Mapping[str, Any], environment: Mapping[str, str]) -> Sink:
    name = str(one.get("name", ""))
    mark = name.upper().replace("-", "_")
    url = environment.get(f"BUCLE_SINK_URL_{mark}") or str(one.get("url") or "")
    if not url.startswith(("http://", "https://")):
        raise SinkInvalid(
            f"sink {name}: its address must begin with http:// or https://: set url, or the Secret of urlFrom"
        )
    try:
        chosen = Format(str(one.get("format", Format.CLOUD_EVENTS)))
    except ValueError:
        raise SinkInvalid(f"sink {name}: format must be one of {', '.join(Format)}") from None
    words = frozenset(str(word) for word in one.get("types") or ())
    if strangers := sorted(words - set(news.WORDS)):
        raise SinkInvalid(f"sink {name}: there is no news {', '.join(strangers)}; there is {', '.join(news.WORDS)}")
    key = environment.get(f"BUCLE_SINK_KEY_{mark}")
    return Sink(name, url, chosen, words, key.encode() if key else None)


def notice_of(event: JsonObject, cluster: str) -> Notice | None:
    """None for an Event that is no news."""
    metadata, about = event["metadata"], event.get("involvedObject") or {}
    word = (metadata.get("labels") or {}).get(LABEL_NEWS)
    if word not in news.WORDS:
        return None
    return Notice(
        id=metadata["name"],
        word=word,
        cluster=cluster,
        kind=about.get("kind", ""),
        namespace=metadata.get("namespace", ""),
        name=about.get("name", ""),
        uid=about.get("uid", ""),
        reason=event.get("reason", ""),
        text=event.get("message", ""),
        at=datetime.fromisoformat(event["firstTimestamp"]),
        warning=event.get("type") == "Warning",
        delivered=frozenset(
            name for name in metadata.get("annotations") or {} if name.startswith(ANNOTATION_DELIVERED)
        ),
    )
