"""Whether one model may answer before the callers of another: same question, no more asked of them, labels still joined. Pure."""

from __future__ import annotations

from bucle.contracts.reference import Reference
from bucle.contracts.table import Column, ColumnType, TableSchema
from bucle.contracts.task import Successor

OTHER_QUESTION, OTHER_INPUTS = "OtherQuestion", "OtherInputs"
NAMED = 5
_ALSO_TAKEN_BY: dict[ColumnType, tuple[ColumnType, ...]] = {
    "Integer": ("Number", "Category", "Text"),
    "Number": ("Category", "Text"),
    "Boolean": ("Category", "Text"),
    "Category": ("Text",),
    "Text": ("Category",),
    "Timestamp": ("Category", "Text"),
}
"""What is a value of the one type in JSON is a value of the others as well."""


def unfit(candidate: Reference, serving: Reference, terms: Successor) -> tuple[str, str] | None:
    """The reason and the words for why the candidate may not succeed what serves; None when it may."""
    differs = candidate.question().unlike(serving.question())
    if differs:
        return OTHER_QUESTION, f"{differs}: serve it by a ModelDeployment of its own"
    lost = _lost(candidate.table, serving.table, terms)
    if lost:
        return OTHER_INPUTS, f"{lost}: keep the column in the Dataset's schema"
    more = needs_more(candidate.table, serving.table) if terms.inputs == "Refuse" else []
    if more:
        told = ", ".join(more[:NAMED]) + (f" and {len(more) - NAMED} more" if len(more) > NAMED else "")
        return OTHER_INPUTS, (
            f"it refuses requests that revision {terms.of} answers: it needs {told}. Train it on the schema of what "
            "serves, or set rollout.onOtherInputs to Try once callers send what it needs"
        )
    return None


def needs_more(candidate: TableSchema, serving: TableSchema) -> list[str]:
    """What the candidate needs in a request and the other one does not, column by column. Ranges are left to gates: whether
    anybody sends such values is seen in traffic alone."""
    theirs = {column.name: column for column in serving.with_role("Feature")}
    asked = (_more(column, theirs.get(column.name)) for column in candidate.with_role("Feature"))
    return [words for words in asked if words]


def _more(column: Column, other: Column | None) -> str:
    if other is None:
        return f"the column {column.name}"
    if column.type not in (other.type, *_ALSO_TAKEN_BY.get(other.type, ())):
        return f"{column.name} as {column.type}, not {other.type}"
    if column.nullable == "Never" and other.nullable == "Allowed":
        return f"a value of {column.name} in every row"
    closed = column.type == "Category" and column.unknown == "Error"
    if closed and not (other.type == "Category" and other.unknown == "Error"):
        return f"a category that training saw in {column.name}"
    return ""


def _lost(candidate: TableSchema, serving: TableSchema, terms: Successor) -> str:
    """A column that labels or gates go by, and that the candidate would not keep."""
    ids = [column.name for column in serving.with_role("Id")] if terms.labels == "Id" else []
    if ids and ids != [column.name for column in candidate.with_role("Id")]:
        return f"labels come by the column {ids[0]}, which is not its Id"
    names = {column.name for column in serving.columns}
    if terms.group in names - {column.name for column in candidate.columns}:
        return f"a gate groups rows by the column {terms.group}, which it does not have"
    return ""
