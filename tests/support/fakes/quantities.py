"""Quantities as the API server stores them: the largest unit in which the number is whole. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = (("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6), ("n", -9))


def stored(text: str) -> str:
    """One quantity; what has an exponent is left as it is."""
    number = text.rstrip("KMGTPEikmnu")
    suffix = text[len(number) :]
    if suffix in _BINARY:
        value = Decimal(number) * 1024 ** (_BINARY.index(suffix) + 1)
        units = [(unit, 1024 ** (power + 1)) for power, unit in enumerate(_BINARY)]
        found = next(((unit, size) for unit, size in reversed(units) if value % size == 0), ("", 1))
        return f"{int(value / found[1])}{found[0]}"
    if "e" in number:
        return text
    value = Decimal(number).scaleb(dict(_DECIMAL)[suffix])
    if not value:
        return "0"
    unit, power = next((unit, power) for unit, power in _DECIMAL if value.scaleb(-power) % 1 == 0)
    return f"{int(value.scaleb(-power))}{unit}"


def with_stored_quantities(value: Any) -> Any:
    """The object with every `requests` and `limits` in it as a server writes them down."""
    if isinstance(value, list):
        return [with_stored_quantities(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {name: stored(str(amount)) for name, amount in item.items()}
        if key in ("requests", "limits") and isinstance(item, dict)
        else with_stored_quantities(item)
        for key, item in value.items()
    }
