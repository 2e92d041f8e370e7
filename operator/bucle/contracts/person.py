"""What a person says to the operator by the annotation `bucle.dev/action` of an object: `<verb>/<subject>/<nonce>`. Pure.

One grammar for all kinds. Knows no verb: which there are, and what about, each kind knows itself. The nonce is a word of the
person's own; the same verb and subject with another nonce is another request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from bucle.contracts.canonical import short_hash

GRAMMAR = re.compile(r"([a-z]{1,32})/([A-Za-z0-9][-._A-Za-z0-9]{0,127})/([A-Za-z0-9][-._A-Za-z0-9]{0,62})")
FORM = "<verb>/<subject>/<nonce>"
QUOTED = 64
"""Characters that a message repeats of what is no request."""


class Outcome(StrEnum):
    DONE = "Done"
    REFUSED = "Refused"


@dataclass(frozen=True, slots=True)
class Request:
    verb: str
    subject: str
    nonce: str

    def __str__(self) -> str:
        return f"{self.verb}/{self.subject}/{self.nonce}"


@dataclass(frozen=True, slots=True)
class Illegible:
    """An annotation that is no request. It is remembered by a hash: nothing bounds what a person writes there."""

    quoted: str
    nonce: str
    verb: str = ""
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.quoted!r} is not {FORM}"


Said = Request | Illegible


def heard(annotation: str | None) -> Said | None:
    """What is asked; None when nothing is."""
    text = (annotation or "").strip()
    if not text:
        return None
    found = GRAMMAR.fullmatch(text)
    return Request(*found.groups()) if found else Illegible(text[:QUOTED], short_hash(text, 16))
