"""Which group a row belongs to, and which split a group falls into.

May know pyarrow and the table contract. A row's split depends on the seed and its group (or key) alone, so
rows that arrive later never move those that were there.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts.table import GroupBy, HashSplit, Splits, Unit
from bucle.podkit.program import bad_configuration

_FORMATS = {"Day": "%Y-%m-%d", "Week": "%G-W%V"}


def groups_of(column: pa.Array | pa.ChunkedArray, group_by: GroupBy) -> pa.StringArray:
    """Each row's group as text, null where the row has none: `2013-07-01`, `2013-W27`, `2013-07-01T05-0400`, or the
    value itself. Groups of a unit sort in the order of time. Raises ProgramError WrongType or SpecInvalid (78)."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if group_by.unit is None:
        return array.cast(pa.string())
    if not pa.types.is_timestamp(array.type):
        raise bad_configuration(
            "WrongType", f"rows are grouped by {group_by.unit} of {group_by.column}, which is not of type Timestamp"
        )
    try:
        zone = ZoneInfo(group_by.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise bad_configuration("SpecInvalid", f"there is no time zone {group_by.time_zone}") from error
    # Few hours, many rows: the names are made once per distinct hour. Offsets of a quarter of an hour exist.
    quarters = pc.floor_temporal(array.cast(pa.timestamp("us", tz="UTC")), 15, "minute").dictionary_encode()
    local = [time.astimezone(zone) for time in quarters.dictionary.to_pylist()]
    names = pa.array([_name(time, group_by.unit) for time in local], pa.string())
    return pc.take(names, quarters.indices)


def _name(local: datetime, unit: Unit) -> str:
    """Local hours carry their offset, and a `b` when it is the second of that name, after clocks were set back: names
    sort in the order of time on both sides of Greenwich."""
    if unit == "Hour":
        return f"{local:%Y-%m-%dT%H}{'b' if local.fold else ''}{local:%z}"
    return local.strftime(_FORMATS[unit])


def bucket(seed: int, value: str) -> int:
    """0…99, evenly: sha256 of `<seed>:<value>` as one big-endian number, modulo 100."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{value}".encode()).digest(), "big") % 100


def split_values(table: pa.Table, split: HashSplit) -> pa.StringArray:
    """What a row is split by: its group, else its key; raises WrongType (78) when a row has none."""
    by = split.group or GroupBy(column=split.key)
    values = groups_of(table.column(by.column), by)
    if values.null_count:
        raise bad_configuration(
            "WrongType", f"{values.null_count} rows have no value in {by.column}, which decides their split"
        )
    return values


def split_codes(values: pa.StringArray, splits: Splits) -> NDArray[np.int64]:
    """Per row 0 train, 1 validation, 2 test."""
    encoded = values.dictionary_encode()
    buckets = np.array([bucket(splits.seed, value) for value in encoded.dictionary.to_pylist()], dtype=np.int64)
    edges = np.array([splits.train, splits.train + splits.validation])
    codes = np.searchsorted(edges, buckets, side="right")
    return np.asarray(codes[np.asarray(encoded.indices)], dtype=np.int64)


def split_codes_of(table: pa.Table, splits: Splits) -> NDArray[np.int64]:
    """In which split of a version with that rule each row of any table would be: 0 train, 1 validation, 2 test.

    Raises ProgramError UnknownColumn when the table lacks the column that decides, WrongType when a row has no value.
    """
    by = splits.hash.group.column if splits.hash.group is not None else splits.hash.key
    if by not in table.column_names:
        raise bad_configuration("UnknownColumn", f"rows were split by {by}, which these rows do not have")
    return split_codes(split_values(table, splits.hash), splits)
