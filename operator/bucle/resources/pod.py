"""The few pod settings a person may set on what the operator runs; never a whole PodSpec."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bucle.resources.base import DnsName, ListType, Model, Quantity, Whole

LabelKey = Annotated[str, Field(max_length=317)]
LabelValue = Annotated[str, Field(max_length=63, description="The label's value.")]
Amounts = Annotated[
    dict[Annotated[str, Field(max_length=317)], Quantity],
    Field(max_length=16),
]


class Resources(Model):
    """Requests and limits of the main container, by resource name (cpu, memory, nvidia.com/gpu)."""

    requests: Amounts = Field(default={}, description="What the scheduler sets aside.")
    limits: Amounts = Field(default={}, description="What the container may use at most.")


class Toleration(Model):
    """A taint that the pod may live with, as in the core API."""

    key: LabelKey | None = Field(default=None, description="Taint key; left out with operator Exists: all taints.")
    operator: Literal["Exists", "Equal"] = Field(default="Equal", description="How key and value are compared.")
    value: LabelValue | None = Field(default=None, description="Taint value to equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Taint effect; left out: all effects."
    )
    toleration_seconds: Whole | None = Field(default=None, description="How long a NoExecute taint is tolerated.")


class PodSettings(Model):
    """Where and with how much the pods run."""

    resources: Resources = Field(default=Resources(), description="Requests and limits of the main container.")
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] = Field(
        default={}, description="Labels a node must carry."
    )
    tolerations: Annotated[tuple[Toleration, ...], ListType(), Field(max_length=16)] = Field(
        default=(), description="Taints the pods may live with."
    )
    service_account_name: DnsName | None = Field(
        default=None, description="ServiceAccount whose cloud identity reaches the store; no API token is mounted."
    )
