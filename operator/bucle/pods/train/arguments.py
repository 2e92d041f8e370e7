"""What a person writes as an argument, as the value that scikit-learn takes: tuples, NaN, weights by label.

JSON has no tuple and no NaN: `{"tuple": [1, 2]}` and `{"number": "NaN"}` say them, at any depth. Knows no data.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from bucle.contracts.row_rules import LabelContract, Refused
from bucle.contracts.table import Target
from bucle.podkit.program import bad_configuration

TUPLE, NUMBER = "tuple", "number"
CLASS_WEIGHT = "class_weight"
_NUMBERS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def spoken(value: Any) -> Any:
    """The value with every `{"tuple": […]}` and `{"number": "NaN"}` in it said in Python."""
    if isinstance(value, list):
        return [spoken(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {TUPLE} and isinstance(value[TUPLE], list):
        return tuple(spoken(entry) for entry in value[TUPLE])
    if set(value) == {NUMBER} and isinstance(value[NUMBER], str) and value[NUMBER] in _NUMBERS:
        return _NUMBERS[value[NUMBER]]
    return {name: spoken(entry) for name, entry in value.items()}


def argument(class_: type[Any], name: str, value: Any) -> Any:
    """The value of one constructor argument; a plain list becomes a tuple where the class takes no list."""
    value = spoken(value)
    if not isinstance(value, list):
        return value
    allowed = getattr(class_, "_parameter_constraints", {}).get(name, [])
    kinds = allowed if isinstance(allowed, list) else []
    takes_list = any(kind in ("array-like", list) for kind in kinds if isinstance(kind, (str, type)))
    return tuple(value) if tuple in kinds and not takes_list else value


def weights_by_code(weights: dict[str, Any], target: Target, classes: Sequence[str], there: Collection[int]) -> Any:
    """`class_weight` by label as the model is fitted with it: by class code. Raises UnknownParameter (78).

    `there`: codes that the rows have. A weight for a class without rows is left out: scikit-learn takes it for a mistake.
    """
    contract = LabelContract(target.task, tuple(classes))
    codes: dict[int, Any] = {}
    for label, weight in weights.items():
        try:
            code = tuple(classes).index(contract.text(label))
        except Refused as error:
            raise bad_configuration(
                "UnknownParameter", f"{CLASS_WEIGHT} names {label}, which is no class of {target.name}: {error.problem}"
            ) from error
        if code in there:
            codes[code] = weight
    return codes
