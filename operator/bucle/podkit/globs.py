"""Which objects a location means: one by its name, a pattern, or all of a folder; and what its path says of the rows.

May know the store. The rule, as refusals and docs/contracts/tables.md tell it: `*`, `?` and `[…]` stand for characters
of one path element, `**` for any number of elements, and a folder for all files in it.
"""

from __future__ import annotations

import fnmatch
import re
from urllib.parse import unquote

from bucle.podkit import store
from bucle.podkit.program import bad_configuration
from bucle.podkit.store import StoredFile

RULE = "`*` is of one path element, `**` of any number, a folder means all its {} files"
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_PATTERN = re.compile(r"[*?\[]")


def find(location: str, endings: tuple[str, ...]) -> list[StoredFile]:
    """The objects, sorted by URI; raises SourceMissing (78) with the rule when there is none.

    An object that is called exactly so is meant itself, pattern or not: names may hold brackets. Of a folder and of
    what `**` finds, hidden files (`_SUCCESS`, `.part`) and those with another ending are not rows.
    """
    root, rest = _fixed_part(location)
    deep = "**" in rest or "/" in rest
    exact = [] if location.endswith(("/", "**")) else [f for f in _near(location) if f.uri == location]
    if exact:
        return exact
    if not rest:
        found = _rows_of(store.list_files(location), location, endings)
    else:
        listed = store.list_files(root, recursive=deep)
        found = [file for file in listed if _matches(file.uri[len(root) + 1 :].split("/"), rest.split("/"))]
        found = _rows_of(found, root, endings) if "**" in rest else found
    if not found:
        raise bad_configuration(
            "SourceMissing",
            f"no object matches {location} ({RULE.format(endings[0])}): correct the location or put files there",
        )
    return found


def partitions(uri: str) -> dict[str, str | None]:
    """What the folders of a path say of all rows below: `day=2026-01-01` is the column day."""
    named = [element.split("=", 1) for element in uri.split("/")[:-1] if "=" in element]
    return {name: None if value == NULL_PARTITION else unquote(value) for name, value in named if name}


def _near(location: str) -> list[StoredFile]:
    return store.list_files(location.rpartition("/")[0], recursive=False)


def _fixed_part(location: str) -> tuple[str, str]:
    """The folder up to the first element with a pattern, and the pattern behind it."""
    scheme, _, path = location.rstrip("/").partition("://")
    elements = path.split("/")
    at = next((i for i, element in enumerate(elements) if _PATTERN.search(element)), len(elements))
    rest = elements[at:]
    if rest and location.endswith("/"):
        rest.append("**")
    return f"{scheme}://{'/'.join(elements[:at])}", "/".join(rest)


def _matches(elements: list[str], patterns: list[str]) -> bool:
    if not patterns:
        return not elements
    if patterns[0] == "**":
        last = len(patterns) == 1
        return (last and bool(elements)) or any(_matches(elements[i:], patterns[1:]) for i in range(len(elements) + 1))
    return bool(elements) and fnmatch.fnmatchcase(elements[0], patterns[0]) and _matches(elements[1:], patterns[1:])


def _rows_of(files: list[StoredFile], root: str, endings: tuple[str, ...]) -> list[StoredFile]:
    inside = len(root.rstrip("/")) + 1
    return [
        file
        for file in files
        if file.uri.lower().endswith(endings)
        and not any(element.startswith(("_", ".")) for element in file.uri[inside:].split("/"))
    ]
