"""Bucle closes the model loop on Kubernetes."""

__version__ = "0.1.0"
