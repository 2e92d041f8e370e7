"""Which algorithm a search uses, as a person wrote it and as the sampler takes it. Pure.

Another one is a field of `resources.experiment.Search`, a line of the table in `externals.sampler.algorithms`, and a line here.
"""

from __future__ import annotations

from bucle.externals.sampler.algorithms import Algorithm
from bucle.resources.experiment import Search


def search_algorithm(search: Search) -> Algorithm:
    if search.tpe is not None:
        return Algorithm("tpe", search.seed, search.tpe.startup_trials)
    return Algorithm("random", search.seed)
