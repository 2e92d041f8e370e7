"""A page of docs/ that is made from a list in the code: written, or compared with what stands there."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def write_or_check(page: Path, wanted: str, module: str, arguments: Sequence[str]) -> int:
    """Exit code: 0 written or equal, 1 with `--check` when the page differs; then standard error says which module makes it."""
    if "--check" not in arguments:
        page.write_text(wanted, encoding="utf-8")
        return 0
    found = page.read_text(encoding="utf-8") if page.exists() else ""
    if found == wanted:
        return 0
    sys.stderr.write(f"{page} differs from the list: run `python -m {module}`\n")
    return 1
