"""What a person writes: the types of the four kinds, and the CRDs made from them. Imports pydantic only."""

from bucle.resources.base import (
    API_VERSION,
    GROUP,
    VERSION,
    Condition,
    GroupBy,
    Interval,
    ModelReference,
    parse_duration,
)
from bucle.resources.dataset import Dataset, DatasetSpec
from bucle.resources.dataset_status import DatasetStatus
from bucle.resources.documents import KINDS, InvalidResource, Problem, parse, to_dict
from bucle.resources.driftpolicy import DriftPolicy, DriftPolicySpec
from bucle.resources.driftpolicy_status import DriftPolicyStatus
from bucle.resources.experiment import Experiment, ExperimentSpec
from bucle.resources.experiment_status import ExperimentStatus
from bucle.resources.modeldeployment import ModelDeployment, ModelDeploymentSpec
from bucle.resources.modeldeployment_status import ModelDeploymentStatus

__all__ = [
    "API_VERSION",
    "GROUP",
    "KINDS",
    "VERSION",
    "Condition",
    "Dataset",
    "DatasetSpec",
    "DatasetStatus",
    "DriftPolicy",
    "DriftPolicySpec",
    "DriftPolicyStatus",
    "Experiment",
    "ExperimentSpec",
    "ExperimentStatus",
    "GroupBy",
    "Interval",
    "InvalidResource",
    "ModelDeployment",
    "ModelDeploymentSpec",
    "ModelDeploymentStatus",
    "ModelReference",
    "Problem",
    "parse",
    "parse_duration",
    "to_dict",
]
