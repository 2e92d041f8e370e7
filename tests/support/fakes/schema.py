"""A structural schema as the API server applies it: what is dropped, filled in and refused, in the server's words. Pure.

The same walk serves our CRDs (OpenAPI v3) and the core kinds (the published OpenAPI v2 definitions). CEL rules are left
out: tests/cluster holds those. tests/conformance asks a real server whether each rule here is true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from bucle.contracts.canonical import canonical_json

Schema = Mapping[str, Any]

QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_QUANTITY = r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
_INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"
_BOUNDS = {"int32": 2**31, "int64": 2**63}
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


@dataclass
class Verdict:
    """`value` is what is stored. `problems` refuse it; `dropped` are paths of fields that no schema names."""

    value: Any
    problems: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


def judge(schema: Schema, value: Any, path: str = "", definitions: Mapping[str, Schema] | None = None) -> Verdict:
    """`path` is how the value is called in messages."""
    verdict = Verdict(value)
    verdict.value = _Walk(definitions or {}, verdict).value(schema, value, path)
    return verdict


@dataclass
class _Walk:
    definitions: Mapping[str, Schema]
    verdict: Verdict

    def value(self, schema: Schema, value: Any, path: str) -> Any:
        reference = schema.get("$ref")
        if reference is not None:
            name = reference.rpartition("/")[2]
            if name in (QUANTITY, INT_OR_STRING):
                return self._number_or_string(value, path, quantity=name == QUANTITY)
            schema = self.definitions[name]
        if schema.get("x-kubernetes-int-or-string"):
            if not _is(value, ("integer", "string")):
                self._refuse(path, f'Invalid value: "{_kind(value)}": must be of type integer or string')
            elif isinstance(value, str):
                self._scalar(schema, value, path)
            return value
        type_ = schema.get("type", "object" if "properties" in schema else None)
        if type_ is not None and not _is(value, (type_,)):
            self._refuse(path, f'Invalid value: "{_kind(value)}": {path} in body must be of type {type_}')
            return value
        if isinstance(value, dict):
            return self._object(schema, value, path)
        if isinstance(value, list):
            return self._list(schema, value, path)
        self._scalar(schema, value, path)
        return value

    def _object(self, schema: Schema, value: dict[str, Any], path: str) -> dict[str, Any]:
        properties: Mapping[str, Schema] = schema.get("properties", {})
        others = schema.get("additionalProperties")
        # An object without properties is free in a core kind and empty in a CRD.
        anything = schema.get("x-kubernetes-preserve-unknown-fields") or (self.definitions and not properties)
        kept: dict[str, Any] = {}
        for name, item in value.items():
            inner = f"{path}.{name}" if path else name
            wanted = properties.get(name, others)
            if item is None and not (wanted or {}).get("nullable"):
                # What is null and may not be is taken as not there.
                continue
            if isinstance(wanted, Mapping):
                kept[name] = self.value(wanted, item, inner)
            elif anything or others is True:
                kept[name] = item
            else:
                self.verdict.dropped.append(inner)
        for name, wanted in properties.items():
            if name not in kept and "default" in wanted:
                kept[name] = self.value(wanted, wanted["default"], f"{path}.{name}")
        for name in schema.get("required", ()):
            if name not in kept:
                self._refuse(f"{path}.{name}".lstrip("."), "Required value")
        self._size(schema, kept, path, "Properties")
        return kept

    def _list(self, schema: Schema, value: list[Any], path: str) -> list[Any]:
        self._size(schema, value, path, "Items")
        kept = [self.value(schema.get("items", {}), item, f"{path}[{index}]") for index, item in enumerate(value)]
        names = schema.get("x-kubernetes-list-map-keys") if schema.get("x-kubernetes-list-type") == "map" else None
        unique = names or schema.get("x-kubernetes-list-type") == "set"
        seen: set[str] = set()
        for index, item in enumerate(kept if unique else ()):
            key = canonical_json([item.get(name) for name in names] if names and isinstance(item, dict) else item)
            if key in seen:
                self._refuse(f"{path}[{index}]", f"Duplicate value: {key}")
            seen.add(key)
        return kept

    def _size(self, schema: Schema, value: Any, path: str, of: str) -> None:
        if len(value) > schema.get(f"max{of}", len(value)):
            self._refuse(path, f"Too many: {len(value)}: must have at most {schema[f'max{of}']} items")
        if len(value) < schema.get(f"min{of}", 0):
            self._refuse(path, f"Invalid value: {len(value)}: {path} in body should have at least {schema[f'min{of}']}")

    def _scalar(self, schema: Schema, value: Any, path: str) -> None:
        for problem in (*_text_problems(schema, value, path), *_number_problems(schema, value, path)):
            self._refuse(path, problem)
        if "enum" in schema and value not in schema["enum"]:
            allowed = ", ".join(canonical_json(item) for item in schema["enum"])
            self._refuse(path, f"Unsupported value: {canonical_json(value)}: supported values: {allowed}")

    def _number_or_string(self, value: Any, path: str, *, quantity: bool) -> Any:
        if not _is(value, ("integer", "string", "number") if quantity else ("integer", "string")):
            self._refuse(path, f'Invalid value: "{_kind(value)}": must be a number or a string')
        elif quantity and not _pattern(_QUANTITY)(str(value)):
            self._refuse(path, f"quantities must match the regular expression '{_QUANTITY}'")
        return value

    def _refuse(self, path: str, why: str) -> None:
        self.verdict.problems.append(f"{path or '<root>'}: {why}")


def _text_problems(schema: Schema, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, str):
        return
    if len(value) > schema.get("maxLength", len(value)):
        yield f"Too long: may not be more than {schema['maxLength']} bytes"
    if len(value) < schema.get("minLength", 0):
        yield f'Invalid value: "{value}": {path} in body should be at least {schema["minLength"]} chars long'
    pattern = schema.get("pattern")
    if pattern is not None and not _pattern(pattern)(value):
        yield f"Invalid value: {canonical_json(value)}: {path} in body should match '{pattern}'"
    if schema.get("format") == "date-time" and not _pattern(_INSTANT)(value):
        yield f"Invalid value: {canonical_json(value)}: {path} in body must be of type date-time"


def _number_problems(schema: Schema, value: Any, path: str) -> Iterator[str]:
    if not _is(value, ("number",)):
        return
    bound = _BOUNDS.get(schema.get("format", ""))
    if bound is not None and not -bound <= value < bound:
        yield f"Invalid value: {value}: {path} in body must be of type {schema['format']}"
    if value < schema.get("minimum", value):
        yield f"Invalid value: {value}: {path} in body should be greater than or equal to {schema['minimum']}"
    if value > schema.get("maximum", value):
        yield f"Invalid value: {value}: {path} in body should be less than or equal to {schema['maximum']}"


def _is(value: Any, types: tuple[str, ...]) -> bool:
    if isinstance(value, bool):
        return "boolean" in types
    return any(isinstance(value, _TYPES[type_]) for type_ in types)


def _kind(value: Any) -> str:
    return next((name for name in _TYPES if _is(value, (name,))), "null")


@cache
def _pattern(pattern: str) -> Callable[[str], Any]:
    """Go's `$` is the very end of the text, Python's also stands before a last newline."""
    return re.compile(re.sub(r"\$$", r"\\Z", pattern)).search
