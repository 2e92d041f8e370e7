"""Servers merge an hour's small files in a real S3 server: whoever is killed, late or reading, each row is there once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from tests.support.builders.compacting_server import AFTER, HOUR, REMOVED, TABLE, Server
from tests.support.fakes.object_store import Asked, ObjectStore, object_store

from bucle.contracts.canonical import short_hash
from bucle.contracts.capture import file_stem
from bucle.podkit import store
from bucle.podkit.capture_join import FileCache, Span, dropped_rows, feedback_rows, served_rows
from bucle.pods.serve.compaction import READ_BY_THEN

DAY = Span(HOUR - timedelta(hours=6), HOUR + timedelta(hours=6))
FILES = 6
WRITE_AND_MERGE = """
from tests.support.builders.compacting_server import AFTER, REMOVED, Server
import sys
server = Server(sys.argv[1], "pod-1")
server.write(6)
for moment in (AFTER, REMOVED):
    server.settle(moment)
"""


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as found, pytest.MonkeyPatch.context() as patch:
        for name, value in found.environment().items():
            patch.setenv(name, value)
        yield found


@pytest.fixture
def location(bucket: ObjectStore, request: pytest.FixtureRequest) -> str:
    bucket.forget()
    return f"s3://bucket/{short_hash(request.node.nodeid)}"


def seen(location: str, cache: FileCache | None = None) -> tuple[Counter[str], Counter[str], int]:
    """How often a reader sees each row and each label, and how many rows it is told were dropped."""
    cache = cache or FileCache()
    rows = served_rows(location, TABLE, DAY, revisions=("r1",), cache=cache)
    labels = feedback_rows(location, HOUR + timedelta(hours=6), cache, since=DAY.since)
    dropped = dropped_rows(location, "r1", DAY, cache)
    return Counter(rows.column("id").to_pylist()), Counter(labels.column("id").to_pylist()), dropped


def once(*servers: Server) -> tuple[Counter[str], Counter[str], int]:
    names = [file_stem(server.writer, n) for server in servers for n in range(server.written)]
    return Counter(f"{name}{row}" for name in names for row in "ab"), Counter(f"{n}a" for n in names), len(names)


def stored(location: str) -> list[str]:
    return [file.uri.rpartition("/")[2] for file in store.list_files(location)]


def test_an_hour_becomes_one_file_of_answers_and_one_of_labels(location: str) -> None:
    server = Server(location, "pod-1")
    server.write(FILES)
    for moment in (AFTER, REMOVED):
        server.settle(moment)
        assert seen(location) == once(server)
    assert stored(location) == ["pod-1-000000_000005.parquet"] * 2 and server.merged["files"] == 2 * FILES


@pytest.mark.parametrize(("method", "nth"), [("PUT", 1), ("PUT", 2), ("DELETE", FILES // 2)])
def test_a_server_killed_while_it_merges_or_removes_loses_no_row_and_doubles_none(
    bucket: ObjectStore, location: str, method: str, nth: int
) -> None:
    """Killed when the nth write of a merged file, or the nth removal, has left it; the store still does it."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.Popen([sys.executable, "-c", WRITE_AND_MERGE, location], env=environment)
    came = Counter[str]()

    def kill(asked: Asked) -> None:
        if asked.method != method or (method == "PUT" and "_" not in asked.path.rpartition("/")[2]):
            return
        came[method] += 1
        if came[method] == nth:
            killed.kill()

    bucket.before = kill
    try:
        assert killed.wait(60) < 0, "it was killed"
    finally:
        killed.kill()
    bucket.forget()
    wanted = Server(location, "pod-1")
    wanted.written = FILES
    assert seen(location) == once(wanted)


def test_two_servers_merge_the_same_hour_at_once(location: str) -> None:
    servers = [Server(location, f"pod-{n}") for n in (1, 2)]
    together = Barrier(len(servers))

    def run(server: Server) -> None:
        server.write(FILES)
        for moment in (AFTER, REMOVED):
            together.wait(30)
            server.settle(moment)

    threads = [Thread(target=run, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen(location) == once(*servers)
    assert len(stored(location)) == 2 * len(servers)


def test_a_late_file_of_a_merged_hour_is_read_and_merged_too(location: str) -> None:
    server = Server(location, "pod-1")
    server.write(FILES)
    server.settle(AFTER)
    server.settle(REMOVED)
    server.write(1)
    assert seen(location) == once(server)
    server.settle(REMOVED)
    server.settle(REMOVED + READ_BY_THEN)
    assert seen(location) == once(server)


def test_a_reader_asks_again_only_for_what_is_new(bucket: ObjectStore, location: str) -> None:
    """A merged file is new once; after that a look costs nothing."""
    server, cache = Server(location, "pod-1"), FileCache()
    server.write(FILES)
    assert seen(location, cache) == once(server)
    server.settle(AFTER)
    cache.listed.clear()
    bucket.forget()
    assert seen(location, cache) == once(server)
    bodies = [asked for asked in bucket.asked if asked.method == "GET" and ".parquet" in asked.path.partition("?")[0]]
    assert len(bodies) == 2 and all("000000_000005" in asked.path for asked in bodies)
    bucket.forget()
    assert seen(location, cache) == once(server)
    assert bucket.asked == []


@pytest.mark.parametrize("folder", ["capture", "feedback"])
def test_a_reader_that_is_overtaken_by_the_removal_lists_again(bucket: ObjectStore, location: str, folder: str) -> None:
    """It listed small files, and comes to them when they are gone: a large history takes longer than their last minutes."""
    server = Server(location, "pod-1")
    server.write(FILES)

    def remove(asked: Asked) -> None:
        if asked.method in ("GET", "HEAD") and f"/{folder}/" in asked.path and ".parquet" in asked.path:
            bucket.before = lambda asked: None
            server.settle(AFTER)
            server.settle(REMOVED)

    bucket.before = remove
    cache = FileCache()
    assert seen(location, cache) == once(server)
    assert cache.set_aside == {}, "a file that was merged is not one that cannot be read"
