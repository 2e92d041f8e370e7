"""Names both sides must agree on: labels, annotations, environment, child names, store layout. Pure."""

from __future__ import annotations

from bucle.contracts.canonical import short_hash

DOMAIN = "bucle.dev"

# Labels on every child; the pods of a Job or Deployment carry them too.
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY = "bucle"
LABEL_KIND = f"{DOMAIN}/kind"
LABEL_NAME = f"{DOMAIN}/name"
LABEL_UID = f"{DOMAIN}/uid"
LABEL_COMPONENT = f"{DOMAIN}/component"
LABEL_REVISION = f"{DOMAIN}/revision"
LABEL_TRIAL = f"{DOMAIN}/trial"

ANNOTATION_APPLIED = f"{DOMAIN}/applied"
ANNOTATION_TASK = f"{DOMAIN}/task"
ANNOTATION_POD = f"{DOMAIN}/pod-hash"
ANNOTATION_WRITTEN = f"{DOMAIN}/written"
ANNOTATION_TOUCHED = f"{DOMAIN}/touched"
LABEL_NEWS = f"{DOMAIN}/news"
"""Of an Event: the word of `contracts.news` that sinks are told."""
ANNOTATION_DELIVERED = f"{DOMAIN}/delivered-"
"""Of an Event: what the name of a sink is put behind once it took it."""
ANNOTATION_SCHEMA_HASH = f"{DOMAIN}/schema-hash"
ANNOTATION_ACTION = f"{DOMAIN}/action"
"""What a person asks of an object; see `contracts.person`. Theirs: nobody of us writes or removes it."""
ANNOTATION_ASKED = f"{DOMAIN}/asked"
"""Of a child that was made because a person asked for it: what they asked, so that a lost status does not do it again."""

ENV_TASK_SHA256 = "BUCLE_TASK_SHA256"
TASK_PATH = "/bucle/task.json"
TERMINATION_PATH = "/dev/termination-log"
TASK_LIMIT_BYTES = 16 * 1024
RESULT_LIMIT_BYTES = 3 * 1024

# Headers set by the router; a client's values are overwritten.
HEADER_ID = "x-bucle-id"
HEADER_ROLE = "x-bucle-role"
HEADER_SOURCE = "x-bucle-source"
"""What a caller that sends labels calls itself; a gateway that knows its callers sets it."""
SOURCE_LIMIT = 63
SOURCE_PATTERN = r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$"
ROLE_STABLE = "stable"
ROLE_CANDIDATE = "candidate"
ROLE_SHADOW = "shadow"
SHADOW_SUFFIX = "-shadow"

PORT_HTTP = 8080
PORT_ROUTER_STATUS = 8082
PORT_JUDGE = 8083


def uid6(uid: str) -> str:
    """Six characters of an owner's uid: a deleted and re-created namesake never adopts old Jobs."""
    return uid.replace("-", "")[:6]


def experiment_jobs(name: str, uid: str, run: int = 0) -> str:
    """What the names of all Jobs of one run of an Experiment start with: a raised `run` never meets old Jobs."""
    # A long number, such as a date, gives way to a hash: the name of a Job is a label of its pods, at most 63 characters.
    mark = str(run) if run < 10_000 else short_hash(["run", run], 5)
    return f"{name}-{uid6(uid)}-" + (f"r{mark}" if run else "")


def trial_job(name: str, uid: str, index: int, attempt: int, run: int = 0) -> str:
    """`<name>-<uid6>-t<i>a<n>`; names are at most 38 characters, so this fits a pod label (63)."""
    return f"{experiment_jobs(name, uid, run)}t{index}a{attempt}"


def final_job(name: str, uid: str, attempt: int, run: int = 0) -> str:
    return f"{experiment_jobs(name, uid, run)}fa{attempt}"


def data_job(name: str, uid: str, spec_hash: str, attempt: int) -> str:
    return f"{name}-{uid6(uid)}-d{spec_hash[:8]}a{attempt}"


def evaluate_job(name: str, uid: str, look: str, attempt: int) -> str:
    return f"{name}-{uid6(uid)}-e{look[:8]}a{attempt}"


def revision_name(name: str, revision: str) -> str:
    """Deployment and Service of one revision of a ModelDeployment."""
    return f"{name}-r{revision[:10]}"


def router_name(name: str) -> str:
    return f"{name}-router"


def judge_name(name: str) -> str:
    return f"{name}-judge"


def shadow_of(revision: str) -> str:
    """A revision as it gets copies: counted under this name, in the router and in the status, apart from what callers sent."""
    return f"{revision}{SHADOW_SUFFIX}"


def dataset_location(store: str, namespace: str, name: str, digest: str) -> str:
    return f"{store}/{namespace}/datasets/{name}/{digest.removeprefix('sha256:')}"


def deployment_location(store: str, namespace: str, name: str) -> str:
    """Root of `capture/version=…/date=…/hour=…/`, `feedback/date=…/` and `evidence/`."""
    return f"{store}/{namespace}/deployments/{name}"


def policy_location(store: str, namespace: str, name: str) -> str:
    return f"{store}/{namespace}/policies/{name}"


def model_location(store: str, namespace: str, experiment: str, uid: str) -> str:
    """Where the final fit of one Experiment puts its model; the digest becomes the last path element."""
    return f"{store}/mlflow/{namespace}/{experiment}-{uid6(uid)}"


def registered_model(namespace: str, name: str) -> str:
    """`{namespace}.{name}`: two namespaces never share a model by accident."""
    return f"{namespace}.{name}"
