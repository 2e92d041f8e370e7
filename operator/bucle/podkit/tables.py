"""Reading what servers wrote: captured answers joined with the labels that came later.

May know the store, the capture contract and pyarrow/pandas. Files are immutable, so what was read once is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts import capture, names
from bucle.contracts.table import Labels, TableSchema
from bucle.podkit import store
from bucle.podkit.capture_files import CAPTURE_ARROW, FEEDBACK_ARROW
from bucle.podkit.frames import ARROW, target_type
from bucle.podkit.program import bad_configuration

ANSWERED = (names.ROLE_STABLE, names.ROLE_CANDIDATE)
LABELLED = "bucle_labelled"
"""When the first label of a row was received: from then on it is a labelled row, whatever labels follow."""
DAYS_LISTED_ONE_BY_ONE = 60
"""A bounded range of so many days is listed by its date folders; a longer one by one listing of all."""


@dataclass
class FileCache:
    """Tables by URI, as far as they were read."""

    tables: dict[str, pa.Table] = field(default_factory=dict)

    def table(self, uri: str) -> pa.Table:
        found = self.tables.get(uri)
        if found is None:
            found = self.tables[uri] = store.read_parquet(uri)
        return found


@dataclass(frozen=True, slots=True)
class Span:
    """Received times `since` ≤ t < `before`; None is no bound."""

    since: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True, slots=True)
class LabelRule:
    """Which labels count: the ModelDeployment's rule, and the instant up to which labels are looked at."""

    labels: Labels
    received_before: datetime


def labelled_rows(
    location: str,
    *,
    table: TableSchema,
    labels: Labels,
    received_before: datetime,
    labels_received_before: datetime,
    newest: int | None = None,
    role: str = "stable",
    revision: str | None = None,
    since: datetime | None = None,
    answers: bool = False,
    cache: FileCache | None = None,
) -> pa.Table:
    """The served rows whose label is known and mature, in the order (received, x-bucle-id, row), each once.

    `role` stable: rows that answered callers (stable or candidate); shadow: copies. `newest` keeps the last so many.
    Columns: the schema's, its target, `bucle_id`, `bucle_row`, `bucle_received`; with `answers` also revision, label,
    number, scores and `bucle_labelled`. Raises what the store raises.
    """
    cache = cache or FileCache()
    span = Span(since, received_before)
    served = served_rows(location, table, span, revisions=(revision,) if revision else None, cache=cache)
    wanted = ANSWERED if role == names.ROLE_STABLE else (role,)
    served = in_order(served.filter(pc.is_in(served.column(capture.ROLE), pa.array(wanted))))
    rule = LabelRule(labels, labels_received_before)
    joined = with_labels(served, feedback_rows(location, labels_received_before, cache), rule, table)
    joined = joined if newest is None else joined.slice(max(0, joined.num_rows - newest))
    kept = [column.name for column in table.columns] + [table.target.name, capture.ID, capture.ROW, capture.RECEIVED]
    if answers:
        kept += [capture.REVISION, capture.LABEL, capture.NUMBER, capture.SCORES, LABELLED]
    return joined.select(kept)


def served_rows(
    location: str, table: TableSchema, span: Span, *, revisions: tuple[str, ...] | None, cache: FileCache
) -> pa.Table:
    """All captured rows of the span: our columns and the schema's (null where a file lacks one), in no order."""
    types = CAPTURE_ARROW | {column.name: ARROW[column.type] for column in table.columns}
    roots = (
        [store.join(location, "capture")]
        if revisions is None
        else [store.join(location, "capture", f"version={revision}") for revision in revisions]
    )
    uris = [uri for root in roots for uri in _files(root, span, by_version=revisions is None)]
    whole = _concatenated((cache.table(uri) for uri in uris), types)
    return whole.filter(_within(whole.column(capture.RECEIVED), span))


def dropped_rows(location: str, revision: str, span: Span, cache: FileCache) -> int:
    """Rows that servers of that revision say they could not keep, in the files of the span."""
    root = store.join(location, "capture", f"version={revision}")
    metadata = (cache.table(uri).schema.metadata or {} for uri in _files(root, span, by_version=False))
    return sum(int(found.get(capture.DROPPED_KEY, b"0")) for found in metadata)


def feedback_rows(location: str, before: datetime, cache: FileCache) -> pa.Table:
    """All feedback received before that instant, in the order of receipt."""
    files = _files(store.join(location, "feedback"), Span(before=before), by_version=False)
    whole = _concatenated((cache.table(uri) for uri in files), FEEDBACK_ARROW)
    whole = whole.filter(_within(whole.column(capture.RECEIVED), Span(before=before)))
    # Rows of one commit keep the order in which they were written: the sort is stable by position.
    position = pa.array(np.arange(whole.num_rows))
    keyed = whole.append_column("position", position)
    return keyed.sort_by([(capture.RECEIVED, "ascending"), ("position", "ascending")]).drop_columns(["position"])


def in_order(served: pa.Table) -> pa.Table:
    """Each (id, row) once, in the order (received, id, row); of copies the one that was received first."""
    ordered = served.sort_by([(capture.RECEIVED, "ascending"), (capture.ID, "ascending"), (capture.ROW, "ascending")])
    keys = pd.DataFrame({"id": ordered.column(capture.ID).to_pandas(), "row": ordered.column(capture.ROW).to_numpy()})
    return ordered.filter(pa.array(~keys.duplicated().to_numpy(dtype=bool)))


def with_labels(served: pa.Table, feedback: pa.Table, rule: LabelRule, table: TableSchema) -> pa.Table:
    """The rows of `served` (in its order) that have a mature label, with the target and `bucle_labelled` appended."""
    mature_before = rule.received_before - timedelta(seconds=rule.labels.maturity_seconds)
    served = served.filter(pc.less_equal(served.column(capture.RECEIVED), pa.scalar(mature_before, ARROW["Timestamp"])))
    texts = feedback.column("label").to_pylist()
    chosen, first = _chosen_labels(served, feedback, rule.labels, table)
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
    return joined.filter(pc.is_valid(target))


def _chosen_labels(
    served: pa.Table, feedback: pa.Table, labels: Labels, table: TableSchema
) -> tuple[list[int], NDArray[np.int64]]:
    """Per served row the positions in `feedback` of the label that counts and of the first one, −1 without one."""
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
    pairs = pd.concat([frame[["served", "label"]] for frame in found]).sort_values(["served", "label"])
    first = _positions(pairs.drop_duplicates("served", keep="first"), served.num_rows)
    last = _positions(pairs.drop_duplicates("served", keep="last"), served.num_rows)
    return (first if labels.duplicates == "First" else last).tolist(), first


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


def _within(received: pa.ChunkedArray, span: Span) -> pa.ChunkedArray:
    keep = pc.is_valid(received)
    if span.since is not None:
        keep = pc.and_(keep, pc.greater_equal(received, pa.scalar(span.since, ARROW["Timestamp"])))
    if span.before is not None:
        keep = pc.and_(keep, pc.less(received, pa.scalar(span.before, ARROW["Timestamp"])))
    return keep


def _concatenated(tables: Iterable[pa.Table], types: dict[str, pa.DataType]) -> pa.Table:
    schema = pa.schema(list(types.items()))
    aligned = [
        pa.Table.from_arrays(
            [
                _fitting(found, name, type_) if name in found.column_names else pa.nulls(found.num_rows, type_)
                for name, type_ in types.items()
            ],
            schema=schema,
        )
        for found in tables
    ]
    return pa.concat_tables(aligned) if aligned else schema.empty_table()


def _fitting(found: pa.Table, name: str, type_: pa.DataType) -> pa.ChunkedArray:
    """The column with that type; one captured under an older schema may not have it, and its values stay unsaid."""
    try:
        return found.column(name).cast(type_)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise bad_configuration(
            "WrongType",
            f"captured values of column {name} are of type {found.column(name).type} and do not all fit {type_}, which "
            "the schema says now: give the column another name or leave out the feedback",
        ) from error


def _files(root: str, span: Span, *, by_version: bool) -> list[str]:
    days = None if by_version else _days(span)
    roots = [root] if days is None else [store.join(root, f"date={day}") for day in days]
    found = [file.uri for place in roots for file in store.list_files(place)]
    return capture.uncovered(uri for uri in found if uri.endswith(".parquet") and _may_hold(uri, span))


def _days(span: Span) -> list[str] | None:
    """The UTC days of a short bounded span."""
    if span.since is None or span.before is None:
        return None
    first, last = span.since.astimezone(UTC).date(), span.before.astimezone(UTC).date()
    count = (last - first).days + 1
    if count > DAYS_LISTED_ONE_BY_ONE:
        return None
    return [(first + timedelta(days=day)).isoformat() for day in range(count)]


def _may_hold(uri: str, span: Span) -> bool:
    """Partition pruning by the names `date=` and `hour=` in the path."""
    parts = dict(part.split("=", 1) for part in uri.split("/") if "=" in part)
    if "date" not in parts:
        return True
    start = datetime.fromisoformat(parts["date"]).replace(tzinfo=UTC)
    length = timedelta(days=1)
    if "hour" in parts:
        start, length = start + timedelta(hours=int(parts["hour"])), timedelta(hours=1)
    too_late = span.before is not None and start >= span.before
    too_early = span.since is not None and start + length <= span.since
    return not (too_late or too_early)
