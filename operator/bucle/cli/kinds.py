"""The words that people type for a kind or an object, as kubectl takes them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bucle.resources.addresses import DATASET, DRIFT_POLICY, EXPERIMENT, GROUP, MODEL_DEPLOYMENT, Resource
from bucle.resources.documents import KINDS as TYPES

LOOP: tuple[Resource, ...] = (DATASET, EXPERIMENT, MODEL_DEPLOYMENT, DRIFT_POLICY)
"""In the order in which data goes round."""


class UnknownWord(ValueError):
    """What was typed names no kind or no object; the message says what may be typed."""


class Target(NamedTuple):
    """One object that was asked for."""

    resource: Resource
    name: str

    def __str__(self) -> str:
        return f"{self.resource.kind}/{self.name}"


def words_of(resource: Resource) -> tuple[str, ...]:
    """All words for a kind: singular, plural, short; each with the group too."""
    plain = (resource.kind.lower(), resource.plural, TYPES[resource.kind].short_name)
    return (*plain, *(f"{word}.{GROUP}" for word in plain[:2]))


_BY_WORD = {word: resource for resource in LOOP for word in words_of(resource)}


def kind_named(word: str) -> Resource:
    """UnknownWord when no kind of Bucle is called so; case does not matter."""
    found = _BY_WORD.get(word.lower())
    if found is None:
        kinds = ", ".join(f"{r.kind.lower()} ({TYPES[r.kind].short_name})" for r in LOOP)
        raise UnknownWord(f"{word!r} is no kind of Bucle: type one of {kinds}")
    return found


def target_named(words: Sequence[str], only: Resource | None = None) -> Target:
    """`KIND/NAME`, or `KIND NAME`; with `only` a bare `NAME` too. UnknownWord for anything else."""
    kind, slash, name = words[0].partition("/")
    if len(words) == 1 and not slash and only is not None:
        return Target(only, _name(kind))
    if len(words) > 2 or (slash != "") == (len(words) == 2):
        raise UnknownWord(f"{' '.join(words)!r} names no object: type {'NAME' if only else 'KIND/NAME'}")
    target = Target(kind_named(kind), _name(name if slash else words[1]))
    if only is not None and target.resource != only:
        raise UnknownWord(f"{target} is of another kind: this command is about one {only.kind}")
    return target


def _name(text: str) -> str:
    # A path separator or a query in a name would ask the API server for something else.
    if not text or not all(letter.isalnum() or letter in "-." for letter in text) or text.startswith("."):
        raise UnknownWord(f"{text!r} is no name of an object: lower-case letters, digits, `-` and `.`")
    return text
