"""What gates and signals rest on, as lines of a terminal: a table with a small chart, then the words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bucle.cli.charts import ASCII, UNICODE, Glyphs, Scale, interval, number, row, scale_of, short, span
from bucle.cli.documents import Finding, Gate, Gates, Measured, Retrain, Signal, Signals, Window
from bucle.cli.text import Screen, clean, counted, joined, paragraph, table

CHART = 32
GATES = ("GATE", "TEST", "STEP", "VERDICT", "ESTIMATE", "INTERVAL", "LIMIT", "SAMPLES", "GROUPS", "CHART")
SIGNALS = ("SIGNAL", "MEASURES", "VERDICT", "DRIFT", "VALUE", "INTERVAL", "LIMIT", "GROUPS", "LAST WINDOWS", "CHART")
WINDOWS = ("WINDOW", "UNTIL", "ROWS", "GROUPS", "VERDICT", "VALUE", "INTERVAL", "LIMIT", "CHART")
NO_VERDICT = "-"


def gates_lines(told: Gates, screen: Screen) -> list[str]:
    lines = paragraph(f"{told.object} in namespace {told.object.namespace}: {_rollout(told)}", screen, "  ", "")
    if told.waiting_for:
        lines += paragraph(f"It waits for {told.waiting_for}", screen, "  ")
    if not told.gates:
        return [*lines, "It declares no gates: a candidate advances by time and samples alone"]
    glyphs = _glyphs(screen)
    rows = [GATES, *(_gate(gate, glyphs) for gate in told.gates)]
    lines += ["", *table(rows, screen), "", _legend(glyphs)]
    for gate in told.gates:
        for words in dict.fromkeys(filter(None, (gate.message, gate.needs, _independent(gate), _mix(gate)))):
            lines += paragraph(words, screen, "  ", f"{clean(gate.name)}: ")
    return lines


def signals_lines(told: Signals, screen: Screen) -> list[str]:
    watched = f"{told.object} in namespace {told.object.namespace} watches {told.target or 'nothing that it names'}"
    drift = {"True": "drift", "False": "no drift"}.get(told.drift or "", "whether it drifts is not known")
    lines = paragraph(joined((f"{watched}: {drift}", told.drift_message), "; "), screen, "  ", "")
    if told.reference is not None:
        version = f" of version {told.reference_version}" if told.reference_version is not None else ""
        lines.append(f"Reference{version}: {joined((told.metric, short(told.reference)), ' ')}")
    if told.action is not None:
        action = joined((*told.action.told_by, told.action.reason, *told.action.messages))
        lines += paragraph(action, screen, "  ", "Action ")
    lines += _retrains(told)
    if not told.signals:
        return [*lines, "It declares no signals"]
    glyphs = _glyphs(screen)
    rows = [SIGNALS, *(_signal(signal, told.windows, glyphs, screen) for signal in told.signals)]
    lines += ["", *table(rows, screen), "", _legend(glyphs)]
    for signal in told.signals:
        words = joined((signal.message, signal.rule), "; ")
        lines += paragraph(words, screen, "  ", f"{clean(signal.name)}: ") if words else []
    for signal in told.signals:
        lines += _windows(signal.name, told.windows, screen, glyphs)
    return lines


def _rollout(told: Gates) -> str:
    serves = f"version {told.stable_version} serves" if told.stable_version is not None else "nothing is known to serve"
    if told.rollout is None:
        return f"no rollout is running, {serves}; the gates show their last evaluation"
    trial = f"version {told.candidate_version}" if told.candidate_version is not None else "a version"
    # Counted from 0, as in the status and in `kubectl get`.
    step = f", step {told.step}, the last is {told.steps - 1}" if told.step is not None and told.steps else ""
    weight = f", {told.weight} percent of the requests" if told.weight is not None else ""
    return f"{trial} is on trial ({clean(told.rollout)}{step}{weight}), {serves}"


def _gate(gate: Gate, glyphs: Glyphs) -> tuple[str, ...]:
    return (
        clean(gate.name),
        clean(gate.test or ""),
        "" if gate.step is None else str(gate.step),
        clean(gate.verdict or NO_VERDICT),
        *_numbers(gate),
        counted(gate.samples, gate.samples_needed),
        counted(gate.groups, gate.groups_needed),
        _chart(gate, scale_of([gate]), glyphs),
    )


def _independent(gate: Gate) -> str | None:
    if gate.independent_groups is None or gate.independent_groups == gate.groups:
        return None
    return f"its groups follow each other and say as much as {gate.independent_groups} that do not"


def _mix(gate: Gate) -> str | None:
    """What the estimate speaks of where a mix is declared."""
    if gate.mix is None:
        return None
    one = gate.mix
    numbers = (("declared", one.declared), ("here", one.here), ("turns at", one.turns_at), ("distance", one.distance))
    told = joined(f"{name} {short(text)}" for name, text in numbers if text)
    return f"judged at the declared mix of {one.of or 'its days'}: {told}"


def _signal(signal: Signal, windows: Sequence[Window], glyphs: Glyphs, screen: Screen) -> tuple[str, ...]:
    values = [number(finding.value) for window in reversed(windows) for finding in _of(signal.name, window)]
    bars = row(values) if screen.unicode else ""
    return (
        clean(signal.name),
        clean(signal.measures or ""),
        clean(signal.verdict or NO_VERDICT),
        {True: "yes", False: "no", None: ""}[signal.drifting],
        *_numbers(signal),
        counted(signal.groups, None),
        joined((bars, "".join(verdict[:1] for verdict in signal.verdicts)), " "),
        _chart(signal, scale_of([signal]), glyphs),
    )


def _windows(name: str, windows: Sequence[Window], screen: Screen, glyphs: Glyphs) -> list[str]:
    """The windows on which that signal said something, on one scale, so that they can be compared by eye."""
    found = [(window, finding) for window in windows for finding in _of(name, window)]
    if not found:
        return []
    scale = scale_of([finding for _, finding in found])
    rows = [
        (
            "" if window.index is None else str(window.index),
            clean(window.last or ""),
            counted(window.rows, None),
            counted(finding.groups, None),
            clean(finding.verdict or window.verdict or NO_VERDICT),
            *_numbers(finding),
            _chart(finding, scale, glyphs),
        )
        for window, finding in found
    ]
    return ["", f"Windows of {clean(name)}, newest first:", *table([WINDOWS, *rows], screen)]


def _of(name: str, window: Window) -> Iterable[Finding]:
    return (finding for finding in window.signals if finding.name == name)


def _retrains(told: Signals) -> list[str]:
    if not told.retrains_begun and not told.retrains:
        return []
    lines = [f"Retrains begun: {told.retrains_begun if told.retrains_begun is not None else len(told.retrains)}"]
    return [*lines, *(f"  {_retrain(retrain)}" for retrain in told.retrains)]


def _retrain(retrain: Retrain) -> str:
    version = f"version {retrain.model_version}" if retrain.model_version is not None else None
    ended = retrain.outcome or joined(("under way", retrain.state), ": ")
    return clean(joined((retrain.name or "?", ended, retrain.reason, version, retrain.started_at)))


def _numbers(one: Measured) -> tuple[str, str, str]:
    return clean(short(one.value)), clean(span(one.lower, one.upper)), clean(short(one.limit))


def _chart(one: Measured, scale: Scale | None, glyphs: Glyphs) -> str:
    return interval(one, scale, CHART, glyphs) if scale is not None and number(one.value) is not None else ""


def _legend(glyphs: Glyphs) -> str:
    return f"{glyphs.value} measured  {glyphs.left}{glyphs.line}{glyphs.right} interval  {glyphs.limit} limit"


def _glyphs(screen: Screen) -> Glyphs:
    return UNICODE if screen.unicode else ASCII
