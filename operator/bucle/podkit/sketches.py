"""Sketches of served rows, batch by batch: memory is that of one batch, whatever the length of the window.

May know pyarrow, numpy, profiles and captured columns. Reads no store: whoever has rows hands them over in the order in
which they were received, for that order tells how much rows follow each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bucle.contracts import capture
from bucle.contracts.canonical import short_hash
from bucle.contracts.profile import PREDICTED_CLASS, PREDICTED_NUMBER, PREDICTED_SCORE, FeatureProfile
from bucle.contracts.reference import Reference
from bucle.contracts.sketch import ColumnSketch, WindowSketch
from bucle.contracts.table import ColumnType
from bucle.podkit.cells import Codes, category_cells, number_cells, usable_categories, usable_numbers
from bucle.statistics.columns import ranks_of


@dataclass(frozen=True, slots=True)
class _Known:
    """One column as it is looked at: its profile, with what is made of it once."""

    profile: FeatureProfile
    type_: ColumnType
    edges: NDArray[np.float64]
    seen: pa.Array
    ranks: NDArray[np.int64]

    @property
    def cells(self) -> int:
        if not self.profile.comparable:
            return 0
        return len(self.profile.cells) if self.profile.numeric else len(self.profile.known) + 2


class Sketcher:
    """Of the columns of some profiles; a column that a batch lacks, or that holds something else, is counted as such."""

    def __init__(
        self,
        profiles: Iterable[FeatureProfile],
        types: Mapping[str, ColumnType],
        seen: Mapping[str, Iterable[str]],
    ) -> None:
        profiles = tuple(profiles)
        self.profile = short_hash([profile.as_json() for profile in profiles])
        self._columns = [
            _Known(
                profile,
                types.get(profile.name, "Number" if profile.numeric else "Category"),
                np.array(profile.edges),
                pa.array(list(seen.get(profile.name, profile.counts)), pa.string()),
                np.array(ranks_of(profile), dtype=np.int64),
            )
            for profile in profiles
        ]

    @classmethod
    def of_features(cls, reference: Reference) -> Sketcher:
        types = {column.name: column.type for column in reference.table.columns}
        return cls(reference.features, types, reference.categories)

    @classmethod
    def of_predictions(cls, reference: Reference) -> Sketcher:
        """For what `predicted` makes of captured rows."""
        return cls(reference.predictions, {}, {PREDICTED_CLASS: reference.classes})

    @property
    def columns(self) -> list[str]:
        return [column.profile.name for column in self._columns]

    @property
    def texts(self) -> list[str]:
        """Columns that are looked at as dictionaries; whoever reads them as such saves time and memory."""
        return [column.profile.name for column in self._columns if not column.profile.numeric]

    def empty(self) -> WindowSketch:
        """Of no rows: what any sketch can be added to."""
        columns = tuple(ColumnSketch(name=c.profile.name, cells=(0,) * c.cells) for c in self._columns)
        return WindowSketch(profile=self.profile, rows=0, columns=columns)

    def sketch(self, batch: pa.RecordBatch | pa.Table) -> WindowSketch:
        columns = tuple(_sketched(column, batch) for column in self._columns)
        return WindowSketch(profile=self.profile, rows=batch.num_rows, columns=columns)

    def parts(self, most: int) -> list[Sketcher]:
        """Sketchers of at most so many columns each, in the order of the columns; what they find is one by `joined`."""
        found = []
        for first in range(0, len(self._columns), most):
            part = copy(self)
            part._columns = self._columns[first : first + most]
            found.append(part)
        return found or [self]

    def of_batches(self, batches: Iterable[pa.RecordBatch | pa.Table]) -> WindowSketch:
        found = self.empty()
        for batch in batches:
            found = found.and_then(self.sketch(batch))
        return found


def joined(parts: Sequence[WindowSketch]) -> WindowSketch:
    """One sketch of what `Sketcher.parts` found in the same rows."""
    columns = tuple(column for part in parts for column in part.columns)
    return parts[0].model_copy(update={"columns": columns})


def predicted(rows: pa.RecordBatch | pa.Table) -> pa.Table:
    """The columns of `Reference.predictions` of captured rows."""
    scores = _scores(_array(rows, capture.SCORES))
    columns = {
        PREDICTED_CLASS: _array(rows, capture.LABEL),
        PREDICTED_SCORE: pa.array(scores, pa.float64(), mask=np.isnan(scores)),
        PREDICTED_NUMBER: _array(rows, capture.NUMBER),
    }
    return pa.table(columns)


def leading_score(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of scores n × k: that of the positive class, which is the last of two, or the greatest."""
    return scores[:, 1] if scores.shape[1] == 2 else scores.max(axis=1)


def _scores(lists: pa.Array) -> NDArray[np.float64]:
    """NaN where a row has no scores."""
    found = np.full(len(lists), np.nan)
    lengths = np.asarray(lists.value_lengths().fill_null(0))
    flat = np.asarray(lists.flatten().cast(pa.float64()), dtype=np.float64)
    starts = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int64)
    for width in np.unique(lengths[lengths > 0]):
        rows = np.flatnonzero(lengths == width)
        found[rows] = leading_score(flat[starts[rows, None] + np.arange(width)])
    return found


def _array(rows: pa.RecordBatch | pa.Table, name: str) -> pa.Array:
    column = rows.column(name)
    return column.unify_dictionaries().combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _sketched(column: _Known, batch: pa.RecordBatch | pa.Table) -> ColumnSketch:
    profile, rows = column.profile, batch.num_rows
    # A name that stands twice says nothing of which is meant.
    if len(batch.schema.get_all_field_indices(profile.name)) != 1:
        return ColumnSketch(name=profile.name, cells=(0,) * column.cells, missing=rows)
    array = _array(batch, profile.name)
    if not profile.comparable:
        return ColumnSketch(name=profile.name, nulls=array.null_count)
    if not profile.numeric:
        found = usable_categories(array, column.type_)
        codes = category_cells(found.usable, profile.known, column.seen)
        return _summed(column, codes, ColumnSketch(name=profile.name, nulls=found.nulls, invalid=found.invalid))
    found = usable_numbers(array, column.type_)
    values = np.asarray(found.usable, dtype=np.float64)
    outside = int((values < profile.quantiles[0]).sum() + (values > profile.quantiles[-1]).sum())
    counted = ColumnSketch(
        name=profile.name,
        nulls=found.nulls,
        invalid=found.invalid,
        outside=outside,
        least=float(values.min()) if len(values) else None,
        greatest=float(values.max()) if len(values) else None,
    )
    return _summed(column, number_cells(values, column.edges), counted)


def _summed(column: _Known, codes: Codes, counted: ColumnSketch) -> ColumnSketch:
    cells = np.bincount(codes, minlength=column.cells)
    ranks = column.ranks[codes]
    ends = {"first": int(ranks[0]), "last": int(ranks[-1])} if len(ranks) else {}
    sums = {"cells": tuple(cells.tolist()), "neighbours": int(ranks[1:] @ ranks[:-1])}
    return counted.model_copy(update=sums | ends)
