"""The commit at a job's end: one attempt of each task gives its files, then come manifests."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Iterable, Mapping, Sequence

from mapreduce_jobs.receipts import RECEIPTS, Order, Receipt, Share, contents, one_each
from mapreduce_jobs.tasks import TaskPlan
from model_dofns.jobs.accounts import Account, Unrouted, file_reject, write_manifests
from model_dofns.jobs.output_folder import OutputFolder
from model_dofns.jobs.parts import PartsWriter, RejectsPart, commit_parts
from model_dofns.jobs.store import Store
from model_dofns.jobs.targets import Target
from model_dofns.manifest import OutputFile


def commit(plan: TaskPlan, orders: Sequence[Order], results: str | None) -> None:
    """Give the files of one attempt a task their final names, and write the manifests.

    Args:
        plan: of a job whose tasks have ended well.
        orders: what they were to read.
        results: the folder of what the job's own reducers have printed, where it has any: that is
            then the output, and records with their predictions stand beside it.

    Raises:
        ScoringError: something is not accounted for.
    """
    job = plan.job
    for folder in job.folders:
        folder.refuse_if_taken()  # first, as who takes it removes the receipts
    receipts = one_each(
        map(Receipt.from_json, contents(job.store, job.folder.temporary, RECEIPTS).values()),
        orders,
    )
    bad_files: dict[str, tuple[str, str]] = {}
    for receipt in receipts:
        for path, why in receipt.unreadable.items():
            bad_files[path] = min(why, bad_files.get(path, why))
    # Of a file that cannot be read it is not known which models its records would name.
    of_each = bad_files if job.router is None else {}
    accounts = [
        _account(plan, target, [receipt.shares[number] for receipt in receipts], of_each, results)
        for number, target in enumerate(job.targets)
    ]
    unrouted = None
    if job.router is not None:
        shares = [receipt.unrouted for receipt in receipts if receipt.unrouted is not None]
        rejects = _committed_rejects(job.store, job.folder, shares, bad_files)
        unrouted = Unrouted(rejects, _summed(shares))
    errors = {path: message for path, (message, _) in bad_files.items()}
    write_manifests(job, accounts, errors, unrouted)


def _account(
    plan: TaskPlan,
    target: Target,
    shares: Sequence[Share],
    bad_files: Mapping[str, tuple[str, str]],
    results: str | None,
) -> Account:
    """Give the files of one of the models their final names."""
    store, folder = plan.job.store, target.folder
    outputs = commit_parts(
        store,
        [file for share in shares for file in share.outputs],
        folder.path if results is None else folder.kept,
        target.output_format.part_suffix(plan.job.options.compression),
    )
    if results is not None:
        outputs += _committed_results(store, results, folder.path)
    return Account(
        target,
        outputs,
        _committed_rejects(store, folder, shares, bad_files),
        _summed(shares),
        [share.model for share in shares if share.model is not None],
        # Writers say how many were scored, unless nothing has been written.
        scored=None if plan.keeps_records else sum(share.scored for share in shares),
    )


def _summed(shares: Iterable[Share]) -> dict[str, int]:
    """Of each file, how many records have been read."""
    read: dict[str, int] = {}
    for share in shares:
        for path, records in share.read.items():
            read[path] = read.get(path, 0) + records
    return read


def _committed_rejects(
    store: Store,
    folder: OutputFolder,
    shares: Iterable[Share],
    bad_files: Mapping[str, tuple[str, str]],
) -> list[OutputFile]:
    written = [file for share in shares for file in share.rejects]
    written += _rejects_of_files(store, folder.temporary, bad_files)
    return commit_parts(store, written, folder.rejects, ".jsonl")


def _rejects_of_files(
    store: Store, temporary: str, bad_files: Mapping[str, tuple[str, str]]
) -> list[OutputFile]:
    path = posixpath.join(temporary, "rejects", "files")
    writer = PartsWriter(store, path, ".jsonl", RejectsPart)
    for file, (message, format_name) in sorted(bad_files.items()):
        writer.write(file_reject(file, message, format_name))
    return writer.close()


def _committed_results(store: Store, results: str, folder: str) -> list[OutputFile]:
    """What reducers have printed, by the names that Hadoop gives it; empty files are left out."""
    found = sorted((path, size) for path, size in store.match(f"{results}/part-*") if size)
    sources = [path for path, _ in found]
    targets = [posixpath.join(folder, posixpath.basename(path)) for path in sources]
    if results.startswith(f"{folder}/"):
        store.rename(sources, targets)
    else:  # from this machine, where they may be on another file system
        for source, target in zip(sources, targets, strict=True):
            with store.open(source) as read, store.create(target) as written:
                shutil.copyfileobj(read, written)
    return [OutputFile(path, {}, size) for path, (_, size) in zip(targets, found, strict=True)]
