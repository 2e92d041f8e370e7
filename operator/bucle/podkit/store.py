"""The object store: URIs in, bytes and tables out, and every trouble as a reason.

May know pyarrow's file systems and the environment's credentials; knows nothing of what the objects mean.
`s3://bucket/key` is the production scheme, `file:///path` is for tests and a laptop.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
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

READERS = 8
"""Objects read at a time."""

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
_ENDPOINT = re.compile(r"https?://[^/?#@\s]+/?")
T = TypeVar("T")


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
    return _read(uri)[0]


def read_unchanged(uri: str) -> tuple[bytes, str]:
    """An object that others may replace, as it was at one moment, and what the store calls that state of it.

    The body comes with one request. Raises SourceChanged (75) when it was another afterwards, several times.
    """
    for _ in range(ATTEMPTS):
        data, before = _read(uri)
        after = _state(uri)
        if before == after:
            return data, after
    raise ProgramError(
        exits.TRY_AGAIN, "SourceChanged", f"{uri} was replaced while it was read: it is read again when it rests"
    )


def read_all(uris: Sequence[str], read: Callable[[str], T]) -> list[T]:
    """What `read` makes of each, in their order, several at a time: most of a small file is waiting for it."""
    if len(uris) < 2:
        return [read(uri) for uri in uris]
    with ThreadPoolExecutor(READERS, thread_name_prefix="read") as pool:
        return list(pool.map(read, uris))


def write_bytes(uri: str, data: bytes) -> None:
    """The object appears whole or not at all."""
    filesystem, path = _open(uri)
    with _told(uri, "write"):
        if isinstance(filesystem, pafs.LocalFileSystem):
            _write_local(Path(path), data)
            return
        with filesystem.open_output_stream(path) as stream:
            stream.write(data)


def delete(uri: str) -> None:
    """The object is gone afterwards, also when it was before."""
    filesystem, path = _open(uri)
    with _told(uri, "delete"):
        if filesystem.get_file_info(path).type == pafs.FileType.File:
            filesystem.delete_file(path)


def exists(uri: str) -> bool:
    """False is an answer of the store: an unreachable store raises instead."""
    filesystem, path = _open(uri)
    with _told(uri, "look for"):
        found = bool(filesystem.get_file_info(path).type == pafs.FileType.File)
    if not found:
        _require_bucket(uri, filesystem, path)
    return found


def list_files(location: str, *, recursive: bool = True) -> list[StoredFile]:
    """All objects below `location`, sorted by URI; none when there is nothing there. Raises BucketMissing."""
    return [found for found, is_file in _entries(location, recursive=recursive) if is_file]


def list_folders(location: str) -> list[str]:
    """The names of the folders directly below, sorted: one request, however much is in them."""
    return [found.uri.rpartition("/")[2] for found, is_file in _entries(location, recursive=False) if not is_file]


def _entries(location: str, *, recursive: bool) -> list[tuple[StoredFile, bool]]:
    filesystem, path = _open(location)
    with _told(location, "list"):
        infos = filesystem.get_file_info(pafs.FileSelector(path, recursive=recursive, allow_not_found=True))
    if not infos:
        # To the listing a bucket that is not there is one without objects.
        _require_bucket(location, filesystem, path)
    prefix = location.rstrip("/")
    found = [
        (StoredFile(prefix + info.path.rstrip("/")[len(path) :], info.size or 0, info.mtime_ns or 0), info.is_file)
        for info in infos
    ]
    return sorted(found, key=lambda entry: entry[0].uri)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_parquet(uri: str, columns: list[str] | None = None) -> pa.Table:
    """Columns that the file does not have are left out rather than refused: readers decide what must be there."""
    return parquet_table(uri, read_bytes(uri), columns)


def parquet_table(uri: str, data: bytes, columns: list[str] | None = None) -> pa.Table:
    """The table in `data`, which was read from `uri`; raises WrongType (78)."""
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        present = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        return file.read(columns=present)
    except (pa.ArrowException, OSError) as error:
        # Arrow's words may quote what stands in the file; they stay in the log.
        size = "it is empty" if not data else f"it has {len(data)} bytes"
        raise bad_configuration(
            "WrongType", f"{uri} is not a readable Parquet file, {size}: replace it or take it out of the location"
        ) from error


def parquet_batches(uri: str, columns: Sequence[str], texts: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
    """Those columns that the file has, so many rows at a time, `texts` as dictionaries: what is in memory is one row
    group of the file. Raises as `read_parquet` does, also between two batches."""
    filesystem, path = _open(uri)
    with _told(uri, "read"), filesystem.open_input_file(path) as source:
        try:
            names = set(pq.ParquetFile(source).schema_arrow.names)
            file = pq.ParquetFile(source, read_dictionary=[name for name in texts if name in names])
            wanted = [name for name in columns if name in names]
            # Asked for all row groups at once, it fetches the whole file ahead.
            for group in range(file.num_row_groups):
                yield from file.iter_batches(rows, row_groups=[group], columns=wanted)
        except pa.ArrowException as error:
            raise bad_configuration(
                "WrongType", f"{uri} is not a readable Parquet file: replace it or take it out of the location"
            ) from error


def verified_parquet(uri: str, checksum: str) -> pa.Table:
    """A Parquet file that must have this sha256; raises DigestMismatch (78)."""
    data = read_bytes(uri)
    if sha256(data) != checksum:
        raise bad_configuration(
            "DigestMismatch", f"{uri} is not the file that its manifest names: restore it or build a new version"
        )
    return parquet_table(uri, data)


def parquet_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _read(uri: str) -> tuple[bytes, str]:
    """The whole body with one request, and the state it had just before."""
    filesystem, path = _open(uri)
    with _told(uri, "read"), filesystem.open_input_file(path) as file:
        # Read without its size, an input stream fetches 256 KiB at a time.
        data = bytes(file.read(file.size()))
        return data, _tag(file, filesystem, path)


def _state(uri: str) -> str:
    filesystem, path = _open(uri)
    with _told(uri, "read"), filesystem.open_input_file(path) as file:
        return _tag(file, filesystem, path)


def _tag(file: pa.NativeFile, filesystem: pafs.FileSystem, path: str) -> str:
    if isinstance(filesystem, pafs.LocalFileSystem):
        stat = Path(path).stat()
        return f"{stat.st_ino}-{stat.st_size}-{stat.st_mtime_ns}"
    found = {str(name).lower(): value for name, value in (file.metadata() or {}).items()}
    tag = found.get("etag", b"")
    return f"{file.size()}-{tag.decode() if isinstance(tag, bytes) else tag}"


@cache
def _s3(endpoint: str, region: str, key: str, secret: str, token: str) -> pafs.S3FileSystem:
    settings: dict[str, Any] = {"access_key": key, "secret_key": secret} if key and secret else {}
    if settings and token:
        settings["session_token"] = token
    if endpoint:
        parts = urlsplit(endpoint)
        settings |= {"endpoint_override": parts.netloc, "scheme": parts.scheme}
    # By itself the client sends bodies as `aws-chunked` with a checksum behind, which some stores refuse.
    os.environ.setdefault("AWS_REQUEST_CHECKSUM_CALCULATION", "WHEN_REQUIRED")
    os.environ.setdefault("AWS_RESPONSE_CHECKSUM_VALIDATION", "WHEN_REQUIRED")
    return pafs.S3FileSystem(
        region=region,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        request_timeout=REQUEST_TIMEOUT_SECONDS,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
        # One request for a small object instead of three.
        allow_delayed_open=True,
        **settings,
    )


def _s3_of_environment() -> pafs.S3FileSystem:
    environment = os.environ.get
    endpoint = environment("AWS_ENDPOINT_URL_S3", "")
    if endpoint and not _ENDPOINT.fullmatch(endpoint):
        # The value is not shown: some carry a password.
        raise ProgramError(
            exits.TRY_AGAIN,
            "StoreUnavailable",
            "AWS_ENDPOINT_URL_S3 in the Secret bucle-storage must be http://host:port or https://host:port, with nothing "
            f"behind it, and {_wrong_endpoint(endpoint)}: correct it",
        )
    return _s3(
        endpoint,
        environment("AWS_REGION") or "us-east-1",
        environment("AWS_ACCESS_KEY_ID", ""),
        environment("AWS_SECRET_ACCESS_KEY", ""),
        environment("AWS_SESSION_TOKEN", ""),
    )


def _wrong_endpoint(endpoint: str) -> str:
    scheme, separator, rest = endpoint.partition("://")
    if not separator:
        return "it has no scheme"
    if scheme not in ("http", "https"):
        return "its scheme is another"
    if "@" in rest:
        return "it holds a user name"
    if "/" in rest.rstrip("/") or "?" in rest or "#" in rest:
        return "it has a path"
    return "it names no host"


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
    _, mark, words = text.partition("AWS Error ")
    detail = _without_secrets(words if mark else text)[:200]
    if isinstance(error, PermissionError) or any(mark in text for mark in _DENIED):
        return bad_configuration(
            "AccessDenied",
            f"cannot {verb} {uri}: the store refused the credentials of the Secret bucle-storage: {detail}",
        )
    where = os.environ.get("AWS_ENDPOINT_URL_S3", "the default endpoint") if uri.startswith("s3://") else "this machine"
    return ProgramError(exits.TRY_AGAIN, "StoreUnavailable", f"cannot {verb} {uri} at {where}: {detail}")


def _without_secrets(words: str) -> str:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"):
        value = os.environ.get(name, "")
        words = words.replace(value, f"[{name}]") if len(value) > 3 else words
    return words
