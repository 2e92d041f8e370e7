"""The object store: URIs in, bytes and tables out, and every trouble as a reason.

May know pyarrow's file systems and the environment's credentials; knows nothing of what the objects mean.
`s3://bucket/key` is the production scheme, `file:///path` is for tests and a laptop.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from bucle.contracts import exits
from bucle.podkit.program import ProgramError, bad_configuration

CONNECT_TIMEOUT_SECONDS = 2.0
REQUEST_TIMEOUT_SECONDS = 5.0
ATTEMPTS = 2
"""A dead store is told within about ten seconds; the operator tries again later, so the pod need not. The request
time is one without a single byte, so a slow transfer of a large object is not cut."""

_DENIED = (
    "ACCESS_DENIED",
    "SIGNATURE_DOES_NOT_MATCH",
    "SignatureDoesNotMatch",
    "INVALID_ACCESS_KEY_ID",
    "InvalidAccessKeyId",
    "INVALID_SIGNATURE",
    "UNRECOGNIZED_CLIENT",
    "MISSING_AUTHENTICATION_TOKEN",
    "HTTP status 403",
    "HTTP status 401",
)
_NO_BUCKET = ("NO_SUCH_BUCKET", "NoSuchBucket")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`modified_ns` is the store's clock, nanoseconds since 1970."""

    uri: str
    size: int
    modified_ns: int


def join(location: str, *parts: str) -> str:
    return "/".join((location.rstrip("/"), *(part.strip("/") for part in parts)))


def read_bytes(uri: str) -> bytes:
    """Raises ProgramError SourceMissing, BucketMissing, AccessDenied (78) or StoreUnavailable (75), as do all here."""
    filesystem, path = _open(uri)
    with _told(uri, "read"), filesystem.open_input_stream(path) as stream:
        return bytes(stream.read())


def write_bytes(uri: str, data: bytes) -> None:
    """The object appears whole or not at all."""
    filesystem, path = _open(uri)
    with _told(uri, "write"):
        if isinstance(filesystem, pafs.LocalFileSystem):
            _write_local(Path(path), data)
            return
        with filesystem.open_output_stream(path) as stream:
            stream.write(data)


def exists(uri: str) -> bool:
    """False is an answer of the store: an unreachable store raises instead."""
    filesystem, path = _open(uri)
    with _told(uri, "look for"):
        return bool(filesystem.get_file_info(path).type == pafs.FileType.File)


def list_files(location: str) -> list[StoredFile]:
    """All objects below `location`, sorted by URI; none when there is nothing there."""
    filesystem, path = _open(location)
    with _told(location, "list"):
        infos = filesystem.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))
    prefix = location.rstrip("/")
    found = [
        StoredFile(prefix + info.path[len(path) :], info.size, info.mtime_ns or 0)
        for info in infos
        if info.type == pafs.FileType.File
    ]
    return sorted(found, key=lambda file: file.uri)


def glob(location: str) -> list[StoredFile]:
    """Objects whose last path element matches the pattern there, sorted; raises SourceMissing when none does.

    An object that is called exactly so is meant itself: names may hold brackets.
    """
    parent, _, pattern = location.rpartition("/")
    filesystem, path = _open(parent)
    with _told(location, "list"):
        infos = filesystem.get_file_info(pafs.FileSelector(path, recursive=False, allow_not_found=True))
    found = [
        StoredFile(join(parent, info.base_name), info.size, info.mtime_ns or 0)
        for info in infos
        if info.type == pafs.FileType.File
        and (info.base_name == pattern or fnmatch.fnmatchcase(info.base_name, pattern))
    ]
    exact = [file for file in found if file.uri == location]
    if exact:
        return exact
    if not found:
        _require_bucket(location, filesystem, path)
        raise bad_configuration(
            "SourceMissing", f"no object matches {location}: correct the location or put files there"
        )
    return sorted(found, key=lambda file: file.uri)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_parquet(uri: str, columns: list[str] | None = None) -> pa.Table:
    """Columns that the file does not have are left out rather than refused: readers decide what must be there."""
    data = pa.BufferReader(read_bytes(uri))
    try:
        file = pq.ParquetFile(data)
        present = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        return file.read(columns=present)
    except pa.ArrowInvalid as error:
        raise bad_configuration("WrongType", f"{uri} is not a readable Parquet file: {error}") from error


def verified_parquet(uri: str, checksum: str) -> pa.Table:
    """A Parquet file that must have this sha256; raises DigestMismatch (78)."""
    data = read_bytes(uri)
    if sha256(data) != checksum:
        raise bad_configuration(
            "DigestMismatch", f"{uri} is not the file that its manifest names: restore it or build a new version"
        )
    return pq.ParquetFile(pa.BufferReader(data)).read()


def parquet_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


@cache
def _s3(endpoint: str, region: str, key: str, secret: str) -> pafs.S3FileSystem:
    parts = urlsplit(endpoint)
    settings: dict[str, Any] = {"access_key": key, "secret_key": secret} if key and secret else {}
    if parts.netloc:
        settings |= {"endpoint_override": parts.netloc, "scheme": parts.scheme or "https"}
    return pafs.S3FileSystem(
        region=region,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        request_timeout=REQUEST_TIMEOUT_SECONDS,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        **settings,
    )


def _s3_of_environment() -> pafs.S3FileSystem:
    environment = os.environ.get
    return _s3(
        environment("AWS_ENDPOINT_URL_S3", ""),
        environment("AWS_REGION") or "us-east-1",
        environment("AWS_ACCESS_KEY_ID", ""),
        environment("AWS_SECRET_ACCESS_KEY", ""),
    )


def _open(uri: str) -> tuple[pafs.FileSystem, str]:
    scheme, separator, rest = uri.partition("://")
    if separator and scheme == "s3" and rest:
        return _s3_of_environment(), rest.rstrip("/")
    if separator and scheme == "file" and rest.startswith("/"):
        return pafs.LocalFileSystem(), rest.rstrip("/")
    raise bad_configuration("SourceMissing", f"{uri} is no location this program can open: use s3://bucket/key")


def _write_local(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(data)
    partial.replace(path)


@contextmanager
def _told(uri: str, verb: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        filesystem, path = _open(uri)
        _require_bucket(uri, filesystem, path)
        raise bad_configuration("SourceMissing", f"cannot {verb} {uri}: there is no such object") from error
    except OSError as error:
        raise _as_program_error(error, uri, verb) from error


def _require_bucket(uri: str, filesystem: pafs.FileSystem, path: str) -> None:
    if isinstance(filesystem, pafs.LocalFileSystem):
        return
    bucket = path.partition("/")[0]
    try:
        found = filesystem.get_file_info(bucket).type != pafs.FileType.NotFound
    except OSError as error:
        raise _as_program_error(error, uri, "look for the bucket of") from error
    if not found:
        raise _bucket_missing(uri)


def _bucket_missing(uri: str) -> ProgramError:
    bucket = uri.partition("://")[2].partition("/")[0]
    return bad_configuration(
        "BucketMissing", f"the bucket {bucket} of {uri} does not exist: create it or correct the name"
    )


def _as_program_error(error: OSError, uri: str, verb: str) -> ProgramError:
    text = str(error)
    if any(mark in text for mark in _NO_BUCKET):
        return _bucket_missing(uri)
    if isinstance(error, PermissionError) or any(mark in text for mark in _DENIED):
        return bad_configuration(
            "AccessDenied", f"cannot {verb} {uri}: the store refused the credentials of the Secret bucle-storage"
        )
    where = os.environ.get("AWS_ENDPOINT_URL_S3", "the default endpoint") if uri.startswith("s3://") else "this machine"
    _, mark, words = text.partition("AWS Error ")
    detail = (words if mark else text)[:200]
    return ProgramError(exits.TRY_AGAIN, "StoreUnavailable", f"cannot {verb} {uri} at {where}: {detail}")
