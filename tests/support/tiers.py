"""Cases of one story in two tiers: the first is played in every check, the others by `make test`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def first_fast(cases: Iterable[Any]) -> list[Any]:
    """For `parametrize`: all but the first case are thorough. A tuple is one value for each of several names."""
    first, *others = cases
    return [first, *(pytest.param(*(c if isinstance(c, tuple) else (c,)), marks=pytest.mark.thorough) for c in others)]
