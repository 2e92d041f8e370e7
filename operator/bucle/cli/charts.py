"""Small charts of one line: an interval against its limit, and a row of values. Pure text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite
from typing import NamedTuple

from bucle.cli.documents import Measured

BARS = "▁▂▃▄▅▆▇█"
LARGEST = 1e300
"""What is larger is told and not drawn: sums of such numbers are infinite."""


class Glyphs(NamedTuple):
    line: str
    left: str
    right: str
    open_left: str
    open_right: str
    value: str
    limit: str
    both: str
    """Value and limit in one place."""


UNICODE = Glyphs("─", "├", "┤", "◂", "▸", "●", "┃", "╋")
ASCII = Glyphs("-", "[", "]", "<", ">", "o", "|", "X")


class Scale(NamedTuple):
    low: float
    high: float


def number(text: str | None) -> float | None:
    """None for what is no number that can be drawn."""
    try:
        value = float(text) if text else None
    except ValueError:
        return None
    return value if value is not None and isfinite(value) and abs(value) < LARGEST else None


def scale_of(measured: Iterable[Measured]) -> Scale | None:
    """Wide enough for all that is known of these, with room at both ends for what is open; None when nothing is known."""
    texts = (text for one in measured for text in (one.value, one.lower, one.upper, one.limit))
    known = [value for value in map(number, texts) if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    room = (high - low) / 8 or abs(low) or 1.0
    return Scale(low - room, high + room)


def interval(one: Measured, scale: Scale, width: int, glyphs: Glyphs = UNICODE) -> str:
    """`├──●──┤  ┃`: what was measured, where the truth lies, what is allowed. An end that is not known is open."""
    value, limit = number(one.value), number(one.limit)
    cells = [" "] * width
    lower, upper = number(one.lower), number(one.upper)
    if lower is not None or upper is not None:
        begin = _place(lower, scale, width) if lower is not None else 0
        end = _place(upper, scale, width) if upper is not None else width - 1
        for place in range(begin, end + 1):
            cells[place] = glyphs.line
        cells[end] = glyphs.right if upper is not None else glyphs.open_right
        cells[begin] = glyphs.left if lower is not None else glyphs.open_left
    if limit is not None:
        cells[_place(limit, scale, width)] = glyphs.limit
    if value is not None:
        place = _place(value, scale, width)
        cells[place] = glyphs.both if cells[place] == glyphs.limit else glyphs.value
    return "".join(cells).rstrip()


def row(values: Sequence[float | None]) -> str:
    """One bar for each value, the lowest of them the lowest bar; a gap where there is none."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    step = (high - low) / (len(BARS) - 1) or 1.0
    return "".join(" " if value is None else BARS[round((value - low) / step)] for value in values)


def short(text: str | None) -> str:
    """A number with four digits; whatever else it is, as it stands."""
    value = number(text)
    return (text or "") if value is None else f"{value:.4g}"


def span(lower: str | None, upper: str | None) -> str:
    """An interval in words, either end of which may be open."""
    if lower is not None and upper is not None:
        return f"{short(lower)} to {short(upper)}"
    if lower is not None:
        return f"from {short(lower)}"
    return f"to {short(upper)}" if upper is not None else ""


def _place(value: float, scale: Scale, width: int) -> int:
    return min(width - 1, max(0, round((value - scale.low) / (scale.high - scale.low) * (width - 1))))
