"""The commit at a job's end: one attempt of each task gives its files, then comes the manifest."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Sequence

from mapreduce_jobs.receipts import RECEIPTS, Order, Receipt, contents, one_each
from mapreduce_jobs.tasks import TaskPlan
from model_dofns.jobs.accounts import file_reject, write_manifest
from model_dofns.jobs.parts import PartsWriter, RejectsPart, commit_parts
from model_dofns.jobs.planning import Job
from model_dofns.jobs.store import Store
from model_dofns.manifest import OutputFile


def commit(plan: TaskPlan, orders: Sequence[Order], results: str | None) -> None:
    """Give the files of one attempt a task their final names, and write the manifest.

    Args:
        plan: of a job whose tasks have ended well.
        orders: what they were to read.
        results: the folder of what the job's own reducers have printed, where it has any: that is
            then the output, and records with their predictions stand beside it.

    Raises:
        ScoringError: something is not accounted for.
    """
    job, keeps_records = plan.job, plan.keeps_records
    store, folder = job.store, job.folder
    folder.refuse_if_taken()  # first, as who takes it removes the receipts
    receipts = one_each(
        map(Receipt.from_json, contents(store, folder.temporary, RECEIPTS).values()), orders
    )
    read: dict[str, int] = {}
    bad_files: dict[str, tuple[str, str]] = {}
    for receipt in receipts:
        for path, records in receipt.read.items():
            read[path] = read.get(path, 0) + records
        for path, why in receipt.unreadable.items():
            bad_files[path] = min(why, bad_files.get(path, why))
    outputs = commit_parts(
        store,
        [file for receipt in receipts for file in receipt.outputs],
        folder.path if results is None else folder.kept,
        job.output_format.part_suffix(job.options.compression),
    )
    rejects = commit_parts(
        store,
        [
            *(file for receipt in receipts for file in receipt.rejects),
            *_rejects_of_files(job, bad_files),
        ],
        folder.rejects,
        ".jsonl",
    )
    if results is not None:
        outputs += _committed_results(store, results, folder.path)
    models = [receipt.model for receipt in receipts if receipt.model is not None]
    errors = {path: message for path, (message, _) in bad_files.items()}
    # Writers say how many were scored, unless nothing has been written.
    scored = None if keeps_records else sum(receipt.scored for receipt in receipts)
    write_manifest(job, outputs, rejects, read, errors, models, scored)


def _rejects_of_files(job: Job, bad_files: dict[str, tuple[str, str]]) -> list[OutputFile]:
    path = posixpath.join(job.folder.temporary, "rejects", "files")
    writer = PartsWriter(job.store, path, ".jsonl", RejectsPart)
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
