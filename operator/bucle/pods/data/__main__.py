"""`python -m bucle.pods.data`"""

from __future__ import annotations

import sys

from bucle.podkit.program import Part, main


def run(task: object) -> Part:
    # Imported late, so that an unreadable task is told before a second of library imports.
    from bucle.contracts.task import DataTask
    from bucle.pods.data.build import build

    assert isinstance(task, DataTask)
    return {"data": build(task)}


if __name__ == "__main__":
    sys.exit(main("data", run))
