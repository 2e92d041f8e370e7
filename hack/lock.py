"""Keeps the per-image requirement files in step with the one resolved lock.

Knows pyproject.toml, requirements/ and the `uv` command, nothing of the operator.
`requirements/all.txt` is resolved once over all extras; every other file is a subset of it, so two images can never
carry two versions of one library. `--check` compares the files without network or uv.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMON = (
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-annotate",
    "--no-header",
    "--python-version",
    "3.11",
    "--quiet",
)


@dataclass(frozen=True)
class Subset:
    """One requirement file: which extras of pyproject.toml it resolves, and whether the package's own dependencies belong to it."""

    extras: tuple[str, ...]
    package: bool = True


SUBSETS: Mapping[str, Subset] = {
    "operator": Subset(("operator",)),
    "cli": Subset(("cli",)),
    # Worker and serve use one environment: two packages more, and a model is served by exactly what trained it.
    "ml": Subset(("ml", "serve")),
    "mlflow": Subset(("ml", "mlflow", "serve")),
    "router": Subset(("router",), package=False),
    "store": Subset(("store",), package=False),
    "dev": Subset(("cli", "demo", "dev", "ml", "mlflow", "operator", "report", "router", "serve", "store")),
}


def parse(text: str) -> dict[str, str]:
    """Map each pinned name of a requirement file to its whole entry (version, marker and hashes)."""
    entries: dict[str, str] = {}
    for block in text.replace("\\\n", " ").splitlines():
        words = block.split()
        if words and not words[0].startswith("#"):
            entries[words[0].split("==")[0]] = " ".join(words)
    return entries


def disagreements(name: str, subset: Mapping[str, str], everything: Mapping[str, str]) -> list[str]:
    """Say, in one line each, where a subset is not literally a part of the full lock."""
    found = []
    for package, entry in subset.items():
        if "--hash=sha256:" not in entry:
            found.append(f"requirements/{name}.txt: {package} has no hash")
        if package not in everything:
            found.append(f"requirements/{name}.txt: {package} is not in requirements/all.txt")
        elif everything[package] != entry:
            found.append(f"requirements/{name}.txt: {package} differs from requirements/all.txt")
    return found


def requested(subset: Subset, project: Mapping[str, object]) -> list[str]:
    """Return the requirement lines of pyproject.toml's `project` table that a subset starts from."""
    extras = project["optional-dependencies"]
    own = project["dependencies"]
    assert isinstance(extras, dict) and isinstance(own, list)
    return [*(own if subset.package else []), *(line for extra in subset.extras for line in extras[extra])]


def check(folder: Path) -> list[str]:
    """Compare every subset in `folder` with its all.txt; an empty list means they agree."""
    everything = parse((folder / "all.txt").read_text())
    found = []
    for name in SUBSETS:
        path = folder / f"{name}.txt"
        if path.is_file():
            found += disagreements(name, parse(path.read_text()), everything)
        else:
            found.append(f"requirements/{name}.txt is missing; run: python -m hack lock")
    return found


def find_uv() -> list[str]:
    """Return the command line that starts uv; raises SystemExit with the cure if there is none."""
    if uv := shutil.which("uv"):
        return [uv]
    beside = Path(sys.executable).with_name("uv")
    if beside.exists():
        return [str(beside)]
    raise SystemExit(
        "uv is not on PATH: install it with `pip install --require-hashes -r requirements/uv.txt`, then try again"
    )


def resolve(uv: Sequence[str], arguments: Sequence[str], lines: Sequence[str], target: Path) -> None:
    """Write one requirement file with uv; raises SystemExit with uv's own words if it cannot be resolved."""
    command = [*uv, "pip", "compile", *arguments, *COMMON, "-o", str(target)]
    done = subprocess.run(
        command,
        input="\n".join(lines),
        text=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{target.name}: uv could not resolve it:\n{done.stderr}")


def main(argv: Sequence[str]) -> int:
    """Command line; returns 1 when `--check` finds a difference."""
    parser = argparse.ArgumentParser(
        description="Regenerate requirements/*.txt from the one lock, or check that they agree."
    )
    parser.add_argument("--check", action="store_true", help="only compare, change nothing, needs no network")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions instead of the pinned ones")
    options = parser.parse_args(argv)
    folder = ROOT / "requirements"
    if not options.check:
        uv = find_uv()
        full = folder / "all.txt"
        # What is pinned stays pinned; only what pyproject.toml asks for since is added.
        resolve(uv, ["pyproject.toml", "--all-extras", *(["--upgrade"] if options.upgrade else [])], [], full)
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        for name, subset in SUBSETS.items():
            (folder / f"{name}.txt").unlink(missing_ok=True)
            resolve(uv, ["-", "-c", str(full)], requested(subset, project), folder / f"{name}.txt")
    found = check(folder)
    print("\n".join(found) if found else f"requirements: {len(SUBSETS)} subsets agree with all.txt")
    return 1 if found else 0
