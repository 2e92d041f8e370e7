"""The model registry (MLflow): values, and the one client that speaks to it."""

from bucle.externals.registry.client import MlflowClient as MlflowClient
from bucle.externals.registry.executors import executors as executors
from bucle.externals.registry.sources import sources as sources
