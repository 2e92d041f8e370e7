"""From the parameters a person wrote to the dimensions a sampler searches. Pure."""

from __future__ import annotations

from bucle.externals.sampler.values import Dimension, FloatDimension, IntDimension
from bucle.resources.experiment import Experiment, Parameter


def space(experiment: Experiment) -> tuple[Dimension, ...]:
    return tuple(_dimension(parameter) for parameter in experiment.spec.parameters)


def _dimension(parameter: Parameter) -> Dimension:
    if parameter.int_ is not None:
        whole = parameter.int_
        return IntDimension(parameter.name, whole.min, whole.max, whole.scale == "Log")
    assert parameter.float_ is not None, "a parameter has exactly one member"
    real = parameter.float_
    return FloatDimension(parameter.name, float(real.min), float(real.max), real.scale == "Log")
