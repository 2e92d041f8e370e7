"""Tags on MLflow runs and model versions: facts that must outlive `status`. Names only, no I/O."""

from __future__ import annotations

from bucle.contracts.names import DOMAIN

TAG_KEY = f"{DOMAIN}/key"
TAG_OWNER = f"{DOMAIN}/owner"
TAG_TRIAL = f"{DOMAIN}/trial"
TAG_DATASET_NAME = f"{DOMAIN}/dataset"
TAG_DATASET_DIGEST = f"{DOMAIN}/dataset-digest"
TAG_MODEL_DIGEST = f"{DOMAIN}/model-digest"
TAG_QUESTION = f"{DOMAIN}/question"
TAG_SPEC_HASH = f"{DOMAIN}/spec-hash"
TAG_OUTCOME = f"{DOMAIN}/outcome"
TAG_REASON = f"{DOMAIN}/reason"
TAG_REJECTED = f"{DOMAIN}/rejected"
TAG_PROMOTED_AT = f"{DOMAIN}/promoted-at"
TAG_REFERENCE = f"{DOMAIN}/reference"
TAG_PROMOTION_REFERENCE = f"{DOMAIN}/promotion-reference"


def owned_tag(tag: str, namespace: str, deployment: str) -> str:
    """The key under which one ModelDeployment keeps a fact about a version that several of them may serve."""
    return f"{tag}/{namespace}/{deployment}"
