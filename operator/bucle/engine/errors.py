"""What a plan may raise about the object it was given; the engine turns it into a condition."""

from __future__ import annotations

from typing import ClassVar


class SpecInvalid(ValueError):
    """The object cannot be acted on as written; only a person can change that.

    The message becomes the condition's message, so it names the field and says what to do.
    """

    reason: ClassVar[str] = "SpecInvalid"
