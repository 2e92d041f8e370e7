"""Server-side apply for one manager, as far as our manifests use it. Pure.

Maps merge field by field, lists whose items have a `name` (or, for Service ports, a `port`) merge item by item, all
other lists are replaced. A field left out of a later apply goes away if only an apply ever set it.
"""

from __future__ import annotations

import copy
from typing import Any

import orjson

from bucle.engine.objects import JsonObject

ATOMIC = frozenset({"selector", "matchLabels", "nodeSelector"})


def apply(live: Any, before: Any, now: Any, field: str = "") -> Any:
    """`live` with the intent `now`, where `before` is the intent of the previous apply (None at the first)."""
    if isinstance(now, dict) and isinstance(live, dict) and field not in ATOMIC:
        merged = dict(live)
        earlier = before if isinstance(before, dict) else {}
        for key in earlier:
            if key not in now:
                merged.pop(key, None)
        for key, value in now.items():
            merged[key] = apply(live.get(key), earlier.get(key), value, key)
        return merged
    key = _item_key(now) if isinstance(live, list) else None
    if key is not None:
        return _lists(live, before if isinstance(before, list) else [], now, key)
    return copy.deepcopy(now)


def _item_key(items: Any) -> str | None:
    if isinstance(items, list) and items and all(isinstance(item, dict) for item in items):
        for key in ("port", "name"):
            if all(key in item for item in items):
                return key
    return None


def _lists(live: list[Any], before: list[Any], now: list[Any], key: str) -> list[Any]:
    wanted = {item[key]: item for item in now}
    earlier = {item.get(key): item for item in before}
    kept = [item for item in live if item.get(key) not in earlier or item.get(key) in wanted]
    merged = [apply(i, earlier.get(i.get(key)), wanted[i[key]]) if i.get(key) in wanted else i for i in kept]
    present = {item.get(key) for item in kept}
    return merged + [copy.deepcopy(item) for name, item in wanted.items() if name not in present]


def patched(live: Any, patch: Any) -> Any:
    """JSON merge patch, RFC 7396: null takes away, a list is one value."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = patched(merged.get(key), value)
    return merged


def wire_copy(obj: JsonObject) -> JsonObject:
    """What arrives at the other end of a connection: JSON, nothing shared. Several times faster than `copy.deepcopy`."""
    copied: JsonObject = orjson.loads(orjson.dumps(obj))
    return copied


def intent_of(manifest: JsonObject) -> JsonObject:
    """What an apply claims: without status and the preconditions."""
    intent = wire_copy(manifest)
    intent.pop("status", None)
    for precondition in ("uid", "resourceVersion"):
        intent["metadata"].pop(precondition, None)
    return intent


def only_applied(applied: Any, posted: Any) -> Any:
    """The part of an earlier apply that the first POST did not also set: only that goes away when left out."""
    if not isinstance(applied, dict) or not isinstance(posted, dict):
        return applied
    kept = {}
    for key, value in applied.items():
        if key not in posted:
            kept[key] = value
        elif isinstance(value, dict):
            kept[key] = only_applied(value, posted[key])
    return kept
