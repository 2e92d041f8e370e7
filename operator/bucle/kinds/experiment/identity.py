"""What one run of an Experiment is, beyond the life of its status: hashes, keys, names in the registry. Pure."""

from __future__ import annotations

from datetime import datetime

from bucle.contracts.canonical import sha256_hex
from bucle.contracts.names import registered_model
from bucle.kinds.experiment.state import Inputs
from bucle.resources.dataset_status import DatasetVersion
from bucle.resources.documents import written
from bucle.resources.experiment import Experiment
from bucle.resources.experiment_status import SplitDigests
from bucle.workloads.platform import Platform

ENGINE = "optuna 5"


def spec_hash(experiment: Experiment) -> str:
    """Hash of what decides the outcome: all but how much is tried, how often, and on which machines."""
    return sha256_hex(written(experiment.spec, {"limits", "run", "pod"}))


def pinned(platform: Platform, experiment: Experiment, version: DatasetVersion, now: datetime) -> Inputs | None:
    """All that the outcome depends on; None of a version that does not say what it is and where it lies.

    The key says which run this is, by what a person wrote: the cluster by a setting, which a rebuild keeps, and never
    what the Dataset holds today. When status is lost a month later, the data have moved on and the run is still this.
    """
    if version.digest is None or version.location is None:
        return None
    metadata, spec = experiment.metadata, experiment.spec
    hashed = spec_hash(experiment)
    key = sha256_hex([platform.cluster_name, metadata.namespace, metadata.name, hashed, spec.run])
    splits = version.splits
    return Inputs(
        dataset=spec.dataset.name,
        dataset_digest=version.digest,
        dataset_location=version.location,
        split_digests=SplitDigests(
            train=splits.train.digest if splits and splits.train else None,
            validation=splits.validation.digest if splits and splits.validation else None,
            test=splits.test.digest if splits and splits.test else None,
        ),
        image=platform.image_worker,
        spec_hash=hashed,
        engine=ENGINE,
        registration_key=key,
        run=spec.run,
        seed=spec.search.seed,
        started_at=now,
    )


def model_name(experiment: Experiment) -> str | None:
    register = experiment.spec.register_
    return registered_model(experiment.metadata.namespace, register.model) if register else None


def tracking_name(experiment: Experiment) -> str:
    """The MLflow experiment that holds the runs."""
    return f"{experiment.metadata.namespace}/{experiment.metadata.name}"


def trial_key(inputs: Inputs, index: int) -> str:
    return f"{_fits(inputs)}/t{index}"


def final_key(inputs: Inputs) -> str:
    return f"{_fits(inputs)}/final"


def _fits(inputs: Inputs) -> str:
    """What was fitted on other data is another fit, also of one and the same run."""
    return f"{inputs.registration_key}/{inputs.dataset_digest.removeprefix('sha256:')[:12]}"
