"""JSON schemas of every document between operator and pods, into docs/contracts: `python -m bucle.contracts.export [--check]`.

Pydantic is the one source; the files are for readers and for programs in other languages.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bucle.contracts.base import Document
from bucle.contracts.capture import FeedbackBody, Watermark
from bucle.contracts.evidence import Evidence
from bucle.contracts.findings import WindowFindings
from bucle.contracts.manifest import DatasetManifest
from bucle.contracts.reference import Reference
from bucle.contracts.result import Result
from bucle.contracts.sketch import WindowSketch
from bucle.contracts.task import DataTask, EvaluateTask, FinalTask, JudgeTask, ServeTask, TrialTask

DOCUMENTS: dict[str, type[Document]] = {
    "task.data": DataTask,
    "task.trial": TrialTask,
    "task.final": FinalTask,
    "task.evaluate": EvaluateTask,
    "task.serve": ServeTask,
    "task.judge": JudgeTask,
    "result": Result,
    "manifest": DatasetManifest,
    "reference": Reference,
    "evidence": Evidence,
    "sketch": WindowSketch,
    "findings": WindowFindings,
    "feedback": FeedbackBody,
    "watermark": Watermark,
}
FOLDER = Path("docs/contracts")


def schema_text(name: str) -> str:
    """The JSON schema of one document as the file's text."""
    schema = DOCUMENTS[name].model_json_schema(by_alias=True)
    return (
        json.dumps(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"}, indent=1, sort_keys=True)
        + "\n"
    )


def stale(folder: Path) -> list[str]:
    """Files that are missing, differ, or belong to no document."""
    wanted = {f"{name}.schema.json": schema_text(name) for name in DOCUMENTS}
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.schema.json")}
    return sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in DOCUMENTS:
        (folder / f"{name}.schema.json").write_text(schema_text(name), encoding="utf-8")
    for name in stale(folder):
        (folder / name).unlink()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Writes or checks the JSON schemas of the contracts.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 when a file is not what it should be"
    )
    parser.add_argument("--folder", type=Path, default=FOLDER)
    options = parser.parse_args(arguments)
    if not options.check:
        write(options.folder)
        return 0
    old = stale(options.folder)
    if old:
        sys.stderr.write(
            f"not up to date in {options.folder}: {', '.join(old)}; run python -m bucle.contracts.export\n"
        )
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
