"""The commit at a job's end: files get their final names, then come the manifests.

It may be tried again, at any point and anywhere, with the same shares, and ends in the same files.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence

from model_dofns.jobs.accounts import Account, Unrouted, file_reject, write_manifests
from model_dofns.jobs.output_folder import OutputFolder
from model_dofns.jobs.parts import PartsWriter, RejectsPart, commit_parts
from model_dofns.jobs.planning import Job
from model_dofns.jobs.shares import Share
from model_dofns.jobs.store import Store
from model_dofns.jobs.targets import Target
from model_dofns.manifest import Manifest, OutputFile


def commit(
    job: Job,
    shares: Sequence[Share],
    rest: Share,
    outputs_of: Callable[[Target, Share], list[OutputFile]] | None = None,
    *,
    records_are_written: bool = True,
) -> list[Manifest]:
    """Give all files that have been written their final names, and write the manifests.

    Args:
        job: a job of which all records have been read.
        shares: what has been done with each of its models, in their order.
        rest: what has been done whatever the model: the files that cannot be read; and where
            records name their models, those that name none, and how many have been read at all.
        outputs_of: gives the files of predictions of a model their names, and says what they are;
            without it they become the part files of its folder.
        records_are_written: their writers say how many were scored; else the shares do.

    Returns:
        The manifests, in the order of the job's folders.

    Raises:
        ScoringError: something is not accounted for.
    """
    for folder in job.folders:
        folder.refuse_if_taken()

    def part_files(target: Target, share: Share) -> list[OutputFile]:
        return committed_predictions(job, target, share, target.folder.path)

    # Of a file that cannot be read it is not known which models its records would name.
    of_each = rest.unreadable if job.router is None else {}
    accounts = [
        Account(
            target,
            (outputs_of or part_files)(target, share),
            _committed_rejects(job.store, target.folder, share, of_each),
            share.read,
            share.models,
            scored=None if records_are_written else share.scored,
        )
        for target, share in zip(job.targets, shares, strict=True)
    ]
    unrouted = None
    if job.router is not None:
        rejects = _committed_rejects(job.store, job.folder, rest, rest.unreadable)
        unrouted = Unrouted(rejects, rest.read)
    errors = {path: message for path, (message, _) in rest.unreadable.items()}
    return write_manifests(job, accounts, errors, unrouted)


def committed_predictions(job: Job, target: Target, share: Share, folder: str) -> list[OutputFile]:
    """The files of predictions by their final names, in a folder."""
    suffix = target.output_format.part_suffix(job.options.compression)
    return commit_parts(job.store, share.outputs, folder, suffix)


def _committed_rejects(
    store: Store, folder: OutputFolder, share: Share, bad_files: Mapping[str, tuple[str, str]]
) -> list[OutputFile]:
    written = [*share.rejects, *_rejects_of_files(store, folder, bad_files)]
    return commit_parts(store, written, folder.rejects, ".jsonl")


def _rejects_of_files(
    store: Store, folder: OutputFolder, bad_files: Mapping[str, tuple[str, str]]
) -> list[OutputFile]:
    if not bad_files:
        return []
    temporary = posixpath.join(folder.temporary, "rejects")
    store.make_folder(temporary)
    writer = PartsWriter(store, posixpath.join(temporary, "files"), ".jsonl", RejectsPart)
    for path, (message, format_name) in sorted(bad_files.items()):
        writer.write(file_reject(path, message, format_name))
    return writer.close()
