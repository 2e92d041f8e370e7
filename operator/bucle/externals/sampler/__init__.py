"""Suggestions for a search: values, and the one place that knows Optuna."""
