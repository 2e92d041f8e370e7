"""From the task's import paths and JSON values to an unfitted scikit-learn pipeline, and nothing else to anything.

Only classes of scikit-learn, only constructor arguments that are values: what a person writes here is data, not code.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Collection, Mapping
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.utils import get_tags

from bucle.contracts.table import Column, TableSchema, Target
from bucle.contracts.task import ParameterValue, Preprocessing, SklearnTrainer, Step
from bucle.podkit.model import feature_columns
from bucle.podkit.program import bad_configuration
from bucle.pods.train.arguments import CLASS_WEIGHT, argument, weights_by_code

ALLOWED_PREFIX = "sklearn."
DENIED_CLASSES = frozenset({"FunctionTransformer"})
DENIED_PARAMETERS = frozenset({"memory", "func", "inverse_func", "input"})
"""They take code, or read and write files."""
MADE_OF = frozenset({"estimator", "estimators", "steps", "transformer_list", "transformers"})
"""Arguments that are estimators: no value of `params` is one."""
EMPTY = "empty"
_LENIENT: dict[str, dict[str, ParameterValue]] = {
    "OneHotEncoder": {"handle_unknown": "ignore"},
    "OrdinalEncoder": {"handle_unknown": "use_encoded_value", "unknown_value": -1, "encoded_missing_value": -1},
}


def resolve(path: str) -> type[Any]:
    """The class at an import path; raises ProgramError EstimatorNotAllowed (78)."""
    module, _, name = path.rpartition(".")
    if not path.startswith(ALLOWED_PREFIX) or name in DENIED_CLASSES or name.startswith("_"):
        raise _not_allowed(path, "is not on the list of what may be used")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise _not_allowed(path, "does not exist in this version of scikit-learn") from error
    if not (inspect.isclass(found) and issubclass(found, BaseEstimator)):
        raise _not_allowed(path, "is not an estimator class")
    return found


def with_params(trainer: SklearnTrainer, params: Mapping[str, ParameterValue]) -> SklearnTrainer:
    """The trainer with `estimator__<argument>` and `preprocessing__<i>__<step>__<argument>` filled in.

    `<i>` and `<step>` are indexes from 0. Raises ProgramError UnknownParameter (78).
    """
    for name, value in params.items():
        part, _, rest = name.partition("__")
        if part == "estimator" and rest:
            trainer = trainer.model_copy(update={"estimator": _with_argument(trainer.estimator, rest, value)})
        elif part == "preprocessing":
            trainer = _with_preprocessing(trainer, name, rest.split("__", 2), value)
        else:
            raise _unknown(name, "must start with estimator__ or preprocessing__")
    return trainer


def build_pipeline(trainer: SklearnTrainer, table: TableSchema, seed: int, empty: Collection[str] = ()) -> Pipeline:
    """Preprocessing by column, then the estimator, every `random_state` set; raises ProgramError (78).

    Category columns that no step names become ordinal codes with −1 for unknown and null; others pass through. Encoders
    let unknown categories through unless `handle_unknown` is written. Features in `empty` have no value in any row:
    nothing is learnt from them, and most classes fail of them.
    """
    features = feature_columns(table)
    chosen: list[tuple[str, Any, Any]] = [(EMPTY, "drop", sorted(empty))] if empty else []
    named: set[str] = set(empty)
    for index, entry in enumerate(trainer.preprocessing):
        columns = [name for name in _columns(entry, features) if name not in empty]
        chosen += _transformers(str(index), entry, columns)
        named |= set(columns)
    texts = [column.name for column in features if column.type == "Text" and column.name not in named]
    if texts:
        raise bad_configuration(
            "WrongType", f"the Text features {', '.join(texts[:5])} need `preprocessing` that turns them into numbers"
        )
    rest = [column.name for column in features if column.type == "Category" and column.name not in named]
    if rest:
        codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
        chosen.append(("categories", codes, rest))
    columns_step = ColumnTransformer(chosen, remainder="passthrough", verbose_feature_names_out=False)
    steps = [("preprocessing", columns_step)] if chosen else []
    pipeline = Pipeline([*steps, ("estimator", _final(trainer.estimator, table))])
    pipeline.set_params(**{name: seed for name in pipeline.get_params() if name.endswith("random_state")})
    return pipeline


def _transformers(name: str, entry: Preprocessing, columns: list[str]) -> list[tuple[str, Any, Any]]:
    """One transformer for all the columns, or one for each where the first step reads texts, one column at a time."""

    def steps() -> Pipeline:
        return Pipeline([(str(position), construct(_lenient(step))) for position, step in enumerate(entry.steps)])

    if not columns:
        return []
    reads = get_tags(steps()[0]).input_tags
    if reads.string and not reads.two_d_array:
        return [(f"{name}-{column}", steps(), column) for column in columns]
    return [(name, steps(), columns)]


def _lenient(step: Step) -> Step:
    """An encoder that meets a null or a category that training never saw answers all the same, unless told otherwise:
    a column says by `unknown` and `nullable` what callers may send."""
    module, _, name = step.class_.rpartition(".")
    defaults = _LENIENT.get(name, {}) if module.startswith("sklearn.preprocessing") else {}
    return step if "handle_unknown" in step.params else step.model_copy(update={"params": {**defaults, **step.params}})


def with_class_codes(
    trainer: SklearnTrainer, target: Target, classes: tuple[str, ...], there: Collection[int]
) -> SklearnTrainer:
    """The trainer with a `class_weight` that is written by label said by class code; see `weights_by_code`."""
    weights = trainer.estimator.params.get(CLASS_WEIGHT)
    if not isinstance(weights, dict) or not classes:
        return trainer
    codes = weights_by_code(weights, target, classes, there)
    return trainer.model_copy(update={"estimator": _with_argument(trainer.estimator, CLASS_WEIGHT, codes)})


def construct(step: Step) -> Any:
    """An instance with the arguments given; raises EstimatorNotAllowed or UnknownParameter (78)."""
    class_ = resolve(step.class_)
    known = inspect.signature(class_).parameters
    for name in step.params:
        if name in DENIED_PARAMETERS:
            raise _not_allowed(step.class_, f"may not be given the argument {name}")
        if name not in known:
            raise _unknown(name, f"is no argument of {step.class_}; it has {', '.join(sorted(known))}")
    required = [
        name
        for name, parameter in known.items()
        if parameter.default is inspect.Parameter.empty
        and parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        and name not in step.params
    ]
    if MADE_OF.intersection(required):
        raise _not_allowed(step.class_, "is made of other estimators, which `params` cannot hold")
    if required:
        raise _unknown(required[0], f"is an argument that {step.class_} cannot do without; set it in `params`")
    return class_(**{name: argument(class_, name, value) for name, value in step.params.items()})


def _final(step: Step, table: TableSchema) -> Any:
    estimator = construct(step)
    method = "predict" if table.target.task == "Regression" else "predict_proba"
    if not hasattr(estimator, method):
        raise _not_allowed(step.class_, f"has no {method}, which a {table.target.task} target needs")
    return estimator


def _columns(entry: Preprocessing, features: tuple[Column, ...]) -> list[str]:
    if entry.columns:
        known = {column.name for column in features}
        missing = [name for name in entry.columns if name not in known]
        if missing:
            raise bad_configuration(
                "UnknownColumn", f"preprocessing names {', '.join(missing[:5])}, which is no feature"
            )
        return list(entry.columns)
    return [column.name for column in features if column.type in entry.types]


def _with_preprocessing(trainer: SklearnTrainer, name: str, path: list[str], value: ParameterValue) -> SklearnTrainer:
    try:
        index, position, argument = int(path[0]), int(path[1]), path[2]
        entry = trainer.preprocessing[index]
        step = _with_argument(entry.steps[position], argument, value)
    except (ValueError, IndexError) as error:
        raise _unknown(name, "names no step: write preprocessing__<i>__<step>__<argument>, counted from 0") from error
    steps = (*entry.steps[:position], step, *entry.steps[position + 1 :])
    changed = entry.model_copy(update={"steps": steps})
    entries = (*trainer.preprocessing[:index], changed, *trainer.preprocessing[index + 1 :])
    return trainer.model_copy(update={"preprocessing": entries})


def _with_argument(step: Step, argument: str, value: ParameterValue) -> Step:
    return step.model_copy(update={"params": {**step.params, argument: value}})


def _not_allowed(path: str, why: str) -> Exception:
    return bad_configuration("EstimatorNotAllowed", f"{path} {why}: use an estimator of scikit-learn")


def _unknown(name: str, why: str) -> Exception:
    return bad_configuration("UnknownParameter", f"the parameter {name} {why}")
