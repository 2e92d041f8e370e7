"""Lines for a terminal: widths, tables, paragraphs, colour. Pure; what a terminal is capable of is a value.

Words come from clusters, so no control character of theirs reaches a terminal.
"""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bucle.cli.objects import State

GAP = "  "
_PAINT = re.compile(r"\x1b\[[0-9;]*m")
NARROWEST = 40
"""A last column gets so many cells at least, or as many as it needs: fewer tell nothing."""
_COLOURS = {
    State.READY: "32",
    State.PROGRESSING: "33",
    State.UNSEEN: "33",
    State.STALLED: "31",
    State.NOT_READY: "31",
    State.MISSING: "31",
    State.HIDDEN: "35",
    State.DELETING: "35",
}


@dataclass(frozen=True, slots=True)
class Screen:
    """`width` None: lines are as long as they are, for whoever reads them is a program."""

    width: int | None = None
    colour: bool = False
    unicode: bool = True


def clean(text: str) -> str:
    """One line without control characters or marks that turn the direction of writing."""
    spaced = " ".join(text.split())
    return "".join("�" if unicodedata.category(letter) in ("Cc", "Cf") else letter for letter in spaced)


def cells_of(text: str) -> int:
    """Cells of a terminal that the text takes."""
    text = _PAINT.sub("", text)
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    marks = sum(unicodedata.combining(letter) != 0 for letter in text)
    return len(text) + wide - marks


def cut(text: str, cells: int) -> str:
    """At most so many cells; what is cut ends with `…`."""
    if cells_of(text) <= cells:
        return text
    kept = ""
    for letter in text:
        if cells_of(kept + letter) > cells - 1:
            break
        kept += letter
    return kept.rstrip() + "…"


def table(rows: Sequence[Sequence[str]], screen: Screen, indent: str = "") -> list[str]:
    """The first row is the head. All columns but the last are as wide as they need; the last one is cut at the edge."""
    widths = [max(cells_of(row[column]) for row in rows) for column in range(len(rows[0]))]
    before = cells_of(indent) + sum(width + len(GAP) for width in widths[:-1])
    room = None if screen.width is None else max(screen.width - before, min(NARROWEST, widths[-1]))
    lines = []
    for row in rows:
        padded = [text + " " * (width - cells_of(text)) for text, width in zip(row[:-1], widths, strict=False)]
        last = row[-1] if room is None else cut(row[-1], room)
        lines.append((indent + GAP.join([*padded, last])).rstrip())
    return lines


def paragraph(text: str, screen: Screen, indent: str, first: str | None = None) -> list[str]:
    """The text in lines that fit; `first` stands before the first line instead of the indent."""
    begin = indent if first is None else first
    if screen.width is None:
        return [begin + clean(text)]
    width = max(NARROWEST, screen.width)
    wrapped = textwrap.wrap(
        clean(text),
        width,
        initial_indent=begin,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return wrapped or [begin.rstrip()]


def painted(text: str, state: State, screen: Screen) -> str:
    return f"\x1b[{_COLOURS[state]}m{text}\x1b[0m" if screen.colour else text


def ago(moment: str | None, now: datetime) -> str:
    """How long ago that was, as kubectl says it; empty when it is no time."""
    try:
        seconds = int((now - datetime.fromisoformat(moment or "")).total_seconds())
    except (ValueError, TypeError):
        return ""
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{max(0, seconds)}s"


def counted(many: int | None, needed: int | None) -> str:
    """`120 of 400`, or as much of it as is known."""
    if many is None and needed is None:
        return ""
    told = "?" if many is None else str(many)
    return told if needed is None else f"{told} of {needed}"


def joined(parts: Iterable[str | None], between: str = ", ") -> str:
    return between.join(part for part in parts if part)
