"""One object as the API server in memory keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from bucle.engine.objects import JsonObject


def selected_by(fields: Mapping[str, str] | None, obj: Any) -> bool:
    """A field selector, of which the operator uses equality of fields at any depth."""
    for path, value in (fields or {}).items():
        found = obj
        for part in path.split("."):
            found = found.get(part) or {}
        if found != value:
            return False
    return True


class Stored:
    """One object, whole: it is replaced, never changed, so its JSON is made once and each reader gets it parsed anew."""

    __slots__ = ("_json", "_obj", "applied", "posted")
    _json: bytes | None

    def __init__(self, obj: JsonObject, applied: JsonObject | None = None, posted: JsonObject | None = None) -> None:
        self.obj = obj
        self.applied = applied
        self.posted = posted or {}

    @property
    def obj(self) -> JsonObject:
        return self._obj

    @obj.setter
    def obj(self, obj: JsonObject) -> None:
        self._obj, self._json = obj, None

    def copy(self) -> JsonObject:
        """What arrives at the other end of a connection."""
        if self._json is None:
            self._json = orjson.dumps(self._obj)
        copied: JsonObject = orjson.loads(self._json)
        return copied
