"""A document in the form that was asked for: YAML, JSON, or lines for people. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import yaml

from bucle.cli.documents import Document, Explanation, Gates, Loop, Request, Signals
from bucle.cli.evidence_text import gates_lines, signals_lines
from bucle.cli.explanation_text import explanation_lines
from bucle.cli.loop_text import loop_lines
from bucle.cli.requests import request_lines
from bucle.cli.text import Screen
from bucle.resources.documents import to_dict

FORMS: Final = ("table", "json", "yaml")


def written(
    document: Document, form: str, screen: Screen, now: datetime, *, namespaces: bool = False, whole: bool = True
) -> str:
    """Ends with a line break, unless there is nothing to say. `namespaces`, `whole`: see `loop_lines`."""
    if form == "json":
        return json.dumps(_in_order(document), indent=2, ensure_ascii=not screen.unicode) + "\n"
    if form == "yaml":
        return yaml.safe_dump(_in_order(document), sort_keys=False, allow_unicode=screen.unicode, width=120)
    if isinstance(document, Loop):
        lines = loop_lines(document, screen, namespaces=namespaces, whole=whole) if document.items else []
    else:
        lines = _lines(document, screen, now)
    return "".join(f"{line}\n" for line in lines)


def _in_order(document: Document) -> dict[str, Any]:
    """What it is first, what is missing from it last."""
    found = to_dict(document)
    notes = found.pop("notes")
    return {"apiVersion": found.pop("apiVersion"), "kind": found.pop("kind"), **found, "notes": notes}


def _lines(document: Document, screen: Screen, now: datetime) -> list[str]:
    match document:
        case Explanation():
            return explanation_lines(document, screen, now)
        case Gates():
            return gates_lines(document, screen)
        case Signals():
            return signals_lines(document, screen)
        case Request():
            return request_lines(document)
    raise TypeError(f"no way to show a {type(document).__name__}")
