"""A fitted pipeline as the files of an MLflow model, the same bytes for the same model, and into the store.

May know mlflow and skops, both imported here and nowhere else in training: a trial stores nothing and needs no mlflow.
"""

from __future__ import annotations

import io
import json
import logging
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import yaml

from bucle.contracts.reference import MODEL_REFERENCE_PATH, Reference
from bucle.contracts.table import Column, TableSchema
from bucle.podkit import store
from bucle.podkit.frames import is_text
from bucle.podkit.model import MODEL_FILE, environment, feature_columns, files_digest
from bucle.podkit.program import bad_configuration
from bucle.podkit.trusted_types import untrusted

MLMODEL = "MLmodel"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip archive can hold."""


def trusted_types(archive: bytes) -> tuple[str, ...]:
    """Types that loading needs beyond skops' own list; raises UntrustedType (78) for one that we do not trust."""
    import skops.io

    needed = sorted(skops.io.get_untrusted_types(data=archive))
    wrong = untrusted(needed)
    if wrong:
        raise bad_configuration(
            "UntrustedType",
            f"the fitted model holds {', '.join(wrong[:3])}, which no server would load: use another class",
        )
    return tuple(needed)


def dumped(pipeline: Any) -> bytes:
    """The pipeline in skops' format, the same bytes for the same pipeline; raises EstimatorNotAllowed (78)."""
    import skops.io

    try:
        return canonical_archive(skops.io.dumps(pipeline))
    except Exception as error:
        raise bad_configuration(
            "EstimatorNotAllowed",
            f"{_unstorable(pipeline)} cannot be stored in the form that servers load ({type(error).__name__}): use "
            "another class of scikit-learn",
        ) from error


def read_back(archive: bytes) -> Any:
    """What a server would load; raises UntrustedType or EstimatorNotAllowed (78)."""
    import skops.io

    trusted = trusted_types(archive)
    try:
        return skops.io.loads(archive, trusted=list(trusted))
    except Exception as error:
        raise bad_configuration(
            "EstimatorNotAllowed",
            f"the fitted model was stored but cannot be loaded again ({type(error).__name__}): use another class of "
            "scikit-learn",
        ) from error


def _unstorable(pipeline: Any) -> str:
    """The innermost estimator that cannot be stored, by its class."""
    import skops.io

    for part in _parts(pipeline):
        try:
            skops.io.dumps(part)
        except Exception:  # noqa: BLE001 whatever it is, this part is the one that cannot be stored
            return _unstorable(part)
    return f"{type(pipeline).__module__.split('._')[0]}.{type(pipeline).__name__}"


def _parts(pipeline: Any) -> list[Any]:
    steps = getattr(pipeline, "steps", None) or getattr(pipeline, "transformers_", None) or []
    return [part for step in steps for part in step if hasattr(part, "get_params")]


def canonical_archive(archive: bytes) -> bytes:
    """A skops archive without what changes from run to run: memory addresses as object ids, and file times.

    Ids are renumbered in the order of the schema; `<id>.npy` and the like follow them.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        files = {name: source.read(name) for name in source.namelist()}
    schema = json.loads(files.pop("schema.json"))
    numbers: dict[int, int] = {}
    renamed: dict[str, str] = {}
    _renumber(schema, numbers, renamed)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        target.writestr(zipfile.ZipInfo("schema.json", EPOCH), json.dumps(schema, separators=(",", ":")))
        for name, content in sorted((renamed.get(name, name), content) for name, content in files.items()):
            target.writestr(zipfile.ZipInfo(name, EPOCH), content)
    return out.getvalue()


def model_files(pipeline: Any, archive: bytes, reference: Reference) -> dict[str, bytes]:
    """Path → content of the MLflow model layout, with our reference beside it."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "model"
        _save(pipeline, root, reference)
        (root / MODEL_FILE).write_bytes(archive)
        (root / MLMODEL).write_text(_without_run(root / MLMODEL, len(archive)), encoding="utf-8")
        reference_path = root / MODEL_REFERENCE_PATH
        reference_path.parent.mkdir()
        reference_path.write_text(reference.canonical(), encoding="ascii")
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def upload(files: dict[str, bytes], location: str) -> tuple[str, str]:
    """URI and digest; the MLmodel file goes last, so that what can be found is whole."""
    digest = files_digest(files)
    uri = store.join(location, digest.removeprefix("sha256:"))
    for path in sorted(files, key=lambda path: (path == MLMODEL, path)):
        store.write_bytes(store.join(uri, path), files[path])
    return uri, digest


def _save(pipeline: Any, folder: Path, reference: Reference) -> None:
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    versions = environment()
    # mlflow warns about its own type hints while it is imported; nobody who reads our log can do anything about it.
    with warnings.catch_warnings(action="ignore"):
        import mlflow.sklearn
        from mlflow.models.signature import ModelSignature
        from mlflow.types.schema import Schema

        mlflow.sklearn.save_model(
            pipeline,
            str(folder),
            serialization_format="skops",
            skops_trusted_types=list(reference.trusted_types),
            signature=ModelSignature(
                inputs=Schema(_inputs(reference.table)), outputs=Schema([_output(reference.table)])
            ),
            pip_requirements=[f"{name}=={versions[name]}" for name in sorted(versions)],
        )


def _inputs(table: TableSchema) -> list[Any]:
    from mlflow.types.schema import ColSpec

    return [ColSpec(_mlflow_type(column), column.name, required=True) for column in feature_columns(table)]


def _output(table: TableSchema) -> Any:
    from mlflow.types.schema import ColSpec

    return ColSpec("double" if table.target.task == "Regression" else "long")


def _mlflow_type(column: Column) -> str:
    return "string" if is_text(column) else "double"


def _without_run(path: Path, size: int) -> str:
    """MLmodel without the time and the random id of its writing: the same model is the same artifact."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name in ("model_uuid", "utc_time_created"):
        document.pop(name, None)
    document["model_size_bytes"] = size
    return yaml.safe_dump(document, sort_keys=True)


def _renumber(node: Any, numbers: dict[int, int], renamed: dict[str, str]) -> None:
    if isinstance(node, list):
        for entry in node:
            _renumber(entry, numbers, renamed)
        return
    if not isinstance(node, dict):
        return
    if isinstance(node.get("__id__"), int):
        node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
    file = node.get("file")
    if isinstance(file, str) and "." in file and file.partition(".")[0].isdigit():
        stem, _, suffix = file.partition(".")
        node["file"] = renamed.setdefault(file, f"{numbers.setdefault(int(stem), len(numbers))}.{suffix}")
    for entry in node.values():
        _renumber(entry, numbers, renamed)
