"""Turns what was seen into the story's timeline and summary. Pure but for reading the judge's evidence at the end."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hack.demo.install import NAMESPACE, Installation
from hack.demo.replay import Replay, Tally
from hack.demo.seen import Seen

from bucle.contracts.reasons import Event, event_of

Z95 = 1.96


@dataclass(frozen=True)
class Line:
    """`turn`: what must change for the summary to have it too; None for a line that is only worth watching."""

    text: str
    turn: tuple[str, str] | None


@dataclass
class Report:
    """Collects changes of conditions, verdicts and steps, with seconds since the story began."""

    began: float = field(default_factory=time.monotonic)
    tally: Tally = field(default_factory=Tally)
    children: list[dict[str, Any]] = field(default_factory=list)
    events: list[tuple[float, str]] = field(default_factory=list)
    moments: dict[str, float] = field(default_factory=dict)
    losses: list[str] = field(default_factory=list)
    _known: set[str] = field(default_factory=set)
    _turns: dict[str, str] = field(default_factory=dict)

    def notice(self, seen: Seen, replay: Replay | None) -> list[str]:
        """New lines since the last look, for the person who watches; turns are kept for the summary."""
        now = time.monotonic() - self.began
        day = f" [{replay.day}, {replay.tally.rows:,} flights]" if replay and replay.day else ""
        fresh = []
        for line in self._lines(seen):
            if line.turn is not None and self._turns.get(line.turn[0]) != line.turn[1]:
                self._turns[line.turn[0]] = line.turn[1]
                self.events.append((now, line.text))
            if line.text not in self._known:
                self._known.add(line.text)
                fresh.append(f"{now:6.0f} s{day}  {line.text}")
        self._moments(seen, now)
        return fresh

    def _lines(self, seen: Seen) -> Iterator[Line]:
        for obj in (seen.dataset, seen.experiment, seen.deployment, seen.policy, *self.children):
            for c in (obj.get("status") or {}).get("conditions") or []:
                if c["type"] == "Ready":
                    name = f"{obj['kind']} {obj['metadata']['name']}"
                    text = f": {c['message']}" if c.get("message") else ""
                    quiet = event_of(c["reason"]) is Event.QUIET  # the windows say what was found
                    turn = None if quiet else (name, c["reason"])
                    yield Line(f"{name}: Ready={c['status']} {c['reason']}{text}"[:240], turn)
        for window in reversed((seen.policy.get("status") or {}).get("history") or []):
            yield Line(told_window(window), (f"window {window.get('id')}", ""))
        rollout = (seen.deployment.get("status") or {}).get("rollout") or {}
        if rollout:
            weight = (rollout.get("weight") or {}).get("programmed", 0)
            text = f"rollout {rollout.get('id')}: step {rollout.get('step')}, {weight} percent"
            yield Line(text, ("rollout", text))
        for gate in (seen.deployment.get("status") or {}).get("gates") or []:
            if gate.get("verdict") in ("Pass", "Fail"):
                name = f"gate {gate['name']} at step {gate.get('step')}"
                if self._turns.get(name) != gate["verdict"]:
                    yield Line(told_gate(gate), (name, gate["verdict"]))

    def _moments(self, seen: Seen, now: float) -> None:
        status = seen.policy.get("status") or {}
        if (status.get("retrains") or {}).get("inFlight"):
            self.moments.setdefault("breach", now)
        for child in self.children:
            if child["kind"] == "Experiment" and any(
                c["type"] == "Succeeded" and c["status"] == "True"
                for c in (child.get("status") or {}).get("conditions") or []
            ):
                self.moments.setdefault("retrained", now)
        deployment = seen.deployment.get("status") or {}
        if "breach" in self.moments and (deployment.get("candidate") or {}).get("readyReplicas"):
            self.moments.setdefault("candidate", now)
        if "breach" in self.moments and len(deployment.get("history") or []) >= 2:
            self.moments.setdefault("promoted", now)

    def state(self, seen: Seen) -> str:
        """All conditions, for the person who must find out why nothing moves."""
        lines = []
        for obj in (seen.dataset, seen.experiment, seen.deployment, seen.policy, *self.children):
            if not obj:
                continue
            lines.append(f"{obj['kind']} {obj['metadata']['name']}")
            conditions = (obj.get("status") or {}).get("conditions") or []
            lines += [f"    {c['type']}={c['status']} {c['reason']} {c.get('message', '')}" for c in conditions]
        return "\n".join(lines) or "no object exists"

    def finish(self, installation: Installation, seen: Seen) -> None:
        """Read the judge's evidence: both versions on the same flights, sums per day."""
        store = installation.object_store()
        from pyarrow import fs

        base = f"bucle/{NAMESPACE}/deployments/flights/evidence"
        for info in store.get_file_info(fs.FileSelector(base, allow_not_found=True)):
            if not info.path.endswith(".json"):
                continue
            with store.open_input_stream(info.path) as source:
                evidence = json.loads(source.read())
            groups = evidence.get("groups") or []
            if groups:
                self.losses += [
                    f"  stable:    {_mean(groups, 's')}",
                    f"  candidate: {_mean(groups, 'c')}",
                    f"  paired difference: {_mean(groups, 'x')}",
                ]

    def text(self) -> str:
        """The summary a person reads at the end."""
        tally = self.tally
        since = self.moments.get("breach")
        lines = [
            "",
            "The loop turned once",
            f"  prediction requests: {tally.sent:,} sent, {tally.failed} failed, {tally.rows:,} flights, "
            f"{tally.sent / max(tally.seconds, 1):.1f} requests/s",
            f"  feedback posts: {tally.feedback_sent:,} sent, {tally.feedback_failed} failed "
            f"({tally.feedback_retries} retried), {tally.feedback_rows:,} labels",
            f"  answered by revision: {json.dumps(tally.by_revision)}",
            *(f"  FAILED: {failure}" for failure in tally.failures),
            "Log loss on the same replayed flights (95 % interval, grouped by day)",
            *(self.losses or ["  no evidence was stored"]),
            "Verdicts and turns",
            *(f"  {at:6.0f} s  {line}" for at, line in self.events),
        ]
        if since is not None:
            for name, what in (
                ("retrained", "retraining done"),
                ("candidate", "candidate ready"),
                ("promoted", "promoted"),
            ):
                if name in self.moments:
                    lines.append(f"  breach to {what}: {self.moments[name] - since:.0f} s")
        return "\n".join(lines)


def told_window(window: Mapping[str, Any]) -> str:
    """One judged window of the policy's history."""
    index = (window.get("window") or {}).get("index")
    said = ", ".join(
        f"{signal['name']} {signal.get('value')} in {_between(signal)}, limit {signal.get('limit')}, {signal.get('groups')} days"
        for signal in window.get("signals") or []
    )
    rows = f"{window.get('rows', 0):,} labels"
    return f"window {index} of revision {window.get('version')}: {window.get('verdict')}: {said}, {rows}"


def told_gate(gate: Mapping[str, Any]) -> str:
    """One gate that was decided."""
    counted = f"{gate.get('samples', 0):,} samples" + (f", {gate['groups']} groups" if gate.get("groups") else "")
    return (
        f"gate {gate['name']} at step {gate.get('step')}: {gate['verdict']}: {gate.get('estimate')} in {_between(gate)}, "
        f"limit {gate.get('limit')}, {counted}"
    )


def _between(measured: Mapping[str, Any]) -> str:
    interval = measured.get("interval") or {}
    return f"[{interval.get('lower')}, {interval.get('upper')}]"


def _mean(groups: list[dict[str, Any]], key: str) -> str:
    """Ratio of sums over days with its grouped standard error (linearisation, see docs/contracts)."""
    t = len(groups)
    n = sum(g["n"] for g in groups)
    mean = sum(g[key] for g in groups) / n
    residuals = [(g[key] - mean * g["n"]) / (n / t) for g in groups]
    error = math.sqrt(sum(r * r for r in residuals) / max(t - 1, 1) / t)
    return f"{mean:+.4f} ± {Z95 * error:.4f} ({n:,} flights, {t} days)"
