"""The same candidates on real departures: retrained ones, broken ones and an equal one, judged day by day beside the served model.

Knows the demo's flights, scikit-learn and the rules. The served model learned January and February; the margin is the sample's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from hack.demo import flights
from hack.judgement import before, many
from hack.judgement.many import Outcomes
from hack.judgement.runs import Result
from hack.judgement.series import Array
from hack.judgement.worlds import Groups
from sklearn.ensemble import HistGradientBoostingClassifier

from bucle.statistics import declared_mix, evidence, paired

MARGIN, LONGEST = 0.005, 121
STARTS = ("2013-07-01", "2013-09-01")
EVERY, DAYS_OF_EVERY = 92, 92
"""Starts from the first of July on, and the days that each of them has before the year ends."""
FEATURES = ["carrier", "origin", "dest", "hour", "weekday", "distance"]
SEED = 7

Days = list[tuple[float, int, int, float, float]]
"""Per day: sum of differences, rows, late ones, and the sums of differences of flights on time and of late ones."""


@dataclass(frozen=True)
class Rule:
    """`judge` is asked after every day with the days so far and the declared share of late flights."""

    judge: Callable[[Days, float], int]
    mixed: bool = False


def measured() -> dict[str, Result]:
    """By candidate: by start, by rule (and mix) the verdict's letter and its day, or "" within 121 days."""
    frame = flights.load()
    for column in ("carrier", "origin", "dest"):
        frame[column] = frame[column].astype("category").cat.codes
    stable = losses(fitted(frame[frame["month"] <= 2]), frame)
    found = {}
    for name, candidate in candidates(frame).items():
        difference = candidate(frame) - stable
        found[name] = {
            "starts": {start: judged(frame, difference, start) for start in STARTS},
            "every": every_start(frame, difference),
        }
    return found


def candidates(frame: pd.DataFrame) -> Mapping[str, Callable[[pd.DataFrame], Array]]:
    """Each as its losses on any flights."""
    first, june = frame[frame["month"] <= 2], frame[frame["month"] == 6]
    spring = frame[frame["month"].between(3, 6)]
    shuffled = first.assign(late=np.random.default_rng(SEED).permutation(first["late"].to_numpy()))
    most = first.sample(frac=0.9, random_state=SEED)
    served = fitted(first)

    def swapped(a: str, b: str) -> Callable[[pd.DataFrame], Array]:
        return lambda seen: losses(served, seen.assign(**{a: seen[b], b: seen[a]}))

    def trained(rows: pd.DataFrame, seed: int = 0) -> Callable[[pd.DataFrame], Array]:
        model = fitted(rows, seed)
        return lambda seen: losses(model, seen)

    return {
        "retrained, with June": trained(pd.concat([first, june])),
        "retrained, with the newest 20,000 of spring": trained(pd.concat([first, spring.tail(20_000)])),
        "retrained, with the newest 25,000 of spring": trained(pd.concat([first, spring.tail(25_000)])),
        "labels shuffled": trained(shuffled),
        "hour and weekday swapped": swapped("hour", "weekday"),
        "carrier and destination swapped": swapped("carrier", "dest"),
        "equal: another seed, 90 % of the rows": trained(most, SEED),
    }


def fitted(rows: pd.DataFrame, seed: int = 0) -> HistGradientBoostingClassifier:
    model = HistGradientBoostingClassifier(
        max_iter=100, learning_rate=0.06, max_leaf_nodes=31, l2_regularization=1.0, random_state=seed
    )
    return model.fit(rows[FEATURES].to_numpy(float), rows["late"].to_numpy())


def losses(model: HistGradientBoostingClassifier, rows: pd.DataFrame) -> Array:
    late = model.predict_proba(rows[FEATURES].to_numpy(float))[:, 1]
    said = np.where(rows["late"].to_numpy() == 1, late, 1 - late)
    return np.asarray(-np.log(np.clip(said, 1e-15, 1)))


# --- judging -----------------------------------------------------------------------------------------------------


def judged(frame: pd.DataFrame, difference: Array, start: str) -> Result:
    days = sums(frame, difference, start)
    told = {}
    for name, rule in RULES.items():
        for mix, share in mixes(frame, start).items() if rule.mixed else (("", 0.0),):
            told[f"{name} {mix}".strip()] = day_of_verdict(rule, days, share)
    thirty = days[:30]
    mean = sum(x for x, *_ in thirty) / sum(n for _, n, *_ in thirty)
    shares = {mix: round(share, 4) for mix, share in mixes(frame, start).items()}
    return {"mean": round(mean, 4), "mixes": shares, "verdicts": told}


def every_start(frame: pd.DataFrame, difference: Array) -> Result:
    """Starts as rollouts: how many of them pass and fail within the days that all have."""
    days = sums(frame, difference, STARTS[0], EVERY + DAYS_OF_EVERY)
    at = np.arange(EVERY)[:, None] + np.arange(DAYS_OF_EVERY)
    x, n, late, on_time_x, late_x = (np.array(column, dtype=float)[at] for column in zip(*days, strict=True))
    share = mixes(frame, "2013-07-01")["June"]
    per_class = np.stack([on_time_x, late_x], axis=2), np.stack([n - late, late], axis=2)
    world = Groups(x, n, MARGIN, w=late, mix=share, classes=per_class, class_mix=(1 - share, share))
    found = {
        "before": before.outcomes(world, MARGIN),
        "paired": many.outcomes(many.paired(world), MARGIN),
        "independent": many.outcomes(many.independent(world), MARGIN),
        "days June": many.outcomes(many.by_days(world), MARGIN),
        "classes June": many.outcomes(many.by_classes(world), MARGIN),
    }
    return {name: _counted(outcomes) for name, outcomes in found.items()}


def _counted(found: Outcomes) -> Result:
    """`median`: days to the verdict, of those starts that had one."""
    sides = {side: int((found.verdict == verdict).sum()) for side, verdict in (("passes", 1), ("fails", -1))}
    decided = found.look[found.look > 0]
    return {"starts": EVERY, **sides, "median": int(np.median(decided)) if len(decided) else None}


def sums(frame: pd.DataFrame, difference: Array, start: str, longest: int = LONGEST) -> Days:
    rows = frame.assign(x=difference, late_x=difference * frame["late"])
    by_day = rows[rows["day"] >= start].groupby("day")[["x", "late", "late_x"]].agg(["sum", "count"])
    return [
        (float(x), int(n), int(late), float(x - late_x), float(late_x))
        for x, n, late, late_x in zip(
            by_day["x", "sum"], by_day["x", "count"], by_day["late", "sum"], by_day["late_x", "sum"], strict=True
        )
    ][:longest]


def mixes(frame: pd.DataFrame, start: str) -> dict[str, float]:
    """Shares of late flights that somebody may declare when the shadow begins."""
    days = frame.groupby("day")["late"].agg(["sum", "count"])
    earlier = days[days.index < start].tail(30)
    first, june = days[days.index < "2013-03-01"], days[days.index.str.startswith("2013-06")]
    return {
        name: float(chosen["sum"].sum() / chosen["count"].sum())
        for name, chosen in (("June", june), ("30 days before", earlier), ("training", first))
    }


def day_of_verdict(rule: Rule, days: Days, share: float) -> str:
    """ "P31": passed after 31 days."""
    for t in range(1, len(days) + 1):
        if side := rule.judge(days[:t], share):
            return f"{'P' if side > 0 else 'F'}{t}"
    return ""


def _side(found: evidence.Judgement) -> int:
    return 0 if found.side is None else int(found.side)


def _before(days: Days, _: float) -> int:
    return before.verdict([(x, n) for x, n, *_ in days], MARGIN)


def _paired(days: Days, _: float) -> int:
    return _side(evidence.judge(paired.standing([(x, n) for x, n, *_ in days]), MARGIN))


def _independent(days: Days, _: float) -> int:
    return _side(evidence.judge(paired.standing([(x, n) for x, n, *_ in days]).declared_independent(), MARGIN))


def _days(days: Days, share: float) -> int:
    groups = [(x, float(n), float(late)) for x, n, late, *_ in days]
    return _side(declared_mix.judge_by_days(declared_mix.by_days(groups, share), MARGIN))


def _classes(days: Days, share: float) -> int:
    groups = [{"0": (on_time, float(n - late)), "1": (late_x, float(late))} for _, n, late, on_time, late_x in days]
    return _side(declared_mix.judge_by_classes(declared_mix.by_classes(groups, {"0": 1 - share, "1": share}), MARGIN))


RULES = {
    "before": Rule(_before),
    "paired": Rule(_paired),
    "independent": Rule(_independent),
    "days": Rule(_days, mixed=True),
    "classes": Rule(_classes, mixed=True),
}
