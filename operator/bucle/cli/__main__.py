"""`python -m bucle.cli`: the same as `kubectl bucle`."""

from __future__ import annotations

import sys

from bucle.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
