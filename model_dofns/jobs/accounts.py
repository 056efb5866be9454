"""The account of a job: every record that was read is scored or rejected, or the job has failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


@dataclass(frozen=True)
class Account:
    """What became of the records of a job at one of its models.

    Attributes:
        target: the model.
        outputs: the finished files of predictions.
        rejects: those of rejects.
        read: of each file that was read, how many records the model was given.
        models: what the workers' models say of themselves.
        scored: how many records were scored, where they are not written; else their writers say it.
    """

    target: Target
    outputs: Sequence[OutputFile]
    rejects: Sequence[OutputFile]
    read: Mapping[str, int]
    models: Iterable[ModelMetadata]
    scored: int | None = None

    @property
    def records_scored(self) -> int:
        if self.scored is not None:
            return self.scored
        return sum(sum(file.rows.values()) for file in self.outputs)


@dataclass(frozen=True)
class Unrouted:
    """Where each record names its model: those that name none, and how many there were at all.

    Attributes:
        rejects: the finished files of those that name none.
        read: of each file that was read, how many records it had, whichever model they name.
    """

    rejects: Sequence[OutputFile]
    read: Mapping[str, int]


def write_manifests(
    job: Job,
    accounts: Sequence[Account],
    errors: Mapping[str, str],
    unrouted: Unrouted | None = None,
) -> list[Manifest]:
    """Hold the sums against each other and write the manifests; then the folders are whole.

    None is written before all sums are right: what fails at one model fails the job. Where records
    name their models, that of all models comes last.

    Args:
        job: the job.
        accounts: one for each of its models, in their order.
        errors: of each file that could not be read, why.
        unrouted: where records name their models.

    Returns:
        The manifests, in the order of the job's folders.

    Raises:
        ScoringError: a record is not accounted for, or workers scored with different models.
    """
    if len(errors) == len(job.files):
        raise ScoringError(f"none of the {len(errors)} files could be read: {min(errors.values())}")
    manifests = [_of_model(job, each, errors) for each in accounts]
    if unrouted is not None:
        manifests.append(_of_all(job, accounts, manifests, errors, unrouted))
    for folder in job.folders:
        folder.refuse_if_taken()
    for folder, manifest in zip(job.folders, manifests, strict=True):
        folder.commit(manifest)
    job.remove_temporary()
    return manifests


def _of_model(job: Job, account: Account, errors: Mapping[str, str]) -> Manifest:
    target = account.target
    records = sum_of_records(sum(account.read.values()), account.records_scored, account.rejects)
    rejected = sum(records["rejected"].values())
    return _manifest(
        job,
        model={
            "class": target.spec.class_path,
            "configuration": target.spec.shown_configuration,
            **_decorators(target.spec),
            **_one_model(target, set(account.models)),
        },
        read=account.read,
        errors=errors,
        outputs=account.outputs,
        rejects=account.rejects,
        records=records,
        allowed=job.options.max_errors.allows(rejected, records["read"]),
    )


def _of_all(
    job: Job,
    accounts: Sequence[Account],
    manifests: Sequence[Manifest],
    errors: Mapping[str, str],
    unrouted: Unrouted,
) -> Manifest:
    """Of the folder that the models' are in: the sum, and what names no model.

    It is done where all models are, and where not too many of all records name none.
    """
    rejects = [*unrouted.rejects, *(file for each in accounts for file in each.rejects)]
    read = sum(unrouted.read.values())
    records = sum_of_records(read, sum(each.records_scored for each in accounts), rejects)
    unnamed = read - sum(manifest.records["read"] for manifest in manifests)
    allowed = job.options.max_errors.allows(unnamed, read)
    return _manifest(
        job,
        model={"field": job.options.model_field, "models": [each.target.name for each in accounts]},
        read=unrouted.read,
        errors=errors,
        outputs=[file for each in accounts for file in each.outputs],
        rejects=rejects,
        records=records,
        allowed=allowed and all(manifest.status == DONE for manifest in manifests),
    )


def _manifest(
    job: Job,
    *,
    model: Mapping[str, Any],
    read: Mapping[str, int],
    errors: Mapping[str, str],
    outputs: Iterable[OutputFile],
    rejects: Sequence[OutputFile],
    records: Mapping[str, Any],
    allowed: bool,
) -> Manifest:
    return Manifest(
        job=job.id,
        started=job.started,
        ended=now(),
        engine=job.engine,
        runner=job.runner,
        model=model,
        options=job.options.shown(),
        inputs=tuple(
            replace(file, records=read.get(file.path, 0), error=errors.get(file.path))
            for file in job.files
        ),
        outputs=tuple(sorted(outputs, key=lambda file: file.path)),
        rejects=tuple(sorted(rejects, key=lambda file: file.path)),
        records=records,
        reasons=merged(reason for file in rejects for reason in file.reasons),
        status=DONE if allowed else TOO_MANY_ERRORS,
    )


def _decorators(spec: ModelSpec) -> dict[str, Any]:
    said = [
        {"class": decorator.class_path, "configuration": decorator.shown_configuration}
        for decorator in spec.decorators
    ]
    return {"decorators": said} if said else {}


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
