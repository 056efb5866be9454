"""The account of a job: every record that was read is scored or rejected, or the job has failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from model_dofns.exceptions import ScoringError
from model_dofns.jobs.planning import Job
from model_dofns.jobs.targets import Target
from model_dofns.manifest import (
    DONE,
    TOO_MANY_ERRORS,
    Manifest,
    OutputFile,
    now,
    sum_of_records,
)
from model_dofns.model_spec import ModelMetadata
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


@dataclass(frozen=True)
class Account:
    """What became of the records of a job at one of its models.

    Attributes:
        target: the model.
        outputs: the finished files of predictions.
        rejects: those of rejects.
        read: of each file that was read, how many records it had.
        models: what the workers' models say of themselves.
        scored: how many records were scored, where they are not written; else their writers say it.
    """

    target: Target
    outputs: Iterable[OutputFile]
    rejects: Iterable[OutputFile]
    read: Mapping[str, int]
    models: Iterable[ModelMetadata]
    scored: int | None = None


def write_manifests(
    job: Job, accounts: Iterable[Account], errors: Mapping[str, str]
) -> list[Manifest]:
    """Hold the sums against each other and write the manifests; then the folders are whole.

    None is written before all sums are right: what fails at one model fails the job.

    Args:
        job: the job.
        accounts: one for each of its models.
        errors: of each file that could not be read, why.

    Returns:
        The manifests, in the order of the accounts.

    Raises:
        ScoringError: a record is not accounted for, or workers scored with different models.
    """
    if len(errors) == len(job.files):
        raise ScoringError(f"none of the {len(errors)} files could be read: {min(errors.values())}")
    settled = [(each.target.folder, _manifest(job, each, errors)) for each in accounts]
    for folder, _ in settled:
        folder.refuse_if_taken()
    for folder, manifest in settled:
        folder.commit(manifest)
    job.remove_temporary()
    return [manifest for _, manifest in settled]


def _manifest(job: Job, account: Account, errors: Mapping[str, str]) -> Manifest:
    target, read = account.target, account.read
    output_files = tuple(sorted(account.outputs, key=lambda file: file.path))
    reject_files = tuple(sorted(account.rejects, key=lambda file: file.path))
    written = sum(sum(file.rows.values()) for file in output_files)
    scored = written if account.scored is None else account.scored
    records = sum_of_records(sum(read.values()), scored, reject_files)
    allowed = job.options.max_errors.allows(sum(records["rejected"].values()), records["read"])
    return Manifest(
        job=job.id,
        started=job.started,
        ended=now(),
        engine=job.engine,
        runner=job.runner,
        model={
            "class": target.spec.class_path,
            "configuration": target.spec.shown_configuration,
            **_one_model(target, set(account.models)),
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


def _one_model(target: Target, models: set[ModelMetadata]) -> dict[str, Any]:
    if target.metadata is not None:
        models = models | {target.metadata}
    if len(models) > 1:
        found = ", ".join(sorted(f"{model.qualified_name} {model.version}" for model in models))
        raise ScoringError(
            f"{target.spec.class_path} is not the same model everywhere: launcher and workers have"
            f" {found}; install one version in all of them"
        )
    return asdict(models.pop()) if models else {}
