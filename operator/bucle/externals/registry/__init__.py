"""The model registry (MLflow): pure values for rooms, and the one client that speaks to it."""
