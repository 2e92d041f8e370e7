"""Which files of a deployment may hold rows of a span of time, and what stands in them: read once, several at a time.

May know the store and the layout of captured files (`contracts.capture`). Costs grow with the span that is asked for,
never with the history of the deployment: folders carry the hour. One file that is corrupt, empty or does not belong
there is told by its name, set aside and counted; it never takes the others with it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pyarrow as pa

from bucle.contracts import capture
from bucle.podkit import store
from bucle.podkit.program import ProgramError

log = logging.getLogger("bucle.tables")

DAYS_LISTED_ONE_BY_ONE = 60
"""A bounded range of so many days is listed by its date folders; a longer one by one listing of all."""
LATE_WRITERS = timedelta(hours=26)
"""What was received longer ago is listed again only now and then: a server writes late when the store was away."""
LISTED_AGAIN = timedelta(minutes=10)
OVERTAKEN = 3
"""So often one reading starts over because files it had listed were merged into another and removed."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Span:
    """Received times `since` ≤ t < `before`; None is no bound."""

    since: datetime | None = None
    before: datetime | None = None


@dataclass
class FileCache:
    """What was read of one deployment: files are immutable, so each is fetched once.

    `set_aside`: why a file is not used, by URI. `gone`: files that were listed and are no longer there: their rows
    stand in another. `columns`: all that is kept of a file, or None for everything.
    """

    columns: tuple[str, ...] | None = None
    tables: dict[str, pa.Table] = field(default_factory=dict)
    set_aside: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    listed: dict[str, tuple[datetime, list[str]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, uris: list[str]) -> list[pa.Table]:
        """Their tables, without files that are set aside or were merged into another meanwhile (see `until_whole`)."""
        missing = [uri for uri in uris if uri not in self.tables and uri not in self.set_aside and uri not in self.gone]
        store.read_all(missing, self._fetch)
        with self._lock:
            used = {uri: self.tables.pop(uri) for uri in uris if uri in self.tables}
            self.tables.update(used)  # at the end: what was used last
        return list(used.values())

    def forget(self, most_bytes: int) -> None:
        """Keeps the tables used last, as many as fit."""
        with self._lock:
            kept = 0
            for uri in reversed(list(self.tables)):
                kept += self.tables[uri].nbytes
                if kept > most_bytes:
                    del self.tables[uri]

    def put_aside(self, uri: str, why: str) -> None:
        with self._lock:
            known = uri in self.set_aside
            self.set_aside[uri] = why
            self.tables.pop(uri, None)
        if not known:
            log.warning("set aside: %s", why)

    def _fetch(self, uri: str) -> None:
        try:
            table = store.read_parquet(uri, None if self.columns is None else list(self.columns))
        except ProgramError as error:
            if error.reason == "SourceMissing":
                with self._lock:
                    self.gone.add(uri)
                    self.listed.clear()
                return
            if error.reason != "WrongType":
                raise
            self.put_aside(uri, error.message)
            return
        with self._lock:
            self.tables[uri] = table


def until_whole(cache: FileCache, look: Callable[[], T]) -> T:
    """What `look` makes of files that it lists itself: again when some were merged and removed between its listing and
    its reading, for their rows stand in a file that is not on its list."""
    for _ in range(OVERTAKEN):
        before = len(cache.gone)
        found = look()
        if len(cache.gone) == before:
            break
    return found


def revisions_of(location: str) -> list[str]:
    """The revisions that captured anything."""
    folders = store.list_folders(store.join(location, "capture"))
    return [name.removeprefix("version=") for name in folders if name.startswith("version=")]


def capture_files(location: str, revisions: tuple[str, ...] | None, span: Span, cache: FileCache) -> list[str]:
    """Files with captured rows that may lie in the span, of all revisions or of these."""
    names = revisions_of(location) if revisions is None else list(revisions)
    return [uri for name in names for uri in _files(store.join(location, "capture", f"version={name}"), span, cache)]


def feedback_files(location: str, span: Span, cache: FileCache) -> list[str]:
    return _files(store.join(location, "feedback"), span, cache)


def first_day(location: str) -> datetime | None:
    """The start of the first day of which any revision captured rows: one small listing per revision."""
    days = [
        _start_of(folder)
        for name in revisions_of(location)
        for folder in store.list_folders(store.join(location, "capture", f"version={name}"))
    ]
    return min((day for day in days if day is not None), default=None)


def _files(root: str, span: Span, cache: FileCache) -> list[str]:
    days = _days(span)
    if days is None:
        found = _listed(root, cache, keep=False, now=datetime.now(UTC))
    else:
        now = datetime.now(UTC)
        old, until = (now - LATE_WRITERS).date(), span.before or now
        found = [
            uri
            for day in days
            for uri in _listed(store.join(root, f"date={day:%Y-%m-%d}"), cache, keep=day.date() < old, now=until)
        ]
    kept = [uri for uri in found if _may_hold(uri, span, cache)]
    return capture.uncovered(kept)


def _listed(folder: str, cache: FileCache, *, keep: bool, now: datetime) -> list[str]:
    at, found = cache.listed.get(folder, (None, []))
    if keep and at is not None and now - at < LISTED_AGAIN:
        return found
    found = [file.uri for file in store.list_files(folder)]
    if keep:
        cache.listed[folder] = (now, found)
    return found


def _days(span: Span) -> list[datetime] | None:
    """The UTC days of a short bounded span, the newest first."""
    if span.since is None or span.before is None:
        return None
    first, last = (_day(time) for time in (span.since, span.before))
    count = (last - first).days + 1
    if count > DAYS_LISTED_ONE_BY_ONE:
        return None
    return [last - timedelta(days=back) for back in range(count)]


def _day(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _start_of(folder: str) -> datetime | None:
    """`date=2026-01-31` as a time, None for another name."""
    return _parsed(lambda: datetime.strptime(folder, "date=%Y-%m-%d").replace(tzinfo=UTC))


def _parsed(read: Callable[[], datetime]) -> datetime | None:
    try:
        return read()
    except ValueError:
        return None


def hour_of_file(uri: str) -> Span | None:
    """The hour (without one: the day) that the folders of a captured file name; None for a file that is none of ours."""
    folders = uri.split("/")[:-1]
    day = next((part for part in folders if part.startswith("date=")), "")
    hour = next((part for part in folders if part.startswith("hour=")), "")
    start = _start_of(day)
    length = timedelta(days=1)
    if start is not None and hour:
        start = _parsed(lambda: datetime.strptime(f"{day} {hour}", "date=%Y-%m-%d hour=%H").replace(tzinfo=UTC))
        length = timedelta(hours=1)
    return None if start is None or not uri.endswith(".parquet") else Span(start, start + length)


def _may_hold(uri: str, span: Span, cache: FileCache) -> bool:
    """Whether the hour in the path meets the span. A file that is none of ours is set aside."""
    named = hour_of_file(uri)
    if named is None or named.since is None or named.before is None:
        cache.put_aside(uri, f"{uri} is no captured file: it belongs elsewhere")
        return False
    too_late = span.before is not None and named.since >= span.before
    too_early = span.since is not None and named.before <= span.since
    return not (too_late or too_early)
