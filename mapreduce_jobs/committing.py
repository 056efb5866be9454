"""The commit at a job's end: of each task the files of one attempt, and what reducers printed."""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Sequence

from mapreduce_jobs.receipts import RECEIPTS, Order, Receipt, contents, one_each
from mapreduce_jobs.tasks import TaskPlan
from model_dofns.jobs import committing
from model_dofns.jobs.shares import Share, merged
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

    def outputs_of(target: Target, share: Share) -> list[OutputFile]:
        folder = target.folder
        if results is None:
            return committing.committed_predictions(job, target, share, folder.path)
        kept = committing.committed_predictions(job, target, share, folder.kept)
        return kept + _committed_results(job.store, results, folder.path)

    committing.commit(
        job,
        [
            merged(receipt.shares[number] for receipt in receipts)
            for number in range(len(job.targets))
        ],
        merged(receipt.rest for receipt in receipts),
        outputs_of,
        records_are_written=plan.keeps_records,
    )


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
