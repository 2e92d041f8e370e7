"""One run of the data program: read, type, check, split, address by content, write.

Safe to run twice: the same content has the same digest, and so the same keys.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bucle.contracts import capture
from bucle.contracts.manifest import MANIFEST_FILE, SPLITS, DataFile, DatasetManifest, SplitManifest, SplitName
from bucle.contracts.result import DataResult, SplitResult
from bucle.contracts.table import Deduplicate, TableSchema
from bucle.contracts.task import DataTask
from bucle.podkit import store
from bucle.podkit.digest import split_digest, version_digest
from bucle.podkit.frames import exact_frame, wanted_columns
from bucle.podkit.program import OTHER_REASONS, ProgramError, bad_configuration
from bucle.podkit.splits import split_codes, split_values
from bucle.podkit.versions import read_manifest
from bucle.pods.data.expectations import Checked, check, implied
from bucle.pods.data.feedback import MOST_REASONS
from bucle.pods.data.fitness import hard_to_learn, require_usable_splits
from bucle.pods.data.sources import read_sources, with_target

log = logging.getLogger("bucle.data")


def build(task: DataTask) -> DataResult:
    """Writes the version under `<location>/<hex>/` and tells what it is; raises ProgramError."""
    require_own_names(task.table)
    read = read_sources(task.sources, task.table)
    table = with_target(read.table, task.table)
    labelled = table.num_rows
    log.info("%d rows read, %d of them with a target", read.table.num_rows, table.num_rows)
    require_target(table, task.table)
    if task.deduplicate is not None:
        table = deduplicated(table, task.deduplicate)
    if table.num_rows == 0:
        raise bad_configuration(
            "SourceEmpty", f"the sources of {task.name} hold {read.table.num_rows} rows, none of them with a target"
        )
    without_target = read.table.num_rows - labelled
    checked = check(table, (*implied(task.table), *task.expectations), task.table.target.name, without_target)
    values = split_values(table, task.splits.hash)
    codes = split_codes(values, task.splits)
    groups = _groups(values, codes) if task.splits.hash.group is not None else {}
    tables = {name: table.filter(pa.array(codes == i)) for i, name in enumerate(SPLITS)}
    require_usable_splits(tables, task, len(pc.unique(values)))
    checked = replace(checked, failed=(*checked.failed, *hard_to_learn(tables["train"], task.table)))
    manifest = _write(task, tables, groups)
    set_aside = read.set_aside + Counter({f"{task.table.target.name} null": without_target})
    return _result(task, manifest, checked, read.revision, set_aside)


def require_own_names(schema: TableSchema) -> None:
    """Raises SpecInvalid (78) for a column whose name is one of those that stand beside captured rows."""
    ours = [name for name in wanted_columns(schema) if name.startswith(capture.PREFIX)]
    if ours:
        raise bad_configuration(
            "SpecInvalid",
            f"the column {ours[0]} begins with {capture.PREFIX}, as the columns do that servers write beside captured "
            "rows: rename it in the data and in the schema",
        )


def require_target(table: pa.Table, schema: TableSchema) -> None:
    """Raises WrongType (78) when the target has other classes than the schema says."""
    target = schema.target
    if target.task == "Regression":
        return
    counts = {
        str(entry["values"]): int(entry["counts"]) for entry in table.column(target.name).value_counts().to_pylist()
    }
    if target.task == "Binary":
        others = [name for name in counts if name != target.positive]
        if len(others) > 1:
            raise bad_configuration(
                "WrongType",
                f"the target {target.name} is Binary, but has {len(others)} values beside the positive one",
            )
        return
    wrong = sum(count for name, count in counts.items() if name not in target.classes)
    if wrong:
        raise bad_configuration("WrongType", f"{wrong} values of the target {target.name} are not among its classes")


def deduplicated(table: pa.Table, rule: Deduplicate) -> pa.Table:
    """One row per key, the first or the last in the order of the sources; the order of those that stay is kept.

    A row without its whole key repeats nothing: all of them stay, and expectations count them as they came.
    """
    missing = [key for key in rule.keys if key not in table.column_names]
    if missing:
        raise bad_configuration(
            "UnknownColumn", f"deduplicate names {', '.join(missing)}, which the schema does not have"
        )
    keys = exact_frame(table.select(list(rule.keys)))
    repeated = keys.duplicated(keep="first" if rule.keep == "First" else "last")
    return table.filter(pa.array((~repeated | keys.isna().any(axis="columns")).to_numpy(dtype=bool)))


def _groups(values: pa.StringArray, codes: NDArray[np.int64]) -> dict[str, int]:
    encoded = values.dictionary_encode()
    of_group = np.zeros(len(encoded.dictionary), dtype=np.int64)
    of_group[np.asarray(encoded.indices)] = codes
    return dict(sorted(zip(encoded.dictionary.to_pylist(), of_group.tolist(), strict=True)))


def _write(task: DataTask, tables: Mapping[SplitName, pa.Table], groups: dict[str, int]) -> DatasetManifest:
    digests = {name: split_digest(table, task.table) for name, table in tables.items()}
    digest = version_digest(task.table, digests)
    location = _location(task, digest)
    present = _present(location, digest, task)
    if present is not None:
        return present
    splits: dict[SplitName, SplitManifest] = {}
    for name, table in tables.items():
        data, path = store.parquet_bytes(table), f"{name}/part-0.parquet"
        store.write_bytes(store.join(location, path), data)
        file = DataFile(path=path, sha256=store.sha256(data), bytes=len(data), rows=table.num_rows)
        splits[name] = SplitManifest(rows=table.num_rows, digest=digests[name], files=(file,))
    manifest = DatasetManifest(
        digest=digest,
        table=task.table,
        rows=sum(table.num_rows for table in tables.values()),
        splits={name: splits[name] for name in SPLITS},
        group_by=task.splits.hash.group,
        groups=groups,
        rule=task.splits,
    )
    # Last, so that a manifest that can be read means files that are there.
    store.write_bytes(store.join(location, MANIFEST_FILE), manifest.canonical().encode("ascii"))
    return manifest


def _present(location: str, digest: str, task: DataTask) -> DatasetManifest | None:
    """The manifest of that version if it is there and whole: readers may be at it, and another release of the writer
    makes other bytes of the same rows."""
    sizes = {file.uri: file.size for file in store.list_files(location)}
    if store.join(location, MANIFEST_FILE) not in sizes:
        return None
    try:
        found = read_manifest(location, digest)
    except ProgramError:
        return None
    files = [file for split in found.splits.values() for file in split.files]
    whole = all(sizes.get(store.join(location, file.path)) == file.bytes for file in files)
    return found if whole and found.rule == task.splits else None


def _result(
    task: DataTask, manifest: DatasetManifest, checked: Checked, revision: str, set_aside: Counter[str]
) -> DataResult:
    return DataResult(
        digest=manifest.digest,
        accepted=checked.accepted,
        rows=manifest.rows,
        bytes=sum(file.bytes for split in manifest.splits.values() for file in split.files),
        location=_location(task, manifest.digest),
        splits={name: SplitResult(rows=split.rows, digest=split.digest) for name, split in manifest.splits.items()},
        quality=checked.quality,
        source_revision=revision,
        failed=checked.failed,
        set_aside=_most_frequent(set_aside),
    )


def _most_frequent(set_aside: Counter[str]) -> dict[str, int]:
    """By reason, the most frequent first; what does not fit is one sum."""
    named = dict((+set_aside).most_common(MOST_REASONS))
    others = sum(set_aside.values()) - sum(named.values())
    return {**named, OTHER_REASONS: others} if others else named


def _location(task: DataTask, digest: str) -> str:
    return store.join(task.location, digest.removeprefix("sha256:"))
