"""The base of every document that crosses between operator and pods: strict, frozen, camelCase on the wire."""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from bucle.contracts.canonical import canonical_json, sha256_hex

DECIMAL_PATTERN: Final = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?(e-?[0-9]{1,3})?$"
"""Of results and of statuses alike: what a program may report, an object can hold."""

DecimalText = Annotated[str, Field(pattern=DECIMAL_PATTERN, max_length=32)]
"""A finite number as text: JSON has no NaN and API servers refuse it."""


def decimal_text(value: float, digits: int = 9) -> str:
    """The number with so many significant digits; raises ValueError for NaN and infinities."""
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("a metric must be finite, got " + str(value))
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


class Document(BaseModel):
    """Unknown fields are refused: both sides ship together, so an unknown field is a mistake."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, validate_default=True
    )

    def as_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def canonical(self) -> str:
        return canonical_json(self.as_json())

    def content_hash(self) -> str:
        return sha256_hex(self.as_json())

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Raises pydantic.ValidationError with the path of each wrong field."""
        return cls.model_validate_json(text)
