"""The model registry (MLflow): values, and the one client that speaks to it."""
