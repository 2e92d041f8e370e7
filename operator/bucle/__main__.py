"""Command line: `run` the operator, write or check the `crds`, print the `version`.

Imports are made inside the commands, so that printing a version needs neither a cluster nor its client.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bucle import __version__


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 the CRD files differ from the types, 2 wrong usage."""
    options = _parser().parse_args(arguments)
    if options.command == "run":
        from bucle import app

        return int(app.main() or 0)
    if options.command == "crds":
        return _crds(options.output_dir, options.templates_dir, check=options.check)
    print(__version__)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bucle", description="Closes the model loop on Kubernetes.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="run the operator")
    commands.add_parser("version", help="print the version")
    crds = commands.add_parser("crds", help="write the CRD files made from the types")
    crds.add_argument("--check", action="store_true", help="write nothing; exit 1 when a file differs")
    crds.add_argument("--output-dir", type=Path, default=Path("crds"), help="plain CRDs (default: crds)")
    crds.add_argument(
        "--templates-dir",
        type=Path,
        default=None,
        help="chart templates (default: templates/crds beside the output directory)",
    )
    return parser


def _crds(output_dir: Path, templates_dir: Path | None, *, check: bool) -> int:
    from bucle.resources.files import plain_files, template_files

    templates = templates_dir or output_dir.parent / "templates" / "crds"
    wanted = {output_dir / name: text for name, text in plain_files().items()}
    wanted |= {templates / name: text for name, text in template_files().items()}
    try:
        wanted |= _reference_pages(output_dir.parent / "docs" / "reference")
        if check:
            return _compare(wanted, (output_dir, templates))
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        print(f"cannot {'read' if check else 'write'} {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return 0


def _reference_pages(directory: Path) -> dict[Path, str]:
    """The pages that exist, with their tables made anew; an installed operator has no pages."""
    from bucle.resources import KINDS
    from bucle.resources.reference import with_tables

    pages = {directory / f"{name.lower()}.md": kind for name, kind in KINDS.items()}
    return {path: with_tables(path.read_text(encoding="utf-8"), kind) for path, kind in pages.items() if path.is_file()}


def _compare(wanted: dict[Path, str], directories: tuple[Path, ...]) -> int:
    stray = {path for directory in directories for path in directory.glob("*.yaml")} - wanted.keys()
    differing = [
        path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    differing += sorted(stray)
    for path in differing:
        print(f"{path} is not what the types say: run `python -m bucle crds` and commit it", file=sys.stderr)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
