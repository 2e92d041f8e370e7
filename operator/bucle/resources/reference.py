"""The field tables of the reference pages, made from the same schema as the CRDs. Text in, text out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bucle.resources.base import SAFE_INTEGER, Resource
from bucle.resources.crd import JsonObject, root_schema

MARKER = "<!-- Below this line: made by `python -m bucle crds`; do not edit. -->\n"


def with_tables(page: str, kind: type[Resource]) -> str:
    """The page with everything after the marker made anew; a page without the marker gets it at its end."""
    written, _, _ = page.partition(MARKER)
    return written + MARKER + "\n" + _tables(kind)


def _tables(kind: type[Resource]) -> str:
    schema = root_schema(kind, for_people=True)
    parts = ["## Fields of `spec`\n", *_table(schema["properties"]["spec"], "Default"), "\n## Rules\n"]
    parts += [f"- {where}{message}." for where, message in _rules(schema, "")]
    parts += ["\n## Fields of `status`\n", *_table(schema["properties"]["status"], None)]
    return "\n".join(parts) + "\n"


def _table(schema: JsonObject, default: str | None) -> Iterator[str]:
    titles = ["Field", "Type", *([default] if default else []), "Meaning"]
    yield "| " + " | ".join(titles) + " |"
    yield "|" + "---|" * len(titles)
    for path, node, required in _fields(schema, ""):
        cells = [f"`{path}`", _type(node), *([_default(node, required)] if default else []), node["description"]]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _fields(schema: JsonObject, prefix: str) -> Iterator[tuple[str, JsonObject, bool]]:
    for name, node in schema.get("properties", {}).items():
        path = prefix + name
        yield path, node, name in schema.get("required", ())
        inner = node.get("items", node)
        yield from _fields(inner, path + ("[]." if "items" in node else "."))


def _type(node: JsonObject) -> str:
    if "enum" in node:
        return ", ".join(node["enum"])
    if "items" in node:
        return f"list of at most {node['maxItems']}"
    if "additionalProperties" in node:
        return "map"
    if "x-kubernetes-preserve-unknown-fields" in node:
        return "quantity"
    if node["type"] == "integer":
        low, high = (limit if limit is not None and abs(limit) < SAFE_INTEGER else None for limit in _limits(node))
        return "integer" + (f" {low} to {high}" if high is not None else f" from {low}" if low is not None else "")
    return "time" if node.get("format") == "date-time" else str(node["type"])


def _limits(node: JsonObject) -> tuple[int | None, int | None]:
    return node.get("minimum"), node.get("maximum")


def _default(node: JsonObject, required: bool) -> str:
    if required:
        return "required"
    default: Any = node.get("default")
    return "" if default is None or isinstance(default, dict | list) else f"`{default}`"


def _rules(schema: JsonObject, path: str) -> Iterator[tuple[str, str]]:
    where = f"`{path}`: " if path else ""
    yield from ((where, rule["message"]) for rule in schema.get("x-kubernetes-validations", ()))
    for name, node in schema.get("properties", {}).items():
        yield from _rules(node, f"{path}.{name}".lstrip("."))
    if "items" in schema:
        yield from _rules(schema["items"], path + "[]")
