"""To which group a row belongs and which groups are over: time is told by many rows, never by one. Pure.

May know pyarrow, pandas, the captured columns and the rule of groups; reads no store and no clock. A date in a row is
what a caller wrote: a typing error, a clock that is wrong, a flight of next month. Such a row must not end the group
of today, whose other rows are still to come.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts import capture
from bucle.contracts.row_rules import DATED_AHEAD
from bucle.contracts.table import GroupBy
from bucle.podkit.splits import groups_of

AHEAD = timedelta(days=1)
"""A row dated so much later than it was received says nothing of what time it is: only rows like it follow it."""
SHARE = 50
"""A group is over when a fiftieth as many rows of later groups have come as it has itself: wrong dates are rarer."""
HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Grouped:
    """Per row its group (null: none). `ahead`: dated later than received; `misdated`: so far that it has no group."""

    names: pa.StringArray
    ahead: NDArray[np.bool_]
    misdated: NDArray[np.bool_]


def grouped(rows: pa.Table, group_by: GroupBy | None) -> Grouped:
    """Without a rule rows are grouped by the hour in which they were received: never each row for itself."""
    by = group_by or GroupBy(column=capture.RECEIVED, unit="Hour")
    never = np.zeros(rows.num_rows, dtype=np.bool_)
    if by.column not in rows.column_names:
        # No request had it, or the schema has no such column: no row has a group, and that is what is counted.
        return Grouped(pa.nulls(rows.num_rows, pa.string()), never, never)
    names = groups_of(rows.column(by.column), by)
    if by.unit is None:
        return Grouped(names, never, never)
    dated, received = (_microseconds(rows.column(name)) for name in (by.column, capture.RECEIVED))
    lead = pc.subtract(dated, received)
    ahead, misdated = (_longer(lead, limit) for limit in (AHEAD, DATED_AHEAD))
    return Grouped(pc.if_else(pa.array(misdated), pa.scalar(None, pa.string()), names), ahead, misdated)


def tally(groups: Grouped, received: pa.ChunkedArray) -> pd.DataFrame:
    """What `over` must know of rows: by group, hour of receipt and `ahead` their number and the last receipt.

    Tallies of several sets of rows may be put one below the other.
    """
    moments = received.cast(pa.int64()).to_numpy()
    frame = pd.DataFrame(
        {"group": groups.names.to_pandas(), "hour": moments // HOUR, "ahead": groups.ahead, "last": moments}
    ).dropna(subset=["group"])
    found = frame.groupby(["group", "hour", "ahead"]).agg(rows=("last", "size"), last=("last", "max"))
    return found.reset_index()


def over(seen: pd.DataFrame, group_by: GroupBy | None) -> dict[str, int]:
    """The groups of which no more rows are to come, each with the last receipt of a row of it.

    Groups of a unit sort in the order of time; of plain keys only the one seen last may still grow.
    """
    if seen.empty:
        return {}
    last = seen.groupby("group")["last"].max()
    if group_by is not None and group_by.unit is None:
        return {str(group): int(at) for group, at in last.items() if at < last.max()}
    return {str(group): int(at) for group, at in last.items() if _followed(seen, group)}


def _followed(seen: pd.DataFrame, group: object) -> bool:
    """Whether enough rows of later groups have come since its first one."""
    mine = seen[seen["group"] == group]
    later = seen[(seen["group"] > group) & (seen["hour"] >= mine["hour"].min())]
    if not mine["ahead"].all():
        later = later[~later["ahead"]]
    return bool(later["rows"].sum() >= 1 + mine["rows"].sum() // SHARE)


def among(names: pa.StringArray, wanted: Collection[str]) -> NDArray[np.bool_]:
    """Which rows belong to one of these groups."""
    return np.asarray(pc.is_in(names, pa.array(list(wanted), pa.string())), dtype=np.bool_)


def _microseconds(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks().cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())


def _longer(lead: pa.Array, limit: timedelta) -> NDArray[np.bool_]:
    longer = pc.greater(lead, pa.scalar(limit // timedelta(microseconds=1), pa.int64()))
    return np.asarray(pc.fill_null(longer, False), dtype=np.bool_)
