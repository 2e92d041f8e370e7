"""What is kept of a window's rows, column by column: sums from which every comparison with a profile is made. Sketches
of neighbouring stretches of rows are added, so no look reads a row twice."""

from __future__ import annotations

from bucle.contracts.base import Document

RANKS = 1000
"""Ranks are whole numbers from −RANKS/2 to RANKS/2: their sums are exact however they are added."""


class ColumnSketch(Document):
    """`cells`: rows per cell of the column's profile; for categories its known values, then other values that training
    saw, then values it never saw. `invalid`: values that are none of the column's type. `missing`: rows of files that
    do not have the column. `outside`: numbers beyond the least and the greatest of training, which are in `cells` too.
    `least` and `greatest`: of the window's numbers.

    `neighbours`: Σ of the products of the ranks of each row and the one before, from `first` to `last`.
    """

    name: str
    cells: tuple[int, ...] = ()
    nulls: int = 0
    invalid: int = 0
    missing: int = 0
    outside: int = 0
    least: float | None = None
    greatest: float | None = None
    neighbours: int = 0
    first: int | None = None
    last: int | None = None

    @property
    def compared(self) -> int:
        return sum(self.cells)

    def and_then(self, later: ColumnSketch) -> ColumnSketch:
        """Of these rows and, after them, those of `later`."""
        between = 0 if self.last is None or later.first is None else self.last * later.first
        return ColumnSketch(
            name=self.name,
            cells=tuple(mine + other for mine, other in zip(self.cells, later.cells, strict=True)),
            nulls=self.nulls + later.nulls,
            invalid=self.invalid + later.invalid,
            missing=self.missing + later.missing,
            outside=self.outside + later.outside,
            least=min(_numbers(self.least, later.least), default=None),
            greatest=max(_numbers(self.greatest, later.greatest), default=None),
            neighbours=self.neighbours + between + later.neighbours,
            first=later.first if self.first is None else self.first,
            last=self.last if later.last is None else later.last,
        )


class WindowSketch(Document):
    """`profile`: the hash of the profiles whose cells these are; sketches of other profiles cannot be added."""

    profile: str
    rows: int
    columns: tuple[ColumnSketch, ...]

    def and_then(self, later: WindowSketch) -> WindowSketch:
        """Of these rows and, after them, those of `later`; raises ValueError for a sketch of other profiles."""
        if self.profile != later.profile:
            raise ValueError(f"a sketch of profile {later.profile} cannot be added to one of {self.profile}")
        pairs = zip(self.columns, later.columns, strict=True)
        columns = tuple(mine.and_then(other) for mine, other in pairs)
        return WindowSketch(profile=self.profile, rows=self.rows + later.rows, columns=columns)


def _numbers(*values: float | None) -> list[float]:
    return [value for value in values if value is not None]
