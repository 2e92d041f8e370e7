"""Which changes are worth a Kubernetes Event, how it looks, and which of them are news for sinks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from bucle.contracts import reasons
from bucle.contracts.canonical import short_hash
from bucle.contracts.measures import Measures
from bucle.contracts.names import LABEL_NEWS
from bucle.contracts.news import NEWS, News, news_of
from bucle.contracts.reasons import Event
from bucle.engine.objects import EVENT, JsonObject
from bucle.engine.status import condition, is_true, timestamp
from bucle.resources.addresses import Resource

MESSAGE_LIMIT = 1024
COMPONENT = "bucle-operator"
EVENT_LIFETIME = timedelta(hours=1)
"""The API server keeps an Event no longer, unless it is told to."""
RECENT = timedelta(minutes=10)
"""A change whose Event a process did not live to write is told by the next one within that time."""


def changed_conditions(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Conditions that newly say something, one per reason: what became true, what no longer is, and a Ready that fails
    while nothing else explains it."""
    told: dict[str, Mapping[str, Any]] = {}
    for now in _in_order(after.get("conditions") or ()):
        then = condition(before, now["type"])
        same = then is not None and (then.get("status"), then.get("reason")) == (now["status"], now["reason"])
        if not same and _speaks(now, then, after):
            told.setdefault(str(now["reason"]), now)
    return list(told.values())


def happened(before: Measures, after: Measures) -> list[Mapping[str, Any]]:
    """What a status records for the first time and people are told of, in the form of a condition that became true."""
    new = sorted((h for h in after.happened - before.happened if h.message), key=lambda h: h.id)
    return [
        {
            "type": h.labels[-1],
            "status": "True",
            "reason": h.labels[-1],
            "message": h.message,
            "lastTransitionTime": timestamp(h.at) if h.at else h.id,
        }
        for h in new
    ]


class Untold(NamedTuple):
    """News of a stored status. `age`: of the change. `certain`: it is news whatever was said before."""

    event: JsonObject
    age: timedelta
    certain: bool


def recent_news(resource: Resource, obj: JsonObject, once: Sequence[Mapping[str, Any]], now: datetime) -> list[Untold]:
    """All that the status says and that an Event may still tell of, in the words of the status: what anybody could write
    into an Event is believed of none."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return [
        Untold(_labelled(event_for(resource, obj, said, began), news), now - began, news.before is None)
        for said in (*conditions, *once)
        if (began := _began(said)) is not None and now - began < EVENT_LIFETIME
        for news in NEWS
        if news.is_of(resource.kind, said)
    ]


def _began(said: Mapping[str, Any]) -> datetime | None:
    try:
        began = datetime.fromisoformat(str(said.get("lastTransitionTime")))
    except ValueError:  # Written by hand.
        return None
    return began if began.tzinfo is not None else None


def events(
    resource: Resource, obj: JsonObject, status: JsonObject, once: Sequence[Mapping[str, Any]], now: datetime
) -> list[JsonObject]:
    """All Events of a change from what is stored to `status`. A change that is news is told even where another condition
    gives the same reason: who is told of refusals alone hears of it."""
    before = obj.get("status") or {}
    told = changed_conditions(before, status)
    found = []
    for said in (*told, *(c for c in status.get("conditions") or () if c not in told), *once):
        news = news_of(resource.kind, said, condition(before, said["type"]))
        if news is not None or said in told or said in once:
            found.append(_labelled(event_for(resource, obj, said, now), news))
    return found


def _labelled(event: JsonObject, news: News | None) -> JsonObject:
    if news is not None:
        event["metadata"]["labels"] = {LABEL_NEWS: news.word}
    return event


def event_for(resource: Resource, obj: JsonObject, said: Mapping[str, Any], now: datetime) -> JsonObject:
    """A core/v1 Event. The name follows from what is said and when it began, so a repeated run does not say it twice."""
    metadata = obj["metadata"]
    began = said.get("lastTransitionTime", "")
    identity = short_hash([metadata["uid"], said["type"], said["status"], said["reason"], began], 16)
    warning = (said["type"] == "Stalled" and said["status"] == "True") or reasons.event_of(
        said["reason"]
    ) is Event.WARNING
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": f"{metadata['name']}.{identity}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
        "type": "Warning" if warning else "Normal",
        "reason": said["reason"],
        "message": (said.get("message") or f"{said['type']} is {said['status']}")[:MESSAGE_LIMIT],
        "firstTimestamp": timestamp(now),
        "lastTimestamp": timestamp(now),
        "count": 1,
        "source": {"component": COMPONENT},
    }


def _in_order(conditions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    first = {"Stalled": 0, "Reconciling": 1, "Ready": 2}
    return sorted(conditions, key=lambda c: (first.get(str(c["type"]), 3), str(c["type"])))


def _speaks(said: Mapping[str, Any], before: Mapping[str, Any] | None, status: Mapping[str, Any]) -> bool:
    if reasons.event_of(str(said["reason"])) is Event.QUIET:
        return False
    if said["type"] in ("Reconciling", "Stalled"):
        return bool(said["status"] == "True")
    if said["type"] == "Ready":
        explained = is_true(status, "Reconciling") or is_true(status, "Stalled")
        return said["status"] == "True" or not explained
    was_true = before is not None and before["status"] == "True"
    return bool(said.get("message")) and (said["status"] == "True" or was_true)
