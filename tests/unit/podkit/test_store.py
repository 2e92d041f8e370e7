"""The store: a folder behaves like a bucket, and each trouble of a real endpoint gets its own reason and exit code."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pytest

from bucle.podkit import globs, store
from bucle.podkit.program import ProgramError

ENDINGS = (".parquet",)


def test_objects_are_written_listed_and_read(tmp_path: Path) -> None:
    root = f"file://{tmp_path}"
    store.write_bytes(store.join(root, "a/b", "two.txt"), b"22")
    store.write_bytes(f"{root}/a/one.txt", b"1")
    assert [(file.uri, file.size) for file in store.list_files(f"{root}/a")] == [
        (f"{root}/a/b/two.txt", 2),
        (f"{root}/a/one.txt", 1),
    ]
    assert store.read_bytes(f"{root}/a/one.txt") == b"1"
    assert store.exists(f"{root}/a/one.txt") and not store.exists(f"{root}/a")
    assert store.list_files(f"{root}/nothing") == []


def test_writing_again_replaces_and_leaves_nothing_partial(tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        store.write_bytes(f"file://{tmp_path}/x", content)
    assert [path.name for path in tmp_path.iterdir()] == ["x"] and (tmp_path / "x").read_bytes() == b"new"


def test_a_glob_is_of_the_last_element_and_sorted(tmp_path: Path) -> None:
    for name in ("2013-02.parquet", "2013-01.parquet", "2013-03.parquet", "2013-01.csv"):
        (tmp_path / name).write_bytes(b"x")
    found = globs.find(f"file://{tmp_path}/2013-0[12].parquet", ENDINGS)
    assert [Path(file.uri).name for file in found] == ["2013-01.parquet", "2013-02.parquet"]


def test_a_name_with_brackets_is_found_when_it_is_meant_itself(tmp_path: Path) -> None:
    for name in ("part[1].parquet", "part1.parquet"):
        (tmp_path / name).write_bytes(b"x")
    (found,) = globs.find(f"file://{tmp_path}/part[1].parquet", ENDINGS)
    assert Path(found.uri).name == "part[1].parquet"


def test_parquet_is_believed_only_with_its_checksum(tmp_path: Path) -> None:
    data = store.parquet_bytes(pa.table({"a": [1]}))
    store.write_bytes(f"file://{tmp_path}/t", data)
    assert store.verified_parquet(f"file://{tmp_path}/t", store.sha256(data)).to_pydict() == {"a": [1]}
    assert store.read_parquet(f"file://{tmp_path}/t", ["a", "b"]).column_names == ["a"]
    with pytest.raises(ProgramError) as caught:
        store.verified_parquet(f"file://{tmp_path}/t", "0" * 64)
    assert caught.value.reason == "DigestMismatch"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [("file://{}/none", "SourceMissing"), ("ftp://x/y", "SourceMissing"), ("file://{}/bad.parquet", "WrongType")],
)
def test_what_is_not_there_or_not_readable_is_a_configuration_error(tmp_path: Path, uri: str, reason: str) -> None:
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(ProgramError) as caught:
        store.read_parquet(uri.format(tmp_path))
    assert (caught.value.exit_code, caught.value.reason) == (78, reason)


@contextmanager
def endpoint(status: int, code: str) -> Iterator[str]:
    """An S3 endpoint that refuses everything in the same way."""

    class Handler(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = refuse  # noqa: N815 names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "reason"),
    [
        (404, "NoSuchBucket", 78, "BucketMissing"),
        (403, "AccessDenied", 78, "AccessDenied"),
        (403, "SignatureDoesNotMatch", 78, "AccessDenied"),
        (403, "InvalidAccessKeyId", 78, "AccessDenied"),
        (500, "InternalError", 75, "StoreUnavailable"),
        (503, "SlowDown", 75, "StoreUnavailable"),
    ],
)
def test_each_refusal_of_an_endpoint_has_its_reason(
    monkeypatch: pytest.MonkeyPatch, status: int, code: str, exit_code: int, reason: str
) -> None:
    with endpoint(status, code) as url:
        use(monkeypatch, url)
        for act in (
            lambda: store.read_bytes("s3://bucket/key"),
            lambda: globs.find("s3://bucket/folder/*.parquet", ENDINGS),
        ):
            with pytest.raises(ProgramError) as caught:
                act()
            assert (caught.value.exit_code, caught.value.reason) == (exit_code, reason)
            assert "s3://bucket/" in caught.value.message


def test_nobody_there_is_told_at_once_and_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(ProgramError) as caught:
        store.write_bytes("s3://bucket/key", b"x")
    assert (caught.value.exit_code, caught.value.reason) == (75, "StoreUnavailable")
    assert "http://127.0.0.1:1" in caught.value.message and "secret" not in caught.value.message


def use(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
