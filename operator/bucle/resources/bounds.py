"""A status within the bounds of its schema: what machines wrote is cut, because one sentence too long freezes an object. Pure.

The API server refuses a whole status for one field. Frozen models are copied without validation, so the bounds of the
types hold only where they are applied: here, at every write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from itertools import islice
from typing import Any, TypeAlias

from bucle.resources.base import Model
from bucle.resources.documents import to_dict

_MEANINGFUL = ("pattern", "format", "enum", "const")
"""Words of a schema beside which half of a text would be another text; the API server tells what is wrong with it."""


Cut: TypeAlias = Callable[[Any], Any]


def within_bounds(model: Model) -> dict[str, Any]:
    """The model as it stands in YAML, long texts, lists and maps cut to what its schema allows."""
    found = to_dict(model)
    cut = _of_kind(type(model))
    return cut(found) if cut else found


@cache
def _of_kind(kind: type[Model]) -> Cut | None:
    """What cuts a model of that kind, read from its schema once: every look at every object writes or compares a status."""
    schema = kind.model_json_schema(by_alias=True)
    return _cut(schema, schema.get("$defs") or {})


def _cut(schema: Mapping[str, Any], shared: Mapping[str, Any]) -> Cut | None:
    """What cuts a value of that schema; None where nothing in it has a bound."""
    schema = _resolved(schema, shared)
    longest, most = schema.get("maxItems"), schema.get("maxProperties")
    text = schema.get("maxLength") if not any(word in schema for word in _MEANINGFUL) else None
    items = _cut(schema["items"], shared) if schema.get("items") else None
    known = {name: _cut(inner, shared) for name, inner in (schema.get("properties") or {}).items()}
    additional = schema.get("additionalProperties")
    others = _cut(additional, shared) if isinstance(additional, Mapping) and additional else None
    bounds, parts = (text, longest, most), (items, others, *known.values())
    if all(bound is None for bound in bounds) and not any(parts):
        return None

    def cut(value: Any) -> Any:
        if isinstance(value, str):
            return value[:text]
        if isinstance(value, list):
            return [items(item) for item in value[:longest]] if items else value[:longest]
        if isinstance(value, dict):
            kept = islice(value.items(), most)
            return {key: inner(item) if (inner := known.get(key, others)) else item for key, item in kept}
        return value

    return cut


def _resolved(schema: Mapping[str, Any], shared: Mapping[str, Any]) -> Mapping[str, Any]:
    """The words that apply to a value: behind a reference, or in the member of a union that is not null."""
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
