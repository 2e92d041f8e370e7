"""The contract of rows and labels (`contracts.row_rules`) for whole tables: what is usable stays, the rest is counted by reason.

May know pyarrow and the contract. For typed tables of any source: captured rows, feedback, files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from bucle.contracts import capture
from bucle.contracts.row_rules import (
    DATED_AHEAD,
    ID_LIMIT,
    TIME_BEFORE,
    TIME_FROM,
    Fault,
    LabelContract,
    Refused,
    required,
)
from bucle.contracts.table import Column

LABEL = "label"


@dataclass(frozen=True)
class SetAside:
    """How many rows were set aside, by (column, fault). A row that is wrong in two columns counts for the first."""

    counts: Counter[tuple[str, Fault]] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        return sum(self.counts.values())

    def words(self) -> str:
        """`12 rows (hour out_of_range), 3 rows (time_hour null)`, the most frequent first; empty for none."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count} rows ({column} {fault})" for (column, fault), count in ordered)


def usable_rows(table: pa.Table, columns: Sequence[Column]) -> tuple[pa.Table, SetAside]:
    """The rows that keep the contract of all these columns, in their order, and the count of the others.

    The table has the columns with the types of `frames.ARROW`; a column that it lacks is null in every row.
    """
    counts: Counter[tuple[str, Fault]] = Counter()
    good = pa.array([True] * table.num_rows, pa.bool_())
    for column in columns:
        for fault, wrong in _faults(table, column):
            new = pc.and_(good, pc.fill_null(wrong, False))
            count = int(pc.sum(new).as_py() or 0)
            if count:
                counts[column.name, fault] += count
                good = pc.and_(good, pc.invert(new))
    return (table.filter(good) if counts else table), SetAside(counts)


def usable_labels(values: pa.Array | pa.ChunkedArray, contract: LabelContract) -> tuple[pa.Array, SetAside]:
    """Each label as the contract spells it, null for one that is none; nulls stay null and are not counted."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    encoded = array.dictionary_encode()
    counts: Counter[tuple[str, Fault]] = Counter()
    often = Counter(index for index in encoded.indices.to_pylist() if index is not None)
    texts: list[str | None] = []
    for index, value in enumerate(encoded.dictionary.to_pylist()):
        try:
            texts.append(contract.text(value))
        except Refused as refused:
            texts.append(None)
            counts[LABEL, refused.fault] += often[index]
    return pc.take(pa.array(texts, pa.string()), encoded.indices), SetAside(counts)


def _faults(table: pa.Table, column: Column) -> Iterator[tuple[Fault, pa.Array]]:
    if column.name not in table.column_names:
        if required(column):
            yield Fault.MISSING, pa.array([True] * table.num_rows, pa.bool_())
        return
    values = table.column(column.name).combine_chunks()
    if required(column):
        yield Fault.NULL, pc.is_null(values)
    if column.type in ("Integer", "Number"):
        low = [float(column.minimum)] if column.minimum is not None else []
        low += [0.0] if column.role == "Weight" else []
        if low:
            yield Fault.OUT_OF_RANGE, pc.less(values, pa.scalar(max(low)))
        if column.maximum is not None:
            yield Fault.OUT_OF_RANGE, pc.greater(values, pa.scalar(float(column.maximum)))
    if column.type == "Number":
        yield Fault.OUT_OF_RANGE, pc.invert(pc.is_finite(values))
    if column.type == "Timestamp":
        first, end = (pa.scalar(time, values.type) for time in (TIME_FROM, TIME_BEFORE))
        yield Fault.OUT_OF_RANGE, pc.or_(pc.less(values, first), pc.greater_equal(values, end))
        if capture.RECEIVED in table.column_names:
            received = table.column(capture.RECEIVED).combine_chunks().cast(values.type)
            yield Fault.IN_FUTURE, pc.greater(values, pc.add(received, pa.scalar(DATED_AHEAD, pa.duration("us"))))
    if column.role == "Id" and column.type in ("Category", "Text"):
        length = pc.utf8_length(values)
        yield Fault.TOO_LONG, pc.or_(pc.equal(length, 0), pc.greater(length, ID_LIMIT))
