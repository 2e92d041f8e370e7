"""`python -m hack generate [--check]`: every generated file of the repository, in the order in which they follow each other.

Knows the generators' commands. Runs in the development environment. What needs the package index stays by itself: `python -m hack lock`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hack.environment import ROOT, with_sources

# The plain install is rendered from the chart, and the chart holds the CRDs.
GENERATORS = (
    ("CRDs, chart templates of them, tables of docs/reference", "bucle", "crds"),
    ("schemas of docs/contracts", "bucle.contracts.export"),
    ("docs/reasons.md", "bucle.contracts.reasons_doc"),
    ("the tables of docs/judging.md, from kept results", "hack.judgement.page"),
    ("docs/metrics.md", "bucle.contracts.telemetry_doc"),
    ("observe/dashboards", "hack.dashboards"),
    ("manifests/crds.yaml, manifests/install.yaml, manifests/argocd/argocd-cm.yaml", "hack.plain_install"),
)


def main(arguments: Sequence[str]) -> int:
    """Write everything, or with `--check` tell what is behind; 0 when nothing is."""
    parser = argparse.ArgumentParser(prog="python -m hack generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 if anything would change")
    check = ["--check"] if parser.parse_args(arguments).check else []
    behind = [what for what, *module in GENERATORS if generated([*module, *check], ROOT) != 0]
    if behind:
        print(f"behind their sources: {'; '.join(behind)}. Run `make generate`.", file=sys.stderr)
    return 1 if behind else 0


def generated(module: Sequence[str], root: Path) -> int:
    """Run one generator in a process of its own, as a person would."""
    return subprocess.run([sys.executable, "-m", *module], cwd=root, env=with_sources(), check=False).returncode
