"""What is posted is what the later server-side applies would leave: nothing of the manifest gets lost."""

from __future__ import annotations

from bucle.engine.children import manifest_to_create
from bucle.engine.objects import DEPLOYMENT
from bucle.engine.plan import Child


def test_an_adjusted_container_keeps_what_only_the_manifest_says() -> None:
    container = {"name": "router", "image": "old", "command": ["envoy"]}
    manifest = {
        "metadata": {"name": "r", "namespace": "ml"},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [container]}}},
    }
    adjust = {"spec": {"template": {"spec": {"containers": [{"name": "router", "image": "new"}, {"name": "extra"}]}}}}
    posted = manifest_to_create(Child(DEPLOYMENT, manifest, adjust))
    assert posted["spec"]["replicas"] == 1
    assert posted["spec"]["template"]["spec"]["containers"] == [
        {"name": "router", "image": "new", "command": ["envoy"]},
        {"name": "extra"},
    ]
