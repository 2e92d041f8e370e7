"""What the unlabelled signals say of one window, from the sketches of its rows and the profiles of training. Pure.

A window is a matter of columns: `breached` names all of them by a short code, for drift is the same column again and
again, and `columns` those that are farthest beyond their limit. One that cannot be compared keeps no other from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from bucle.contracts.base import decimal_text
from bucle.contracts.canonical import short_hash
from bucle.contracts.findings import ColumnFindings, Finding, Question, WindowFindings
from bucle.contracts.profile import FeatureProfile
from bucle.contracts.reference import Reference
from bucle.contracts.result import ColumnResult, Failure, SignalResult
from bucle.contracts.sketch import ColumnSketch, WindowSketch
from bucle.contracts.task import ColumnDrift, DataQuality, MeasuredColumns
from bucle.statistics.columns import FEWEST_ROWS, Rule, alpha_of_one, compare

QUESTIONS: tuple[Question, ...] = ("Drift", "Constant", "Nulls", "Unknown", "OutOfRange", "Invalid", "Missing")
ASKED_OF_A_COLUMN = 4
"""As many of them can be wrong by chance of one column: Drift or Constant, Nulls, Unknown or OutOfRange, Invalid."""
TOP = 5
CODE = 6
MOST_CODES = 32
"""More columns than that drift together in no window by chance."""


@dataclass(frozen=True, slots=True)
class Window:
    """`seconds`: how long it is, where it is a stretch of time."""

    features: WindowSketch
    predictions: WindowSketch
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What goes to the operator, and all columns for the stored result."""

    result: SignalResult
    findings: WindowFindings | None = None


def said(signal: MeasuredColumns, window: Window, reference: Reference, dropped: Collection[str] = ()) -> Said:
    """`dropped`: columns that nobody captures."""
    failure = cannot_be_taken(signal, reference)
    if failure is not None:
        return Said(SignalResult(name=signal.name, failure=failure))
    if signal.data_quality is not None:
        return Said(_quality(signal.name, signal.data_quality, window.features, reference, dropped))
    if signal.prediction_drift is not None:
        return _drift(
            signal.name, signal.prediction_drift, window, window.predictions, reference.predictions, reference
        )
    assert signal.data_drift is not None, "exactly one kind is set"
    captured = [profile for profile in reference.features if profile.name not in dropped]
    return _drift(signal.name, signal.data_drift, window, window.features, captured, reference)


def cannot_be_taken(signal: MeasuredColumns, reference: Reference) -> Failure | None:
    known = {profile.name for profile in reference.features}
    settings = signal.data_drift or signal.data_quality
    unknown = [name for name in settings.columns if name not in known] if settings is not None else []
    if not unknown:
        return None
    told = f"columns names {', '.join(unknown[:TOP])}, which the served model does not learn from"
    return Failure(reason="UnknownColumn", message=told)


# --- drift -------------------------------------------------------------------------------------------------------


def _drift(
    name: str,
    settings: ColumnDrift,
    window: Window,
    sketch: WindowSketch,
    profiles: Sequence[FeatureProfile],
    reference: Reference,
) -> Said:
    wanted = [profile for profile in profiles if not settings.columns or profile.name in settings.columns]
    questions = len(wanted) * ASKED_OF_A_COLUMN
    alpha = alpha_of_one(float(settings.alpha), questions, settings.breaches, settings.of)
    found = compare(sketch, wanted, reference.blocks, Rule(alpha, float(settings.min_effect), window.seconds))
    compared = [column for column in found.columns if column.standing == "Compared"]
    beyond = _beyond(found.columns)
    if not found.rows:
        return Said(SignalResult(name=name, verdict="NoData", message="no rows were served"), found)
    if not compared and not beyond:
        return Said(SignalResult(name=name, verdict="Inconclusive", message=_incomparable(found)), found)
    share = settings.share
    value = len({column.column for column, _ in beyond}) / max(1, len(found.columns))
    breached = bool(beyond) if share is None else value >= share / 100
    worst = beyond[0][1] if beyond else _greatest(compared)
    result = SignalResult(
        name=name,
        verdict="Breached" if breached else "Healthy",
        value=decimal_text(value if share is not None else worst.value, 6) if worst or share is not None else None,
        limit=decimal_text(share / 100 if share is not None else worst.limit, 6)
        if worst or share is not None
        else None,
        message=_words(beyond, len(found.columns)),
        columns=tuple(_told(column.column, finding) for column, finding in beyond[:TOP]) or None,
        breached=_codes(column.column for column, _ in beyond) if share is None and beyond else None,
    )
    return Said(result, found)


def _beyond(columns: Iterable[ColumnFindings]) -> list[tuple[ColumnFindings, Finding]]:
    """The columns beyond a limit, each with the question that is farthest beyond; the farthest first."""
    found = []
    for column in columns:
        breached = [finding for finding in column.findings if finding.breached]
        if breached:
            found.append((column, max(breached, key=_excess)))
    return sorted(found, key=lambda item: (-_excess(item[1]), item[0].column))


def _excess(finding: Finding) -> float:
    return finding.value / finding.limit if finding.limit else float(finding.value > 0)


def _greatest(compared: Iterable[ColumnFindings]) -> Finding:
    drifts = [
        finding for column in compared for finding in column.findings if finding.question in ("Drift", "Constant")
    ]
    return max(drifts, key=_excess)


def _incomparable(found: WindowFindings) -> str:
    if any(column.standing == "TooFewRows" for column in found.columns):
        return f"{found.rows} rows, and no column has {FEWEST_ROWS} values: use larger windows"
    return "the model's reference has no profile to compare with: train it again with this release"


# --- quality -----------------------------------------------------------------------------------------------------


def _quality(
    name: str, settings: DataQuality, sketch: WindowSketch, reference: Reference, dropped: Collection[str]
) -> SignalResult:
    if not sketch.rows:
        return SignalResult(name=name, verdict="NoData", message="no rows were served")
    profiles = {profile.name: profile for profile in reference.features}
    asked = [
        (column, finding)
        for column in sketch.columns
        if (not settings.columns or column.name in settings.columns) and column.name not in dropped
        for finding in _shares(settings, column, sketch.rows, profiles[column.name])
    ]
    beyond = sorted(
        ((column.name, finding) for column, finding in asked if finding.breached),
        key=lambda item: (-item[1].value + item[1].limit, item[0]),
    )
    worst = max((finding for _, finding in asked), key=lambda finding: finding.value - finding.limit, default=None)
    columns = len({column.name for column, _ in asked})
    return SignalResult(
        name=name,
        verdict="Breached" if beyond else "Healthy",
        value=decimal_text(worst.value, 6) if worst is not None else None,
        limit=decimal_text(worst.limit, 6) if worst is not None else None,
        message=_words(beyond, columns),
        columns=tuple(_told(column, finding) for column, finding in beyond[:TOP]) or None,
    )


def _shares(settings: DataQuality, column: ColumnSketch, rows: int, profile: FeatureProfile) -> Iterable[Finding]:
    """What a person limited, as shares of rows; of values that a category or a number has where there are any."""
    categories = profile.comparable and not profile.numeric
    asked: tuple[tuple[Question, int | None, int, int], ...] = (
        ("Nulls", settings.max_null_percent, column.nulls + column.missing, rows),
        ("Invalid", settings.max_invalid_percent, column.invalid, rows),
        (
            "Unknown",
            settings.max_unknown_percent,
            column.cells[-1] if categories and column.cells else 0,
            column.compared,
        ),
        ("OutOfRange", settings.max_out_of_range_percent, column.outside, column.compared),
    )
    for question, percent, count, of in asked:
        if percent is not None and of:
            value, limit = count / of, percent / 100
            yield Finding(question=question, breached=value > limit, value=round(value, 6), limit=limit)


# --- words -------------------------------------------------------------------------------------------------------

_IN_WORDS: dict[Question, str] = {
    "Drift": "its distribution moved by",
    "Constant": "is constant, a share of",
    "Nulls": "has no value in a share of",
    "Unknown": "has values unknown to training in a share of",
    "OutOfRange": "is beyond training's range in a share of",
    "Invalid": "cannot be read in a share of",
    "Missing": "is missing in a share of",
}


def _words(beyond: Sequence[tuple[ColumnFindings | str, Finding]], columns: int) -> str:
    if not beyond:
        return f"none of {columns} columns is beyond its limit"
    told = [
        f"{column if isinstance(column, str) else column.column} {_IN_WORDS[finding.question]} {finding.value:.3g}"
        f" (limit {finding.limit:.3g})"
        for column, finding in beyond[:2]
    ]
    more = len(beyond) - len(told)
    return ", ".join(told) + (f", and {more} more of {columns}" if more else f", of {columns} columns")


def _told(column: str, finding: Finding) -> ColumnResult:
    return ColumnResult(
        column=column,
        question=finding.question,
        value=decimal_text(finding.value, 6),
        limit=decimal_text(finding.limit, 6),
    )


def _codes(columns: Iterable[str]) -> tuple[str, ...]:
    return tuple(short_hash(name, CODE) for name in columns)[:MOST_CODES]
