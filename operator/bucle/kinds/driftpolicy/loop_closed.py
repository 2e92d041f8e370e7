"""Whether a retrained model could ever arrive at the watched deployment, and why not. Pure."""

from __future__ import annotations

from bucle.contracts import registry_tags
from bucle.kinds.driftpolicy.world import World
from bucle.resources.dataset import Dataset
from bucle.resources.modeldeployment import ModelDeployment


def loop_open(world: World) -> str | None:
    """Why a retrained model could never arrive; None when it can."""
    deployment, template = world.deployment, world.template
    retrain = world.policy.spec.retrain
    if retrain is None or deployment is None:
        return None
    source = deployment.spec.model.registered
    if source is None or source.alias is None:
        return f"ModelDeployment {deployment.metadata.name} is pinned: let it follow an alias"
    if template is None:
        missing = f"Experiment {retrain.experiment} does not exist: create it, it is the template"
        return world.misfits.get(f"Experiment {retrain.experiment}") or missing
    register = template.spec.register_
    if register is None:
        return f"Experiment {template.metadata.name} registers no model: set spec.register"
    if (register.model, register.alias) != (source.name, source.alias):
        return (
            f"Experiment {template.metadata.name} registers {register.model}@{register.alias}, "
            f"ModelDeployment {deployment.metadata.name} follows {source.name}@{source.alias}: make them equal"
        )
    if world.base is None:
        missing = f"Dataset {template.spec.dataset.name} does not exist: its schema and splits are inherited"
        return world.misfits.get(f"Dataset {template.spec.dataset.name}") or missing
    return _data_apart(world, deployment, world.base)


def _data_apart(world: World, deployment: ModelDeployment, base: Dataset) -> str | None:
    """Why served rows and the served version's data would not make one table of the template's schema."""
    dropped = set(deployment.spec.capture.drop)
    group = base.spec.splits.hash.group
    decides = group.column if group else base.spec.splits.hash.key
    for column in base.spec.schema_.columns:
        needed = column.role == "Feature" or column.nullable == "Never" or column.name == decides
        if needed and column.name in dropped:
            return (
                f"capture.drop of ModelDeployment {deployment.metadata.name} leaves out the column {column.name}, "
                f"which Dataset {base.metadata.name} must have"
            )
    learnt_from = world.served.tags.get(registry_tags.TAG_DATASET_NAME) if world.served else None
    served = world.data if world.data is not None and world.data.metadata.name == learnt_from else None
    if served is not None and _features(served) != _features(base):
        return (
            f"the served version learnt from Dataset {served.metadata.name}, whose target and features differ from "
            f"those of {base.metadata.name}: serve a model of that schema first"
        )
    return None


def _features(dataset: Dataset) -> list[tuple[str, str]]:
    schema = dataset.spec.schema_
    return [
        (schema.target.name, schema.target.task),
        *((c.name, c.type) for c in schema.columns if c.role == "Feature"),
    ]
