"""Systems outside Kubernetes (registry, router, judge, sampler): values and reads are pure, clients do I/O."""
