"""A writer's own small files merged into larger ones, so that no reader opens one file for every few seconds of history.

Only who wrote files merges them: nobody else needs to be asked, and no two can do it at once. What is merged is
removed some minutes later, when whoever had listed it has read it. Knows names of files and a store; no HTTP.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import pyarrow as pa

from bucle.contracts.capture import DROPPED_KEY, file_stem
from bucle.podkit.program import ProgramError

log = logging.getLogger("bucle.capture")

MANY_FILES = 60
"""So many in one folder are merged at once; fewer when nothing is written there any more."""
MOST_BYTES = 64 * 1024 * 1024
MOST_ROWS = 500_000
"""A merged file is read and written in one piece, in this pod's memory."""
FOLDER_CLOSED = timedelta(minutes=2)
"""After the end of its hour nothing comes into a folder any more but what an outage of the store delayed."""
READ_BY_THEN = timedelta(minutes=10)
"""Whoever listed a small file has read it by then."""


class Files(Protocol):
    def put(self, uri: str, table: pa.Table) -> None: ...
    def get(self, uri: str) -> pa.Table: ...
    def delete(self, uri: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Written:
    """File(s) `first` … `last` of this writer; `bytes` in memory."""

    first: int
    last: int
    rows: int
    bytes: int

    def name(self, writer: str) -> str:
        return file_stem(writer, self.first, None if self.last == self.first else self.last) + ".parquet"


class Compactor:
    """`merged(n)` is told how many files became one."""

    def __init__(self, writer: str, files: Files, merged: Callable[[int], None]) -> None:
        self._writer = writer
        self._files = files
        self._merged = merged
        self._lock = threading.Lock()
        self._folders: dict[str, tuple[datetime, list[Written]]] = {}
        self._condemned: deque[tuple[datetime, str]] = deque()

    def wrote(self, folder: str, hour: datetime, file: Written) -> None:
        with self._lock:
            self._folders.setdefault(folder, (hour, []))[1].append(file)

    def turn(self, now: datetime) -> bool:
        """One merge or one round of removals, if it is time for one; False when there was nothing to do. Never raises
        what the store raises: it is tried again, and until then readers read the small files."""
        try:
            return self._remove(now) or self._merge(now)
        except ProgramError as error:
            log.warning("small files stay as they are for now: %s", error.message)
            return False

    def _merge(self, now: datetime) -> bool:
        with self._lock:
            found = next(iter(_due(self._folders, now)), None)
        if found is None:
            return False
        folder, group = found
        uris = [f"{folder}/{file.name(self._writer)}" for file in group]
        tables = [self._files.get(uri) for uri in uris]
        table = merged_table(tables)
        whole = Written(group[0].first, group[-1].last, table.num_rows, table.nbytes)
        self._files.put(f"{folder}/{whole.name(self._writer)}", table)
        with self._lock:
            hour, files = self._folders[folder]
            kept = sorted([file for file in files if file not in group] + [whole], key=lambda file: file.first)
            self._folders[folder] = (hour, kept)
        self._condemned += [(now + READ_BY_THEN, uri) for uri in uris]
        self._merged(len(group))
        return True

    def _remove(self, now: datetime) -> bool:
        removed = False
        while self._condemned and self._condemned[0][0] <= now:
            self._files.delete(self._condemned[0][1])
            self._condemned.popleft()
            removed = True
        with self._lock:
            for folder, (hour, files) in list(self._folders.items()):
                if _closed(hour, now) and next(groups(files, fewest=2), None) is None:
                    del self._folders[folder]
        return removed


def _due(folders: dict[str, tuple[datetime, list[Written]]], now: datetime) -> Sequence[tuple[str, Sequence[Written]]]:
    return [
        (folder, group)
        for folder, (hour, files) in folders.items()
        for group in groups(files, fewest=2 if _closed(hour, now) else MANY_FILES)
    ]


def _closed(hour: datetime, now: datetime) -> bool:
    return now >= hour + timedelta(hours=1) + FOLDER_CLOSED


def groups(files: Sequence[Written], *, fewest: int) -> Iterator[Sequence[Written]]:
    """Neighbours that fit into one file together, at least so many of them.

    A number that is left out may be a file whose put seemed to fail: a name from before it to after it would cover it.
    """
    group: list[Written] = []
    for file in files:
        rows, size = (sum(f.rows for f in group) + file.rows, sum(f.bytes for f in group) + file.bytes)
        if group and (rows > MOST_ROWS or size > MOST_BYTES or file.first != group[-1].last + 1):
            if len(group) >= fewest:
                yield tuple(group)
            group = []
        group.append(file)
    if len(group) >= fewest:
        yield tuple(group)


def merged_table(tables: Sequence[pa.Table]) -> pa.Table:
    """All rows in order; a column that a file lacks is null there. What was dropped adds up."""
    dropped = sum(int((table.schema.metadata or {}).get(DROPPED_KEY, b"0")) for table in tables)
    whole = pa.concat_tables([table.replace_schema_metadata(None) for table in tables], promote_options="default")
    return whole.replace_schema_metadata({DROPPED_KEY: str(dropped).encode()})
