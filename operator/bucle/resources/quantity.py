"""Kubernetes quantities as numbers: `1000m` and `1` are one amount, and the API server stores the shorter. Pure.

Source: Kubernetes, `apimachinery/pkg/api/resource/quantity.go`.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}


def amount(text: object) -> Decimal | None:
    """The quantity's value; None for what is none."""
    written = str(text)
    number = written.rstrip("KMGTPEikmnu")
    suffix = written[len(number) :]
    try:
        if suffix in _BINARY:
            return Decimal(number) * Decimal(1024) ** _BINARY[suffix]
        return Decimal(number).scaleb(_DECIMAL[suffix])
    except (InvalidOperation, KeyError):
        return None


def same_amounts(live: object, wanted: object) -> bool:
    """Whether two texts say one amount, in whatever form."""
    return live == wanted or ((found := amount(live)) is not None and found == amount(wanted))
