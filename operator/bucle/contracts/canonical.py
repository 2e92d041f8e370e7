"""Canonical JSON and the hashes made of it: the one way this project turns a value into an identity."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def canonical_json(value: Any) -> str:
    """Compact ASCII JSON with sorted keys; refuses NaN and infinities, which JSON does not have."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def sha256_hex(value: Any) -> str:
    """sha256 of the canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def digest(value: Any) -> str:
    """`sha256:<hex>` of the canonical JSON."""
    return f"sha256:{sha256_hex(value)}"


def short_hash(value: Any, length: int = 10) -> str:
    """The first hex digits of the hash, for names."""
    return sha256_hex(value)[:length]
