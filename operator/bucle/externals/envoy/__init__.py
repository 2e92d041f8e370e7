"""Envoy in front of a ModelDeployment: the documents it is told, and what it says of itself."""
