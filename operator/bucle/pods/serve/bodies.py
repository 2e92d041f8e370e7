"""What a caller sent, as bytes: bounded, unpacked, and refused in words when it is neither JSON nor of a bearable size.

Knows HTTP bodies; knows nothing of what they mean.
"""

from __future__ import annotations

import zlib

from starlette.requests import Request

from bucle.contracts.limits import BODY_LIMIT_BYTES

SENT_LIMIT_BYTES = 8 * BODY_LIMIT_BYTES
"""Who sends more than this is cut off in the middle of it."""
GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
NAME_SHOWN = 80
BINARY_HEADER = "inference-header-content-length"


class BadRequest(Exception):
    """The caller's mistake: HTTP status, what to change, and the reason under which it is counted."""

    def __init__(self, status: int, message: str, reason: str = "malformed") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason


def shown(name: object) -> str:
    """A name that a caller made up, short enough for a sentence."""
    text = str(name)
    return text if len(text) <= NAME_SHOWN else f"{text[:NAME_SHOWN]}…"


def too_large() -> BadRequest:
    return BadRequest(413, f"the body has more than {BODY_LIMIT_BYTES} bytes: send several", "too_large")


async def body_of(request: Request) -> bytes:
    """The unpacked body. A too large one is read to its end and thrown away, as far as that is bearable, then refused."""
    # Most clients read nothing before they have sent all: refused in the middle, they would see a reset, not the answer.
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > SENT_LIMIT_BYTES:
            break
        if size > BODY_LIMIT_BYTES:
            chunks.clear()
        else:
            chunks.append(chunk)
    if size > BODY_LIMIT_BYTES:
        raise too_large()
    _require_json(request)
    return b"".join(chunks)


def encoding_of(request: Request) -> str:
    """gzip, deflate or identity; raises BadRequest 415 for another."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower() or "identity"
    if encoding == "x-gzip":
        return "gzip"
    if encoding not in ("gzip", "deflate", "identity"):
        raise BadRequest(
            415, "this Content-Encoding is not read: send the body plain, or with gzip or deflate", "encoding"
        )
    return encoding


def unpacked(body: bytes, encoding: str) -> bytes:
    """The body without its compression; raises BadRequest when it is broken or grows too large."""
    if encoding == "identity":
        return body
    unpacker = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        plain = unpacker.decompress(body, BODY_LIMIT_BYTES + 1)
    except zlib.error as error:
        raise BadRequest(400, f"the body is not what Content-Encoding {encoding} says", "encoding") from error
    if len(plain) > BODY_LIMIT_BYTES:
        raise too_large()
    if not unpacker.eof:
        raise BadRequest(400, f"the body ends in the middle of its {encoding} data", "encoding")
    return plain


def _require_json(request: Request) -> None:
    if BINARY_HEADER in request.headers:
        raise BadRequest(
            400, "binary tensors are not read: send each tensor's values as JSON in data, without binary_data_size"
        )
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    # Others pass: curl calls JSON a form and aiohttp calls it bytes, and the parser says soon enough what is none.
    if kind in ("text/csv", "multipart/form-data", "application/x-parquet"):
        raise BadRequest(415, f"a body of type {kind} is not read: send JSON as application/json", "encoding")
