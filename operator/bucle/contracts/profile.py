"""What the rows of training looked like, column by column: what rows that come later are compared with, in place of the rows.

A column is a list of cells with the number of rows in each. Numbers: the distinct quantiles at 1/32 … 31/32 are edges,
and rows lie below the first, at it, between it and the next, and so on, so that ties and constants have cells of their
own. Categories: the most frequent values, the other ones that training saw, and what it never saw.
"""

from __future__ import annotations

from bucle.contracts.base import Document

PREDICTED_CLASS, PREDICTED_SCORE, PREDICTED_NUMBER = "prediction", "score", "number"
"""Columns of `Reference.predictions`; `score` is that of the positive class, or the greatest of more than two."""

FEWEST_OF_A_VALUE = 10


class FeatureProfile(Document):
    """Numbers: `quantiles` at 0, 1/32 … 1, values that occur, and `cells`: the rows of each cell between them.
    Categories: the most frequent values with their counts, `other` rows with values that training saw as well, and
    `singletons`, values seen once: their share of the rows is what is expected of values never seen (Good 1953).

    `levels` of stretches of `Blocks.rows`, as far as training holds enough of them, and `time_levels` of stretches of
    `Blocks.seconds`: how much their mean rank varies beyond what chance would give, in variances of one row. The
    `null_levels` are those of being null.
    """

    name: str
    rows: int
    nulls: int
    quantiles: tuple[float, ...] = ()
    cells: tuple[int, ...] = ()
    counts: dict[str, int] = {}
    other: int = 0
    singletons: int | None = None
    levels: tuple[float, ...] = ()
    time_levels: tuple[float, ...] = ()
    null_levels: tuple[float, ...] = ()
    null_time_levels: tuple[float, ...] = ()

    @property
    def edges(self) -> tuple[float, ...]:
        return tuple(sorted(set(self.quantiles[1:-1])))

    @property
    def known(self) -> tuple[str, ...]:
        """The values that have a cell each, in the order of the cells: how often a rare one comes is not known, and the
        most frequent of many rare ones were so by chance."""
        ranked = sorted(self.counts, key=lambda value: (-self.counts[value], value))
        return tuple(value for value in ranked if self.counts[value] >= FEWEST_OF_A_VALUE) or tuple(ranked[:1])

    @property
    def numeric(self) -> bool:
        return bool(self.quantiles)

    @property
    def comparable(self) -> bool:
        """Whether rows can be compared with it: one that an older release made says too little, and so does a free text."""
        return bool(self.cells) or (self.singletons is not None and bool(self.counts))


class Blocks(Document):
    """How long the stretches of training rows are whose levels the profiles tell, in rows and in seconds, ascending.
    Empty where rows have no time."""

    rows: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()

    def or_longer(self, other: Blocks) -> Blocks:
        """The lengths of whichever has more of them: all are the first of the same ones."""
        return Blocks(rows=max(self.rows, other.rows, key=len), seconds=max(self.seconds, other.seconds, key=len))
