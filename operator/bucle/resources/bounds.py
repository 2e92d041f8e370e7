"""A status within the bounds of its schema: what machines wrote is cut, because one sentence too long freezes an object. Pure.

The API server refuses a whole status for one field. Frozen models are copied without validation, so the bounds of the
types hold only where they are applied: here, at every write.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from bucle.resources.base import Model
from bucle.resources.documents import to_dict

_MEANINGFUL = ("pattern", "format", "enum", "const")
"""Words of a schema beside which half of a text would be another text; the API server tells what is wrong with it."""


def within_bounds(model: Model) -> dict[str, Any]:
    """The model as it stands in YAML, long texts and lists cut to what its schema allows."""
    schema = _schema(type(model))
    found = _cut(to_dict(model), schema, schema.get("$defs") or {})
    assert isinstance(found, dict), "a model is an object"
    return found


@cache
def _schema(kind: type[Model]) -> Mapping[str, Any]:
    return kind.model_json_schema(by_alias=True)


def _cut(value: Any, schema: Mapping[str, Any], shared: Mapping[str, Any]) -> Any:
    schema = _resolved(schema, value, shared)
    if isinstance(value, str):
        limit = schema.get("maxLength")
        free = limit is not None and not any(word in schema for word in _MEANINGFUL)
        return value[:limit] if free else value
    if isinstance(value, list):
        items = schema.get("items") or {}
        return [_cut(item, items, shared) for item in value[: schema.get("maxItems")]]
    if isinstance(value, dict):
        known, others = schema.get("properties") or {}, schema.get("additionalProperties") or {}
        others = others if isinstance(others, Mapping) else {}
        return {key: _cut(item, known.get(key, others), shared) for key, item in value.items()}
    return value


def _resolved(schema: Mapping[str, Any], value: Any, shared: Mapping[str, Any]) -> Mapping[str, Any]:
    """The words that apply to the value: behind a reference, or in the member of a union that is not null."""
    while True:
        if "$ref" in schema:
            schema = shared[schema["$ref"].rsplit("/", 1)[-1]]
        elif "anyOf" in schema:
            members = [member for member in schema["anyOf"] if member.get("type") != "null"]
            if len(members) != 1:
                return {}
            schema = members[0]
        elif len(schema.get("allOf") or ()) == 1:
            schema = schema["allOf"][0]
        else:
            return schema
