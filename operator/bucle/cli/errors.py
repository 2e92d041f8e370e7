"""What may go wrong, each with its exit code: scripts tell them apart by it. Pure."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of `kubectl bucle`; docs/kubectl.md lists them."""

    SHOWN = 0
    NOT_FOUND = 1
    USAGE = 2
    FORBIDDEN = 3
    UNREACHABLE = 4
    REFUSED = 5
    FAULT = 70
    INTERRUPTED = 130


class CliError(Exception):
    """The message says what was tried, on what, and what to do next."""

    code = Exit.FAULT


class NotFound(CliError):
    """The object, or Bucle itself, is not there."""

    code = Exit.NOT_FOUND


class Usage(CliError):
    """What was typed means nothing."""

    code = Exit.USAGE


class Forbidden(CliError):
    """The user has no right to what was asked for."""

    code = Exit.FORBIDDEN


class Unreachable(CliError):
    """No API server, or none that answers."""

    code = Exit.UNREACHABLE
