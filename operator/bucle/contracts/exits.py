"""Exit codes of every program that runs in a pod, and what the operator makes of them."""

from __future__ import annotations

OK = 0
BAD_PARAMETERS = 3
"""The trial's parameters cannot work; told to the sampler as a failed trial."""
TRY_AGAIN = 75
"""Something this program needs did not answer (store, network); a new attempt may work."""
BAD_CONFIGURATION = 78
"""No attempt can work until a person changes something."""
