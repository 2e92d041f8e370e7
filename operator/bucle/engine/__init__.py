"""Runs any kind: queue, observation, apply, Kubernetes client, leadership. Knows no kind by name."""
