"""The programs that pip installs: `kubectl-bucle` (`python -m bucle.cli`) and `kubectl_complete-bucle`.

Signals come first, and only then what takes a second to import: a person who gives up sees no traceback at any moment.
"""

from __future__ import annotations

import signal
import sys
from io import TextIOWrapper


def main() -> int:
    _as_kubectl()
    from bucle.cli.command import run

    return run(sys.argv[1:])


def complete() -> int:
    _as_kubectl()
    from bucle.cli.completion import run

    return run(sys.argv[1:])


def _as_kubectl() -> None:
    """Ends as kubectl ends: at once when a person interrupts it, or when its reader (`| head`) has seen enough. Words that
    a terminal cannot show are replaced."""
    for name in ("SIGINT", "SIGPIPE"):
        if hasattr(signal, name):  # Windows has no SIGPIPE
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
