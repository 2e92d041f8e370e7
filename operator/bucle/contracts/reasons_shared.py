"""Reasons that any kind can say, and what stands in the way of a pod. Pure data."""

from __future__ import annotations

from bucle.contracts.limits import ATTEMPTS, FAILED_TTL, LONGEST_BLIND_PAUSE, TASK_DOCUMENT_BYTES, in_words
from bucle.contracts.reasons_types import Event, Fault, Reason, Retry

SHARED: dict[str, Reason] = {
    # any kind
    "SpecInvalid": Reason(
        "The stored spec cannot be read by this operator.",
        "Correct the field named in the message; an Experiment that has started also needs a raised `run` in the same edit.",
        Fault.USER,
    ),
    "ActionDone": Reason(
        "What a person asked by the annotation `bucle.dev/action` was done.", "Nothing; see status.personActions."
    ),
    "ActionRefused": Reason(
        "What a person asked by the annotation `bucle.dev/action` cannot be read, or cannot be done now.",
        "Ask what the message says is possible, with another nonce, or remove the annotation. Nothing else waits for it.",
        event=Event.WARNING,
    ),
    "ChildRefused": Reason(
        "The API server refused an object this one needs.",
        "Read the server's words in the message: a quota, a policy or a wrong value.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
        event=Event.WARNING,
    ),
    "NameTaken": Reason(
        "An object with the name of a child exists and belongs to someone else.",
        "Rename or delete that object; it is never taken over.",
        Fault.EXTERNAL,
    ),
    "StatusUnknown": Reason(
        "The stored status was written by another release or by hand and cannot be understood: everything stays as it is.",
        "Use the release that wrote it, or remove the field that the message names from its status. "
        "A raised `rollout.attempt` of a ModelDeployment or `run` of an Experiment starts again without it.",
        Fault.OPERATOR,
        event=Event.WARNING,
    ),
    "AwaitingDeletion": Reason(
        "An object with the name of a child belongs to an earlier object of this name, or is being deleted.",
        "Nothing: the garbage collector removes it. If it stays for minutes, delete it.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
    ),
    "EffectFailed": Reason(
        "A system outside of the cluster, such as MLflow, refuses what it was told several times.",
        "Read its words in the message: rights, a quota, a name. It is told again with growing pauses.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
        event=Event.WARNING,
    ),
    "EffectRefused": Reason(
        "A system outside of the cluster, such as MLflow, does not take what the spec asks for and will not take it later.",
        "Read its words in the message and correct the field that holds the refused value, such as an alias; "
        "a started Experiment also needs a raised `run`.",
        Fault.USER,
        event=Event.WARNING,
    ),
    "FieldContested": Reason(
        "A scaler, a webhook or another controller sets a field of a child again and again.",
        "Take it away from that child, or ask for the same; the field is set back ever less often meanwhile.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
        event=Event.WARNING,
    ),
    "FieldSetBack": Reason(
        "Somebody edited a field of a child, such as a Service's port, which this object asks for otherwise.",
        "Nothing: it was set back at once. Edit this object instead, if it can be asked for here.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
        event=Event.WARNING,
    ),
    "ApiUnavailable": Reason(
        "The Kubernetes API has not answered what must be known to decide, for minutes.",
        "Read the message: an API server under load, or a right that was taken away. It is asked again within "
        f"{in_words(LONGEST_BLIND_PAUSE)}.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
        event=Event.WARNING,
    ),
    "InternalError": Reason(
        "A mistake in the operator itself.",
        "Read the operator's log and report it; other objects go on.",
        Fault.OPERATOR,
        retry=Retry.WAIT,
        event=Event.WARNING,
    ),
    "WaitingForModelDeployment": Reason(
        "A feedback source names a ModelDeployment that does not exist yet.", "Apply it."
    ),
    "UnknownMetric": Reason(
        "The metric does not exist or does not fit the target.",
        "Choose a metric for this target from the table in docs/contracts/README.md; "
        "an Experiment that has started also needs a raised `run` in the same edit.",
        Fault.USER,
    ),
    "StoreUnavailable": Reason(
        "The object store does not answer.",
        "Bring the store back or correct its endpoint in the Secret bucle-storage; work goes on by itself.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
    ),
    "BucketMissing": Reason(
        "The bucket of a source or of the store does not exist.",
        "Create it or correct the name.",
        Fault.EXTERNAL,
        retry=Retry.MENDED,
    ),
    "AccessDenied": Reason(
        "The store refused the credentials.", "Correct the Secret bucle-storage.", Fault.EXTERNAL, retry=Retry.MENDED
    ),
    "SourceMissing": Reason(
        "A source names no existing object.", "Correct `sources[].uri.location`.", Fault.EXTERNAL, retry=Retry.MENDED
    ),
    "RegistryUnavailable": Reason(
        "MLflow does not answer.",
        "Bring MLflow back or correct the chart value `mlflow.uri`; work goes on by itself. Serving does not need it.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
    ),
    # pods
    "ImagePullFailed": Reason(
        "The image of a pod cannot be had.",
        "Correct the image name, or name a pull secret of this namespace in the chart value `image.pullSecrets`; "
        "an Experiment that has started also needs a raised `run`.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
        of_pods=True,
    ),
    "SecretMissing": Reason(
        "The Secret with the store's credentials does not exist in this namespace.",
        "Create it; the message holds the command.",
        Fault.EXTERNAL,
        retry=Retry.MENDED,
        of_pods=True,
    ),
    "ContainerRefused": Reason(
        "The container runtime refused the container.",
        "Read the runtime's words in the message and correct what they name; "
        "an Experiment that has started also needs a raised `run` in the same edit.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
        of_pods=True,
    ),
    "PodsRefused": Reason(
        "The API server creates no pod for a workload: a quota, a limit range or an admission policy is in the way.",
        "Read the message, and `kubectl describe` of the named workload; raise the quota or lower the requests: "
        "an Experiment that has started also needs a raised `run` in the same edit.",
        Fault.EXTERNAL,
        retry=Retry.MENDED,
        of_pods=True,
    ),
    "Unschedulable": Reason(
        "No node takes the pod.",
        "Add a node, or lower its requests: an Experiment that has started also needs a raised `run` in the same edit.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
        of_pods=True,
    ),
    "OutOfMemory": Reason(
        "A container used more memory than its limit.",
        "Raise `resources.limits.memory` of the named workload; an Experiment that has stopped also needs a raised `run`.",
        Fault.MODEL,
        retry=Retry.BUDGET,
    ),
    "CrashLooping": Reason(
        "A program ends again and again.",
        "Read the log of the pod's last run.",
        Fault.USER,
        retry=Retry.BUDGET,
    ),
    "Disrupted": Reason(
        "A pod was evicted or its node went away.",
        "Nothing: a new attempt starts by itself.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
        of_pods=True,
    ),
    "DeadlineExceeded": Reason(
        "A program was still running at its deadline.",
        "Raise `limits.trialTimeout` and `run` of an Experiment in one edit; give a Dataset fewer rows to read, or raise its "
        "`run` to try again. A DriftPolicy looks again after `schedule.every`.",
        Fault.USER,
        retry=Retry.BUDGET,
    ),
    "ProgramFailed": Reason(
        "A program ended with an error and left no explanation.",
        f"Read the pod's log, which is kept for {in_words(FAILED_TTL)} after its last attempt, and mend what it names; a Dataset "
        "or Experiment that has stopped begins again when `run` is raised.",
        Fault.USER,
        retry=Retry.BUDGET,
    ),
    "ResultLost": Reason(
        "A Job ended but its result is gone.",
        f"Nothing: a new attempt starts by itself; a Dataset or Experiment that has stopped after {ATTEMPTS} begins again when "
        "`run` is raised.",
        Fault.EXTERNAL,
        retry=Retry.BUDGET,
    ),
    "TaskTooLarge": Reason(
        f"A task is longer than {TASK_DOCUMENT_BYTES:,} bytes, or that of a server longer than a pod annotation.",
        "Describe fewer or shorter columns and expectations; of a ModelDeployment, name fewer columns in `capture.drop`.",
        Fault.USER,
    ),
    "Queued": Reason(
        "A queue holds the Job back: it is suspended.",
        "See the queue that the message names; time spent waiting is not counted.",
        Fault.EXTERNAL,
        retry=Retry.WAIT,
        of_pods=True,
    ),
}
