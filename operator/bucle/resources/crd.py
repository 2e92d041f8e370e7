"""Makes CustomResourceDefinitions from the types: pydantic's JSON schema → structural schema → documents. Pure.

A CRD takes a subset of JSON schema: no references, no null unions, no titles, no constants. What pydantic writes is
rewritten into that subset. Defaults that are empty lists or maps are left out: the types read absent as empty, and
objects in the cluster stay as short as a person wrote them. Below a list or map there are no defaults at all, and no
`properties` that name none: the server stores the first where a person wrote nothing and drops the second, and every
tool that compares what is stored with what stands in Git sees a difference for ever.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from bucle.contracts.names import ANNOTATION_SCHEMA_HASH
from bucle.resources.base import CATEGORY, GROUP, VERSION, Resource
from bucle.resources.columns import Column
from bucle.resources.documents import KINDS

JsonObject = dict[str, Any]

_KEPT = (
    "type",
    "format",
    "description",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
    "anyOf",
)
_ROOT = {
    "apiVersion": {"type": "string", "description": "Group and version of this object's schema."},
    "kind": {"type": "string", "description": "The kind of this object."},
    "metadata": {"type": "object"},
}


class _FullDefaults(GenerateJsonSchema):
    """An object's default is written out in full: the server tries CEL rules on it before it fills in anything."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, BaseModel):
            return _without_empty(dft.model_dump(mode="json", by_alias=True, exclude_none=True))
        return super().encode_default(dft)


def _without_empty(value: JsonObject) -> JsonObject:
    short = {key: _without_empty(item) if isinstance(item, dict) else item for key, item in value.items()}
    return {key: item for key, item in short.items() if item not in ({}, [])}


def structural_schema(model: type[BaseModel], *, for_people: bool = False) -> JsonObject:
    """The structural schema of one type, with all types it uses put in place; `for_people`: with every default."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_FullDefaults)
    return _structural(schema, schema.get("$defs", {}), below_lists=for_people)


def _structural(node: JsonObject, definitions: JsonObject, *, below_lists: bool, stored: bool = True) -> JsonObject:
    node = _resolved(node, definitions)
    result = {key: node[key] for key in _KEPT if key in node}
    result.update({key: value for key, value in node.items() if key.startswith("x-kubernetes-")})
    if result.get("type") == "integer":
        result["format"] = "int64"
    if "const" in node:
        result["enum"] = [node["const"]]
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    for word in ("items", "additionalProperties"):
        if isinstance(node.get(word), dict):
            result[word] = _structural(node[word], definitions, below_lists=below_lists, stored=below_lists)
    if node.get("properties"):
        result["properties"] = {
            name: _with_default(_structural(child, definitions, below_lists=below_lists, stored=stored), child, stored)
            for name, child in node["properties"].items()
        }
    return result


def _resolved(node: JsonObject, definitions: JsonObject) -> JsonObject:
    """Follows references and drops `null` from unions; words beside a reference win over those behind it."""
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[-1]]
        return _resolved({**target, **{key: value for key, value in node.items() if key != "$ref"}}, definitions)
    members = [member for member in node.get("anyOf", ()) if member.get("type") != "null"]
    if len(members) == 1:
        beside = {key: value for key, value in node.items() if key != "anyOf"}
        return _resolved({**_resolved(members[0], definitions), **beside}, definitions)
    return node


def _with_default(schema: JsonObject, source: JsonObject, stored: bool) -> JsonObject:
    default = source.get("default")
    return schema if not stored or default in (None, [], {}) else {**schema, "default": default}


def root_schema(kind: type[Resource], *, for_people: bool = False) -> JsonObject:
    """The schema of a whole object of that kind."""
    own = structural_schema(kind, for_people=for_people)
    spec, status = own["properties"]["spec"], own["properties"]["status"]
    # A new object has no status yet; with this default kstatus, Helm and Flux see it as in progress, not as done.
    status["default"] = {"observedGeneration": -1}
    return {
        "type": "object",
        "description": own["description"],
        "required": ["spec"],
        "properties": {**_ROOT, "spec": spec, "status": status},
        "x-kubernetes-validations": own["x-kubernetes-validations"],
    }


def crd_name(kind: type[Resource]) -> str:
    return f"{kind.plural}.{GROUP}"


def schema_hash(kind: type[Resource]) -> str:
    """What the served CRD's annotation must say for this operator to understand its objects; 64 hex digits."""
    text = json.dumps(root_schema(kind), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def expected_hashes() -> dict[str, str]:
    """Name of each CRD → the schema hash its annotation must carry."""
    return {crd_name(kind): schema_hash(kind) for kind in KINDS.values()}


def crd_document(kind: type[Resource]) -> JsonObject:
    """The CustomResourceDefinition of that kind."""
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_printer_column(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": root_schema(kind)},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": crd_name(kind), "annotations": {ANNOTATION_SCHEMA_HASH: schema_hash(kind)}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind_name,
                "listKind": f"{kind.kind_name}List",
                "plural": kind.plural,
                "singular": kind.kind_name.lower(),
                "shortNames": [kind.short_name],
                "categories": [CATEGORY],
            },
            "versions": [version],
        },
    }


def _printer_column(column: Column) -> JsonObject:
    result: JsonObject = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.description:
        result["description"] = column.description
    if column.wide:
        result["priority"] = 1
    return result
