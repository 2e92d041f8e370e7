"""docs/reasons.md, made from the closed list: `python -m bucle.contracts.reasons_doc [--check]`.

Exit codes: 0 written or equal, 1 the page differs from the list.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bucle.contracts.generated_page import write_or_check
from bucle.contracts.limits import ATTEMPTS, READ_AGAIN_LAST, in_words
from bucle.contracts.reasons import REASONS, Reason

PAGE = Path("docs") / "reasons.md"
HEAD = f"""# Reasons

Every condition carries one of these words. The message beside it names the object, what was tried and what to do
next; this page says what the word means, whose fault it is (of the Model, of the User who wrote the spec, External,
or of the Operator itself; none where nothing is wrong), and what Bucle does: `Wait` and `Mended` are tried again
with growing pauses without end, `Budget` up to {ATTEMPTS} times, `Data` by a Dataset,
which reads its sources again within {in_words(READ_AGAIN_LAST)}, `Never` only after an edit. A released word keeps its name, so it is safe to match on.

This page is made from `operator/bucle/contracts/reasons_*.py` by `python -m bucle.contracts.reasons_doc`.

| Reason | Cause | Cure | Fault | Tried again |
|---|---|---|---|---|
"""


def page() -> str:
    """The page as Markdown, in the order of the list (by kind)."""
    rows = (
        f"| `{name}` | {_cell(reason.cause)} | {_cell(reason.cure)} | {_told(reason)} |\n"
        for name, reason in REASONS.items()
    )
    return HEAD + "".join(rows)


def main(arguments: list[str]) -> int:
    return write_or_check(PAGE, page(), "bucle.contracts.reasons_doc", arguments)


def _told(reason: Reason) -> str:
    return f"{reason.fault} | {reason.retry}" if reason.fault else "|"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
