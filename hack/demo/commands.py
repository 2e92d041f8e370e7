"""`python -m hack demo up | down`: the flights story on a real cluster, from nothing to a promoted second version.

Runs inside the project's virtual environment with operator/ on PYTHONPATH (`make demo` sees to both).
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence

from hack.demo.install import Installation
from hack.demo.report import Report
from hack.demo.story import Story
from hack.shell import Failure
from hack.steps import Steps, table

# Four to prepare, three to install, seven of the story.
PARTS = 14


def main(arguments: Sequence[str]) -> int:
    """Exit code 0 when the story ended as told; 1 with one clear sentence when it did not."""
    parser = argparse.ArgumentParser(prog="python -m hack demo", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    command = parser.parse_args(arguments).command
    steps = Steps(total=PARTS if command == "up" else 1)
    try:
        installation = Installation.from_environment()
        if command == "down":
            installation.remove(steps)
        else:
            up(installation, steps)
    except Failure as failure:
        print(f"\nfailed: {failure}\n", file=sys.stderr)
        if steps.records:
            print(table(steps.records), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; `make demo` starts the story anew, `make demo-down` removes it", file=sys.stderr)
        return 130
    return 0


def up(installation: Installation, steps: Steps) -> None:
    """Everything from an empty machine to the summary; leaves all of it running."""
    installation.prepare(steps)
    installation.install_fresh(steps)
    report = Report()
    story = Story(installation, report, steps)
    asyncio.run(story.play())
    print(report.text())
    print(table(steps.records))
    print(installation.how_to_look())
