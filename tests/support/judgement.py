"""The operator's plain rules asked about simulated worlds, group by group, as the gates ask them."""

from __future__ import annotations

from collections.abc import Callable

from hack.judgement import before, many
from hack.judgement.many import Outcomes
from hack.judgement.worlds import Groups

from bucle.statistics import declared_mix, evidence, paired, refusals

At = Callable[[Groups, int, int, float], int]
"""(world, rollout, groups seen, limit) to 1 pass, −1 fail, 0 neither."""
Together = Callable[[Groups, float], Outcomes]


def side(found: evidence.Judgement) -> int:
    return 0 if found.side is None else int(found.side)


def paired_at(world: Groups, r: int, t: int, limit: float) -> int:
    return side(evidence.judge(paired.standing(list(zip(world.x[r, :t], world.n[r, :t], strict=True))), limit))


def independent_at(world: Groups, r: int, t: int, limit: float) -> int:
    groups = list(zip(world.x[r, :t], world.n[r, :t], strict=True))
    return side(evidence.judge(paired.standing(groups).declared_independent(), limit))


def before_at(world: Groups, r: int, t: int, limit: float) -> int:
    return before.verdict(list(zip(world.x[r, :t], world.n[r, :t], strict=True)), limit)


def days_at(world: Groups, r: int, t: int, limit: float) -> int:
    assert world.w is not None
    groups = list(zip(world.x[r, :t], world.n[r, :t], world.w[r, :t], strict=True))
    return side(declared_mix.judge_by_days(declared_mix.by_days(groups, world.mix), limit))


def classes_at(world: Groups, r: int, t: int, limit: float) -> int:
    assert world.classes is not None
    x, n = world.classes
    groups = [{str(c): (x[r, g, c], n[r, g, c]) for c in range(x.shape[2])} for g in range(t)]
    mix = {str(c): share for c, share in enumerate(world.class_mix)}
    return side(declared_mix.judge_by_classes(declared_mix.by_classes(groups, mix), limit))


def rules_of(world: Groups) -> dict[str, tuple[At, Together]]:
    """Every rule that the world can be judged by: plainly, and as the tables are made."""
    rules: dict[str, tuple[At, Together]] = {
        "before": (before_at, before.outcomes),
        "paired": (paired_at, lambda seen, limit: many.outcomes(many.paired(seen), limit)),
    }
    rules["independent"] = (independent_at, lambda seen, limit: many.outcomes(many.independent(seen), limit))
    if world.w is not None:
        rules["days"] = (days_at, lambda seen, limit: many.outcomes(many.by_days(seen), limit))
    if world.classes is not None:
        rules["classes"] = (classes_at, lambda seen, limit: many.outcomes(many.by_classes(seen), limit))
    return rules


def first_verdict(rule: At, world: Groups, r: int, limit: float) -> tuple[int, int]:
    """The verdict and after how many groups it came; (0, 0) without one."""
    looks = ((rule(world, r, t, limit), t) for t in range(refusals.FEWEST_GROUPS, world.x.shape[1] + 1))
    return next((found for found in looks if found[0]), (0, 0))
