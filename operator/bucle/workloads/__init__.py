"""Pods, Jobs and Deployments as every kind builds and reads them. Pure: manifests in, verdicts out."""
