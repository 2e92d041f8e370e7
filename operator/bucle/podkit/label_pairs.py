"""Which labels belong to which served rows, in which order they came, and which of them counts. Pure, for typed tables.

May know the tables of `contracts.capture` and the rule of labels; reads nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts import capture
from bucle.contracts.row_rules import CLOCKS_DIFFER
from bucle.contracts.table import Labels, TableSchema
from bucle.podkit.frames import ARROW, target_type

LABELLED = "bucle_labelled"
"""When the first label of a row was received: from then on it is a labelled row, whatever labels follow."""
EARLY = CLOCKS_DIFFER
"""A label may look so much older than its row, since clocks differ; an older one is of another row of that id."""
MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class LabelRule:
    """Which labels count: the ModelDeployment's rule, and the instant up to which labels are looked at."""

    labels: Labels
    received_before: datetime


@dataclass(frozen=True, slots=True)
class Pairs:
    """`frame`: positions in the served rows (`served`) and in the feedback (`label`) that belong together, by row and
    there in the order of the labels. `antedated`: labels that found a row and say they were known long before it."""

    frame: pd.DataFrame
    antedated: int

    @property
    def joined(self) -> int:
        """Labels that belong to a row."""
        return int(self.frame["label"].nunique())


@dataclass(frozen=True, slots=True)
class Labelled:
    """`rows`: those that have a mature label, with the target and `bucle_labelled` appended."""

    rows: pa.Table
    antedated: int


def with_labels(served: pa.Table, feedback: pa.Table, rule: LabelRule, table: TableSchema) -> Labelled:
    """The rows of `served` (in its order) that have a mature label."""
    mature_before = rule.received_before - timedelta(seconds=rule.labels.maturity_seconds)
    served = served.filter(pc.less_equal(served.column(capture.RECEIVED), pa.scalar(mature_before, ARROW["Timestamp"])))
    texts = feedback.column("label").to_pylist()
    found = paired(served, feedback, rule.labels, table)
    chosen, first = _chosen_labels(found.frame, served.num_rows, rule.labels)
    label = [texts[at] if at >= 0 else None for at in chosen]
    if target_type(table.target) == "Number":
        target = pa.array([_number(text) for text in label], pa.float64())
    else:
        target = pa.array(label, pa.string())
    # A name that the request used for itself must not stand beside the true outcome.
    if table.target.name in served.column_names:
        served = served.drop_columns([table.target.name])
    labelled = feedback.column(capture.RECEIVED).combine_chunks().take(pa.array(first, pa.int64(), mask=first < 0))
    joined = served.append_column(table.target.name, target).append_column(LABELLED, labelled)
    return Labelled(joined.filter(pc.is_valid(target)), found.antedated)


def _chosen_labels(pairs: pd.DataFrame, rows: int, labels: Labels) -> tuple[list[int], NDArray[np.int64]]:
    """Per served row the positions in the feedback of the label that counts and of the one received first, −1 without."""
    keep: Literal["first", "last"] = "first" if labels.duplicates == "First" else "last"
    counts = _positions(pairs.drop_duplicates("served", keep=keep), rows)
    earliest = _positions(pairs.sort_values("label").drop_duplicates("served"), rows)
    return counts.tolist(), earliest


def paired(served: pa.Table, feedback: pa.Table, labels: Labels, table: TableSchema) -> Pairs:
    """Which belong together. A label that was received, or says it was known, long before its row is of another one."""
    pairs = _named(served, feedback, labels, table)
    row, label = (pairs[name].to_numpy(dtype=np.int64) for name in ("served", "label"))
    received, told_at = (t.column(capture.RECEIVED).cast(pa.int64()).to_numpy() for t in (served, feedback))
    after = told_at[label] >= received[row] - int(EARLY.total_seconds()) * MICROSECONDS
    limit = labels.quarantine.dated_before_seconds if labels.quarantine is not None else None
    if limit is None:
        return Pairs(_in_turn(pairs[after], feedback), 0)
    said = feedback.column("label_time").cast(pa.int64()).to_pandas().to_numpy(dtype=np.float64)
    dated = ~(said[label] < received[row] - limit * MICROSECONDS)  # one that says no time is not dated wrongly
    kept = pairs[after & dated]
    antedated = set(pairs["label"][after & ~dated]) - set(kept["label"])
    return Pairs(_in_turn(kept, feedback), len(antedated))


def _named(served: pa.Table, feedback: pa.Table, labels: Labels, table: TableSchema) -> pd.DataFrame:
    """Positions of rows and of the labels that name them."""
    rows = np.arange(served.num_rows)
    found: list[pd.DataFrame] = []
    ids = table.with_role("Id")
    told = pd.DataFrame(
        {
            "label": np.arange(feedback.num_rows),
            "id": feedback.column("id").to_pandas(),
            "request": feedback.column("request_id").to_pandas(),
            "row": feedback.column("row").to_pandas().fillna(0).astype("int64"),
        }
    )
    if labels.key == "Id" and ids:
        key = served.column(ids[0].name).cast(pa.string()).to_pandas()
        mine = pd.DataFrame({"served": rows, "id": key}).dropna(subset=["id"])
        found.append(mine.merge(told.dropna(subset=["id"])[["label", "id"]], on="id"))
    by_request = told[told["id"].isna()].dropna(subset=["request"])[["label", "request", "row"]]
    for name in (capture.ID, capture.REQUEST_ID):
        mine = pd.DataFrame(
            {
                "served": rows,
                "request": served.column(name).to_pandas(),
                "row": served.column(capture.ROW).to_pandas().astype("int64"),
            }
        ).dropna(subset=["request"])
        found.append(mine.merge(by_request, on=["request", "row"]))
    return pd.concat([frame[["served", "label"]] for frame in found])


def _in_turn(pairs: pd.DataFrame, feedback: pa.Table) -> pd.DataFrame:
    """The labels of a row one after the other: by what they say of themselves if each does, else by their receipt.

    Two servers have two clocks, whoever sends labels has one. What says that it was known after it was received has
    another clock again, and is not believed.
    """
    said = feedback.column("label_time").cast(pa.int64()).to_pandas()
    received = feedback.column(capture.RECEIVED).cast(pa.int64()).to_pandas()
    said = said.where(said <= received + int(CLOCKS_DIFFER.total_seconds()) * 1_000_000)
    told = pairs.assign(said=said.to_numpy()[pairs["label"].to_numpy(dtype=np.int64)])
    silent = told["said"].isna().groupby(told["served"]).transform("any").to_numpy(dtype=bool)
    told.loc[silent, "said"] = 0
    return told.sort_values(["served", "said", "label"])[["served", "label"]]


def _positions(best: pd.DataFrame, rows: int) -> NDArray[np.int64]:
    found = np.full(rows, -1, dtype=np.int64)
    found[best["served"].to_numpy(dtype=np.int64)] = best["label"].to_numpy(dtype=np.int64)
    return found


def _number(text: str | None) -> float | None:
    try:
        value = float(text) if text is not None else None
    except ValueError:
        return None
    return value if value is not None and np.isfinite(value) else None
