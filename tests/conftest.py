"""Nothing global: what a test needs, it builds. Settings of hypothesis for a shared two-core machine."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("bucle", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
settings.load_profile("bucle")
