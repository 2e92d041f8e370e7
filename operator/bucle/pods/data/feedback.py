"""Served rows with their labels as rows to train on: what is usable, and what was left out by reason.

May know the capture tables and the contract of rows. One bad row never ends a retraining; a share that is stated does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from bucle.contracts.row_rules import LabelContract, category_text
from bucle.contracts.table import TableSchema, Target
from bucle.contracts.task import FeedbackSource
from bucle.contracts.uncounted import Suspicion
from bucle.podkit.capture_join import Asked, FileCache, Span, labelled_rows_back
from bucle.podkit.frames import typed_table
from bucle.podkit.label_pairs import LabelRule
from bucle.podkit.program import bad_configuration
from bucle.podkit.table_check import SetAside, usable_labels, usable_rows

MOST_REASONS = 10


@dataclass(frozen=True, slots=True)
class Usable:
    table: pa.Table
    set_aside: Counter[str]


def read_feedback(source: FeedbackSource, schema: TableSchema, known: tuple[str, ...]) -> Usable:
    """The newest usable rows, oldest first. `known`: the classes that other sources have.

    Raises TooManySetAside (78) when more than the stated share of what was read cannot be used.
    """
    cache = FileCache()
    asked = _asked(source, schema, known)
    for rows, whole in labelled_rows_back(asked, cache):
        good, bad = usable_rows(rows, schema.columns)
        if whole or good.num_rows >= source.rows:
            break
    set_aside = asked.aside + _counted(bad)
    good, others = _of_two_classes(good, schema.target)
    if others:
        set_aside["label not_a_class"] += others
    # What a person's limits set aside is told and ends nothing: else whoever floods decides when nobody retrains.
    counted = set_aside - Counter({f"label {reason}": set_aside[f"label {reason}"] for reason in Suspicion})
    quarantined = set_aside.total() - counted.total()
    _require_share(source, counted.total(), rows.num_rows + asked.aside.total() - quarantined, counted)
    if cache.set_aside:
        set_aside["unreadable file"] += len(cache.set_aside)
    newest = good.slice(max(0, good.num_rows - source.rows))
    return Usable(typed_table(newest, schema, f"the captured rows of {source.location}"), set_aside)


def _asked(source: FeedbackSource, schema: TableSchema, known: tuple[str, ...]) -> Asked:
    target = schema.target
    return Asked(
        source.location,
        schema,
        Span(None, datetime.fromisoformat(source.received_before)),
        LabelRule(source.labels, datetime.fromisoformat(source.labels_received_before)),
        contract=LabelContract(target.task, target.classes or (known if len(known) == 2 else ())),
    )


def _counted(bad: SetAside) -> Counter[str]:
    return Counter({f"{column} {fault}": count for (column, fault), count in bad.counts.items()})


def _of_two_classes(table: pa.Table, target: Target) -> tuple[pa.Table, int]:
    """For a Binary target whose other class nobody knows: the positive one and the most frequent other."""
    if target.task != "Binary" or table.num_rows == 0:
        return table, 0
    often = Counter(table.column(target.name).to_pylist())
    positive = category_text(target.positive)
    others = [name for name, _ in often.most_common() if category_text(name) != positive]
    contract = LabelContract("Binary", tuple(name for name in (target.positive, *others[:1]) if name is not None))
    column, refused = usable_labels(table.column(target.name), contract)
    at = table.column_names.index(target.name)
    kept = table.set_column(at, target.name, column).filter(column.is_valid())
    return kept, refused.rows


def _require_share(source: FeedbackSource, bad: int, total: int, reasons: Counter[str]) -> None:
    if bad * 100 <= source.max_set_aside_percent * total:
        return
    told = ", ".join(f"{count} of {reason}" for reason, count in reasons.most_common(MOST_REASONS))
    raise bad_configuration(
        "TooManySetAside",
        f"{bad} of {total} captured rows and labels below {source.location} cannot be trained on ({told}), more than the "
        f"{source.max_set_aside_percent} % of `maxSetAsidePercent`: correct what callers send, or the schema",
    )
