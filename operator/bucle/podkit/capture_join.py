"""Reading what servers wrote: captured answers joined with the labels that came later.

May know the capture contract and pyarrow/pandas; where files are is `capture_listing`'s matter. What is read grows
with the span that is asked for: whoever wants the newest rows goes back in time until there are enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bucle.contracts import capture, names
from bucle.contracts.coverage import Coverage, coverage
from bucle.contracts.row_rules import LabelContract
from bucle.contracts.table import Column, Labels, TableSchema
from bucle.contracts.uncounted import SetAsideBatch
from bucle.podkit.capture_files import CAPTURE_ARROW, FEEDBACK_ARROW, lenient
from bucle.podkit.capture_listing import FileCache, Span, capture_files, feedback_files, first_day, until_whole
from bucle.podkit.frames import ARROW, WrongValues, typed
from bucle.podkit.label_pairs import EARLY, LABELLED, LabelRule, Pairs, paired, with_labels
from bucle.podkit.quarantine import hour_of, judged, labels_until
from bucle.podkit.table_check import usable_labels

__all__ = [
    "ANSWERED",
    "ANTEDATED",
    "CORRECTED",
    "UNJOINED",
    "Asked",
    "FileCache",
    "Span",
    "dropped_in",
    "dropped_rows",
    "feedback_in",
    "feedback_rows",
    "in_order",
    "labelled_rows",
    "labelled_rows_back",
    "newly_labelled_rows",
    "rows_in",
    "served_rows",
]

ANSWERED = (names.ROLE_STABLE, names.ROLE_CANDIDATE)
UNJOINED = "label unjoined"
ANTEDATED = "label antedated"
CORRECTED = "label corrected"
FIRST_LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which labelled rows of a deployment: of this span, role and revision (None: all), by this rule.

    With a `contract` a label that is none counts for nothing, so that it replaces no good one; nor does one that the
    rule sets aside. `aside` counts those of the last look, `batches` are what was set aside in one piece; `covered` says
    of which answers the last look for new ones found the truth.
    """

    location: str
    table: TableSchema
    span: Span
    rule: LabelRule
    role: str = names.ROLE_STABLE
    revision: str | None = None
    contract: LabelContract | None = None
    aside: Counter[str] = field(default_factory=Counter)
    batches: list[SetAsideBatch] = field(default_factory=list)
    covered: list[Coverage] = field(default_factory=list)


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
    rule = LabelRule(labels, labels_received_before)
    asked = Asked(location, table, Span(since, received_before), rule, role, revision)
    if newest is None:
        found = _joined(asked, cache)
    else:
        found = next(rows for rows, whole in labelled_rows_back(asked, cache) if whole or rows.num_rows >= newest)
        found = found.slice(max(0, found.num_rows - newest))
    return found.select(_kept(table, answers))


def labelled_rows_back(asked: Asked, cache: FileCache) -> Iterator[tuple[pa.Table, bool]]:
    """The labelled rows of the last day, of the last three, and so on; True with the last, which are all of the span.

    Each look reads only the files that the one before had not. Columns as with `answers`.
    """
    before = asked.span.before
    start = asked.span.since or first_day(asked.location)
    back = FIRST_LOOK_BACK
    while before is not None and start is not None and before - back > start:
        yield _joined(replace(asked, span=Span(before - back, before)), cache), False
        back = 2 * back + FIRST_LOOK_BACK
    yield _joined(replace(asked, span=Span(start, before)), cache), True


def newly_labelled_rows(asked: Asked, known_since: datetime, cache: FileCache) -> pa.Table:
    """The rows of the span that became labelled rows at `known_since` or later: by their label, or by its maturity.

    Goes back in time until each label that came since has found its row, at most to the horizon of labels; those that
    found none are counted in `aside`. Columns as with `answers`.
    """
    labels, before = asked.rule.labels, asked.span.before
    maturity, horizon = timedelta(seconds=labels.maturity_seconds), timedelta(seconds=labels.horizon_seconds)
    told = _told(asked, cache, since=known_since)
    came, batches = Counter(asked.aside), tuple(asked.batches)
    farthest = max(known_since - maturity - horizon, asked.span.since or datetime.min.replace(tzinfo=UTC))
    back = timedelta(hours=1)
    while True:
        start = max(known_since - maturity - back, farthest)
        looked = replace(asked, span=Span(start, before))
        served = _served(looked, cache)
        pairs = paired(served, told, labels, asked.table)
        unjoined = told.num_rows - pairs.joined - pairs.antedated
        if not unjoined or start == farthest:
            break
        back *= 2
    found = _labelled(served, looked, cache)
    corrected = _corrected(served, pairs, looked, known_since, cache)
    received, labelled = found.column(capture.RECEIVED), found.column(LABELLED)
    late = pc.greater(labelled, pc.add(received, pa.scalar(maturity + horizon, pa.duration("us"))))
    asked.aside.clear()
    asked.aside.update(came)
    asked.batches[:] = batches
    asked.aside[ANTEDATED] = pairs.antedated
    asked.aside[CORRECTED] = corrected
    asked.covered[:] = [_coverage(served, found, start, asked.rule)]
    asked.aside[UNJOINED] = int(unjoined + (pc.sum(late).as_py() or 0))
    told_at, matured = (pa.scalar(time, ARROW["Timestamp"]) for time in (known_since, known_since - maturity))
    new = pc.or_(pc.greater_equal(labelled, told_at), pc.greater_equal(received, matured))
    return found.filter(pc.and_(new, pc.invert(late)))


def _corrected(served: pa.Table, news: Pairs, asked: Asked, known_since: datetime, cache: FileCache) -> int:
    """Rows that had a mature label before `known_since`, and have another one by what came since."""
    rows = served.take(pa.array(news.frame["served"].unique(), pa.int64()))
    if rows.num_rows == 0:
        return 0
    feedback = _told(asked, cache, since=None if asked.span.since is None else asked.span.since - EARLY)
    earlier = feedback.filter(_within(feedback.column(capture.RECEIVED), Span(None, known_since)))
    rule = LabelRule(asked.rule.labels, known_since)
    before, now = (
        _truths(with_labels(rows, labels, told_by, asked.table).rows, asked.table)
        for labels, told_by in ((earlier, rule), (feedback, asked.rule))
    )
    return sum(now.get(row) != truth for row, truth in before.items())


def _truths(rows: pa.Table, table: TableSchema) -> dict[tuple[str, int], object]:
    ids, places, truths = (rows.column(name).to_pylist() for name in (capture.ID, capture.ROW, table.target.name))
    return dict(zip(zip(ids, places, strict=True), truths, strict=True))


def _coverage(served: pa.Table, labelled: pa.Table, since: datetime, rule: LabelRule) -> Coverage:
    mature = rule.received_before - timedelta(seconds=rule.labels.maturity_seconds)
    ripe = served.filter(pc.less_equal(served.column(capture.RECEIVED), pa.scalar(mature, ARROW["Timestamp"])))
    given, known = (_often(rows.column(capture.LABEL)) for rows in (ripe, labelled))
    return coverage(f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}", given.items(), known)


def _often(answers: pa.ChunkedArray) -> dict[str, int]:
    return {one["values"]: one["counts"] for one in pc.value_counts(pc.fill_null(answers, "")).to_pylist()}


def _joined(asked: Asked, cache: FileCache) -> pa.Table:
    return _labelled(_served(asked, cache), asked, cache)


def _served(asked: Asked, cache: FileCache) -> pa.Table:
    revisions = (asked.revision,) if asked.revision else None
    served = served_rows(asked.location, asked.table, asked.span, revisions=revisions, cache=cache)
    wanted = ANSWERED if asked.role == names.ROLE_STABLE else (asked.role,)
    return in_order(served.filter(pc.is_in(served.column(capture.ROLE), pa.array(wanted))))


def _labelled(served: pa.Table, asked: Asked, cache: FileCache) -> pa.Table:
    since = None if asked.span.since is None else asked.span.since - EARLY
    feedback = _told(asked, cache, since=since)
    found = with_labels(served, feedback, asked.rule, asked.table)
    asked.aside.update({ANTEDATED: found.antedated} if found.antedated else {})
    return found.rows.select(_kept(asked.table, answers=True))


def _told(asked: Asked, cache: FileCache, since: datetime | None) -> pa.Table:
    """The labels that count, received from `since` on: spelt as the contract does, without those that are set aside."""
    labels = asked.rule.labels
    before = labels_until(labels, asked.rule.received_before)
    # A batch is judged as a whole, so its hour is read as a whole.
    whole = since if since is None or labels.quarantine is None else hour_of(since)
    usable, counts = _usable(feedback_rows(asked.location, before, cache, since=whole), asked.contract)
    found = judged(usable, labels.quarantine)
    asked.aside.clear()
    asked.aside.update(counts)
    asked.aside.update({f"label {reason}": count for reason, count in found.counts().items()})
    asked.batches[:] = found.batches
    return found.believed.filter(_within(found.believed.column(capture.RECEIVED), Span(since, None)))


def _usable(feedback: pa.Table, contract: LabelContract | None) -> tuple[pa.Table, Counter[str]]:
    if contract is None:
        return feedback, Counter()
    texts, refused = usable_labels(feedback.column("label"), contract)
    at = feedback.schema.get_field_index("label")
    usable = feedback.set_column(at, "label", texts).filter(pc.is_valid(texts))
    return usable, Counter({f"{column} {fault}": count for (column, fault), count in refused.counts.items()})


def _kept(table: TableSchema, answers: bool) -> list[str]:
    kept = [column.name for column in table.columns] + [table.target.name, capture.ID, capture.ROW, capture.RECEIVED]
    return [*kept, capture.REVISION, capture.LABEL, capture.NUMBER, capture.SCORES, LABELLED] if answers else kept


def served_rows(
    location: str, table: TableSchema, span: Span, *, revisions: tuple[str, ...] | None, cache: FileCache
) -> pa.Table:
    """All captured rows of the span: our columns and the schema's (null where a file lacks one), in no order."""
    return until_whole(cache, lambda: rows_in(capture_files(location, revisions, span, cache), table, span, cache))


def rows_in(uris: list[str], table: TableSchema, span: Span, cache: FileCache) -> pa.Table:
    """The captured rows of the span in these files."""
    rows = _concatenated(uris, CAPTURE_ARROW, table.columns, cache)
    return rows.filter(_within(rows.column(capture.RECEIVED), span))


def dropped_rows(location: str, revision: str, span: Span, cache: FileCache) -> int:
    """Rows that servers of that revision say they could not keep, in the files of the span."""
    return until_whole(cache, lambda: dropped_in(capture_files(location, (revision,), span, cache), cache))


def dropped_in(uris: list[str], cache: FileCache) -> int:
    """Rows that servers say, in these files, they could not keep."""
    return sum(int((found.schema.metadata or {}).get(capture.DROPPED_KEY, b"0")) for found in cache.read(uris))


def feedback_rows(location: str, before: datetime, cache: FileCache, *, since: datetime | None = None) -> pa.Table:
    """The feedback received from `since` on and before that instant, in the order of receipt."""
    span = Span(since, before)
    return until_whole(cache, lambda: feedback_in(feedback_files(location, span, cache), span, cache))


def feedback_in(uris: list[str], span: Span, cache: FileCache) -> pa.Table:
    """The feedback of the span in these files, in the order of receipt."""
    labels = _concatenated(uris, FEEDBACK_ARROW, (), cache)
    labels = labels.filter(_within(labels.column(capture.RECEIVED), span))
    # Rows of one commit keep the order in which they were written: the sort is stable by position.
    position = pa.array(np.arange(labels.num_rows))
    keyed = labels.append_column("position", position)
    return keyed.sort_by([(capture.RECEIVED, "ascending"), ("position", "ascending")]).drop_columns(["position"])


def in_order(served: pa.Table) -> pa.Table:
    """Each (id, row) once, in the order (received, id, row); of copies the one that was received first."""
    ordered = served.sort_by([(capture.RECEIVED, "ascending"), (capture.ID, "ascending"), (capture.ROW, "ascending")])
    keys = pd.DataFrame({"id": ordered.column(capture.ID).to_pandas(), "row": ordered.column(capture.ROW).to_numpy()})
    return ordered.filter(pa.array(~keys.duplicated().to_numpy(dtype=bool)))


def _within(received: pa.ChunkedArray, span: Span) -> pa.ChunkedArray:
    keep = pc.is_valid(received)
    if span.since is not None:
        keep = pc.and_(keep, pc.greater_equal(received, pa.scalar(span.since, ARROW["Timestamp"])))
    if span.before is not None:
        keep = pc.and_(keep, pc.less(received, pa.scalar(span.before, ARROW["Timestamp"])))
    return keep


def _concatenated(
    uris: list[str], ours: dict[str, pa.DataType], theirs: Sequence[Column], cache: FileCache
) -> pa.Table:
    """The files as one table. A file without our columns in our types is none of ours and is set aside."""
    schema = pa.schema([*ours.items(), *((column.name, ARROW[column.type]) for column in theirs)])
    cache.read(uris)
    aligned = []
    for uri in uris:
        for found in cache.read([uri]):
            try:
                own = [_own(found, name, type_) for name, type_ in ours.items()]
            except (pa.ArrowException, KeyError) as error:
                cache.put_aside(uri, f"{uri} does not hold rows of this kind ({type(error).__name__})")
                continue
            arrays = own + [_their(found, column) for column in theirs]
            aligned.append(pa.Table.from_arrays(arrays, schema=schema))
    return pa.concat_tables(aligned) if aligned else schema.empty_table()


def _own(found: pa.Table, name: str, type_: pa.DataType) -> pa.ChunkedArray | pa.Array:
    if name not in found.column_names and name not in (capture.RECEIVED, capture.ID, "label"):
        return pa.nulls(found.num_rows, type_)
    return found.column(name).cast(type_)


def _their(found: pa.Table, column: Column) -> pa.ChunkedArray | pa.Array:
    """The column with that type. Of one captured under an older schema, values that do not fit are null: whoever
    needs them counts such rows, and one of them never takes the others with it."""
    if column.name not in found.column_names:
        return pa.nulls(found.num_rows, ARROW[column.type])
    values = found.column(column.name)
    if values.type == ARROW[column.type]:
        return values
    try:
        return typed(values, column.type)
    except WrongValues:
        return lenient(values.to_pylist(), column)
