"""Launching a job: what its tasks read, mrjob's runner round them, and the commit at its end."""

from __future__ import annotations

import contextlib
import heapq
import logging
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

from mrjob.step import StepFailedException

from mapreduce_jobs.options import Options
from mapreduce_jobs.receipts import FAILURES, RECEIPTS, Order, Receipt, contents, one_each
from mapreduce_jobs.tasks import TaskPlan
from model_dofns.exceptions import ScoringError
from model_dofns.jobs.accounts import file_reject, write_manifest
from model_dofns.jobs.parts import PartsWriter, RejectsPart, commit_parts
from model_dofns.jobs.planning import Job
from model_dofns.jobs.reading import FileRange, cut_into_ranges, whole
from model_dofns.jobs.store import Store
from model_dofns.manifest import OutputFile

# Of the input, what one task reads where no one says how many tasks there are: two blocks of HDFS.
TASK_BYTES: Final = 128 << 20
RESULTS: Final = "results"  # what reducers print
ON_ONE_MACHINE: Final = ("inline", "local")


class Runnable(Protocol):
    """A job of mrjob's, ready to be run."""

    def make_runner(self) -> Any: ...


def orders_of(job: Job, tasks: int | None) -> list[Order]:
    """What the tasks read: all of the input, in so many orders, each about as large.

    Args:
        job: the job.
        tasks: how many there may be; None for as many as there is input for.
    """
    if job.options.limit:  # for the first records, so one task reads the files in their order
        return [Order(0, tuple(map(whole, job.files)))]
    max_bytes = job.layout.max_record_bytes
    ranges = [
        each
        for file in job.files
        for each in cut_into_ranges(file, job.store, job.formats, max_bytes)
    ]
    count = tasks or -(-sum(map(_bytes, ranges)) // TASK_BYTES)
    if job.options.num_shards:
        count = min(count, job.options.num_shards)
    count = max(1, min(count, len(ranges)))
    # The largest ranges first, each to the order that has least so far.
    loads = [(0, number) for number in range(count)]
    shares: list[list[FileRange]] = [[] for _ in range(count)]
    for each in sorted(ranges, key=_bytes, reverse=True):
        load, number = loads[0]
        shares[number].append(each)
        heapq.heapreplace(loads, (load + _bytes(each), number))
    return [Order(number, tuple(share)) for number, share in enumerate(shares)]


def _bytes(each: FileRange) -> int:
    return min(each.part.stop, each.file.bytes) - each.part.start


def prepare_tasks(plan: TaskPlan, orders: Sequence[Order]) -> tuple[str, str]:
    """Write what the tasks are told.

    Returns:
        The paths of the plan and of the orders.
    """
    job = plan.job
    store, temporary = job.store, job.folder.temporary
    for name in (RECEIPTS, FAILURES, "predictions", "rejects"):
        store.make_folder(posixpath.join(temporary, name))
    paths = posixpath.join(temporary, "plan"), posixpath.join(temporary, "orders")
    lines = [order.to_line() for order in orders]
    if job.runner in ON_ONE_MACHINE:
        # mrjob cuts these into tasks by their bytes, so that a short line would get no task of its
        # own, though it may stand for the largest file of all.
        longest = max(map(len, lines))
        lines = [line[:-1].ljust(longest - 1) + b"\n" for line in lines]
    travelling = replace(plan, job=replace(job, files=()))
    for path, content in zip(paths, (travelling.to_bytes(), b"".join(lines)), strict=True):
        with store.create(path) as file:
            file.write(content)
    return paths


def commit(job: Job, orders: Sequence[Order], *, has_results: bool) -> None:
    """Give the files of one attempt a task their final names, and write the manifest.

    Args:
        job: the job, whose tasks have ended well.
        orders: what they were to read.
        has_results: there are reducers, and what they print is the job's output too.

    Raises:
        ScoringError: something is not accounted for.
    """
    store, folder = job.store, job.folder
    folder.refuse_if_taken()  # first, as who takes it removes the receipts
    receipts = one_each(map(Receipt.from_json, contents(store, folder, RECEIPTS)), orders)
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
        folder.kept if has_results else folder.path,
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
    if has_results:
        results = posixpath.join(folder.temporary, RESULTS)
        outputs += _committed_results(store, results, folder.path)
    models = [receipt.model for receipt in receipts if receipt.model is not None]
    errors = {path: message for path, (message, _) in bad_files.items()}
    scored = sum(receipt.scored for receipt in receipts)
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
    store.rename(sources, targets)
    return [OutputFile(path, {}, size) for path, (_, size) in zip(targets, found, strict=True)]


class TaskFailedError(ScoringError):
    """A task has failed; the message is what it said."""


def run_tasks(mrjob_job: Runnable, job: Job) -> None:
    """Run the tasks to their end.

    Raises:
        TaskFailedError: one of them has failed.
    """
    try:
        with mrjob_job.make_runner() as runner:
            runner.run()
    except StepFailedException as error:
        told = contents(job.store, job.folder, FAILURES)
        raise TaskFailedError(told[0].decode() if told else str(error)) from error


def cause_of(error: BaseException) -> str:
    """What went wrong, in words."""
    if isinstance(error, TaskFailedError):
        return str(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def results_beside(plan_path: str) -> str:
    """The folder that reducers print into."""
    return posixpath.join(posixpath.dirname(plan_path), RESULTS)


@contextlib.contextmanager
def mrjob_heard(options: Options) -> Iterator[None]:
    """What mrjob logs of a cluster is worth hearing; what it logs of one machine, this job says."""
    logger = logging.getLogger("mrjob")
    before = logger.level
    if options.runner in ON_ONE_MACHINE:
        # Its errors are raised as well, or written down by the task that fails.
        logger.setLevel(logging.DEBUG if options.log_level == "debug" else logging.CRITICAL)
    else:
        logger.setLevel(options.log_level.upper())
    try:
        yield
    finally:
        logger.setLevel(before)
