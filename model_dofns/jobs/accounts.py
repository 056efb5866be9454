"""The account of a job: every record that was read is scored or rejected, or the job has failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from model_dofns.exceptions import ScoringError
from model_dofns.jobs.planning import Job
from model_dofns.manifest import (
    DONE,
    TOO_MANY_ERRORS,
    Manifest,
    OutputFile,
    now,
    sum_of_records,
)
from model_dofns.model_spec import ModelMetadata, ModelSpec
from model_dofns.reasons import merged
from model_dofns.rejects import READ_STAGE, Reject


def file_reject(path: str, message: str, format_name: str) -> Reject:
    """What stands in ``_rejects`` for a file that could not be read."""
    return Reject(
        stage=READ_STAGE,
        error="UnreadableFileError",
        message=message,
        source={},
        format=format_name,
        file=path,
        model=None,
        version=None,
    )


def write_manifest(
    job: Job,
    outputs: Iterable[OutputFile],
    rejects: Iterable[OutputFile],
    read: Mapping[str, int],
    errors: Mapping[str, str],
    models: Iterable[ModelMetadata],
    scored: int | None = None,
) -> Manifest:
    """Hold the sums against each other and write the manifest; then the folder is whole.

    Args:
        job: the job.
        outputs: the finished files of predictions.
        rejects: those of rejects.
        read: of each file that was read, how many records it had.
        errors: of each file that could not be read, why.
        models: what the workers' models say of themselves.
        scored: how many records were scored, where they are not written; else their writers say it.

    Raises:
        ScoringError: a record is not accounted for, or workers scored with different models.
    """
    output_files = tuple(sorted(outputs, key=lambda file: file.path))
    reject_files = tuple(sorted(rejects, key=lambda file: file.path))
    if len(errors) == len(job.files):
        raise ScoringError(f"none of the {len(errors)} files could be read: {min(errors.values())}")
    written = sum(sum(file.rows.values()) for file in output_files)
    records = sum_of_records(
        sum(read.values()), written if scored is None else scored, reject_files
    )
    allowed = job.options.max_errors.allows(sum(records["rejected"].values()), records["read"])
    manifest = Manifest(
        job=job.id,
        started=job.started,
        ended=now(),
        engine=job.engine,
        runner=job.runner,
        model={
            "class": job.spec.class_path,
            "configuration": job.spec.shown_configuration,
            **_decorators(job.spec),
            **_one_model(job, set(models)),
        },
        options=job.options.shown(),
        inputs=tuple(
            replace(file, records=read.get(file.path, 0), error=errors.get(file.path))
            for file in job.files
        ),
        outputs=output_files,
        rejects=reject_files,
        records=records,
        reasons=merged(reason for file in reject_files for reason in file.reasons),
        status=DONE if allowed else TOO_MANY_ERRORS,
    )
    job.folder.commit(manifest)
    job.folder.remove_temporary()
    return manifest


def _decorators(spec: ModelSpec) -> dict[str, Any]:
    said = [
        {"class": decorator.class_path, "configuration": decorator.shown_configuration}
        for decorator in spec.decorators
    ]
    return {"decorators": said} if said else {}


def _one_model(job: Job, models: set[ModelMetadata]) -> dict[str, Any]:
    if job.metadata is not None:
        models = models | {job.metadata}
    if len(models) > 1:
        found = ", ".join(sorted(f"{model.qualified_name} {model.version}" for model in models))
        raise ScoringError(
            f"{job.spec.class_path} is not the same model everywhere: launcher and workers have"
            f" {found}; install one version in all of them"
        )
    return asdict(models.pop()) if models else {}
