"""What a task does, whatever starts it: it reads its ranges, scores them and leaves a receipt."""

from __future__ import annotations

import contextlib
import functools
import os
import pickle
import posixpath
import re
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from mapreduce_jobs.receipts import FAILURES, RECEIPTS, Order, Receipt, put
from model_dofns.counters import MODEL_LOAD_MILLISECONDS, Report
from model_dofns.exceptions import ScoringError
from model_dofns.formats.base import Block
from model_dofns.formats.dicts import as_dicts
from model_dofns.jobs.parts import PartsWriter, PredictionsPart, RejectsPart, let_go
from model_dofns.jobs.planning import Job
from model_dofns.jobs.reading import BlockReader, Unreadable
from model_dofns.jobs.shares import Share
from model_dofns.jobs.store import Store
from model_dofns.jobs.targets import Target
from model_dofns.manifest import library_version
from model_dofns.routing import Router
from model_dofns.scorer import ScoredRecords, Scorer

# By these names Hadoop tells a task who it is; mrjob's runners do as well.
_ATTEMPT_VARIABLES: Final = ("mapreduce_task_attempt_id", "mapred_task_id")
_USER_VARIABLES: Final = ("mapreduce_job_user_name", "user_name")
_WATCH_SECONDS: Final = 0.5


@dataclass(frozen=True)
class TaskPlan:
    """What all tasks of a job are told; the values of the model's configuration are in it.

    Attributes:
        job: the job, without its list of files.
        keeps_records: whether records are written, with their predictions.
        gives_pairs: whether records are handed to the job's own ``key_values``.
    """

    job: Job
    keeps_records: bool = True
    gives_pairs: bool = False

    def to_bytes(self) -> bytes:
        return library_version().encode() + b"\n" + pickle.dumps(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> TaskPlan:
        """What :meth:`to_bytes` wrote.

        Raises:
            ScoringError: another version of this library wrote it.
        """
        version, _, pickled = data.partition(b"\n")
        if version.decode() != library_version():
            raise ScoringError(
                f"the job was launched by model-dofns {version.decode()}, and this task has"
                f" {library_version()}: install one version in both places"
            )
        plan: TaskPlan = pickle.loads(pickled)
        return plan


class Task:
    """One attempt of a task: loads the models, or finds them loaded, and scores ranges.

    Args:
        plan: what it is told.
        store: where all files are.
        report: told what is counted.
    """

    def __init__(self, plan: TaskPlan, store: Store, report: Report) -> None:
        job = plan.job
        self._plan = plan
        self._store = store
        self._attempt = attempt_name()
        self._reader = BlockReader(
            store,
            job.formats,
            job.options.layout,
            skip_bad_files=job.options.skip_bad_files,
            limit=job.options.limit,
            report=report,
        )
        self._scoring = [
            TargetScoring(plan, target, store, self._attempt, report) for target in job.targets
        ]
        self._routing = (
            None if job.router is None else Routing(job, job.router, store, self._attempt, report)
        )
        self._orders: list[int] = []
        self._unreadable: dict[str, tuple[str, str]] = {}

    def score(self, order: Order) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Score the records of an order: each block is read once, and scored with every model; or
        each record with the model that it names.

        Yields:
            Each scored record with its prediction, if that was asked for.

        Raises:
            UnreadableFileError: a file cannot be read, and none is to be skipped.
            EveryPredictionFailsError: the first 1,000 records of this task all failed in predict.
        """
        for read in self._reader.read(order.ranges):
            if isinstance(read, Unreadable):
                self._unreadable[read.file.path] = (read.message, read.file.format)
            elif self._routing is None:
                for each in self._scoring:
                    yield from each.score(read)
            else:
                for number, block in self._routing.route(read).items():
                    yield from self._scoring[number].score(block)
        self._orders.append(order.id)

    def finish(self) -> None:
        """Close all files; then say what has been done. All that was printed is out by now."""
        unrouted = Share() if self._routing is None else self._routing.finish()
        receipt = Receipt(
            orders=tuple(self._orders),
            shares=tuple(each.finish() for each in self._scoring),
            rest=replace(unrouted, unreadable=self._unreadable),
        )
        temporary = self._plan.job.folder.temporary
        put(self._store, temporary, RECEIPTS, self._attempt, receipt.to_json())

    def abandon(self) -> None:
        """Close what is open, without a receipt: a store shows a file only when it is closed, and
        that must not be after the launcher has removed the files of a job that failed."""
        for each in self._scoring:
            each.abandon()
        if self._routing is not None:
            self._routing.abandon()


class TargetScoring:
    """What an attempt of a task does with one of the job's models.

    Args:
        plan: what the task is told.
        target: the model.
        store: where all files are.
        attempt: the name of the attempt, and how the names of its files begin.
        report: told what is counted.
    """

    def __init__(
        self, plan: TaskPlan, target: Target, store: Store, attempt: str, report: Report
    ) -> None:
        options, temporary = plan.job.options, target.folder.temporary
        self._plan = plan
        self._formats = target.formats
        self._report = report
        self._scorer = Scorer(
            target.spec, target.layout, formats=target.formats, batch_size=options.batch_size
        )
        report({MODEL_LOAD_MILLISECONDS: round(self._scorer.model_load_seconds * 1_000)})
        self._predictions = PartsWriter(
            store,
            posixpath.join(temporary, "predictions", attempt),
            target.output_format.part_suffix(options.compression),
            functools.partial(
                PredictionsPart, format_=target.output_format, compression=options.compression
            ),
        )
        self._rejects = PartsWriter(
            store, posixpath.join(temporary, "rejects", attempt), ".jsonl", RejectsPart
        )
        self._read: dict[str, int] = {}
        self._records_scored = 0

    def score(self, block: Block) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Score a block, and write what comes of it; see :meth:`Task.score`."""
        scorer = self._scorer
        records = scorer.records(block)
        scored = scorer.score_records(records, block.format, block.path)
        self._report(scored.counts)
        self._read[block.path] = self._read.get(block.path, 0) + len(records)
        for reject in scored.rejects:
            self._rejects.write(reject)
        self._records_scored += len(scored.rows)
        if not len(scored.rows):
            return
        if self._plan.keeps_records:
            payload = scorer.written(block, records, scored)
            self._predictions.write(ScoredRecords(payload, len(scored.rows)))
        if self._plan.gives_pairs:
            layout = replace(scorer.layout, whole_record=True, keep_fields=None)
            whole = self._formats[block.format].records(block, layout)
            predictions = as_dicts(scored.predictions, scored.predictions.schema.names)
            for record, prediction in zip(
                whole.parse(scored.rows.tolist()), predictions, strict=True
            ):
                assert not isinstance(record, ScoringError), "it has been scored"
                yield record, prediction

    def finish(self) -> Share:
        """Close all files, and say what has been done."""
        return Share(
            read=self._read,
            scored=self._records_scored,
            outputs=tuple(self._predictions.close()),
            rejects=tuple(self._rejects.close()),
            models=(self._scorer.metadata,),
        )

    def abandon(self) -> None:
        """Close what is open; no one is to read it."""
        let_go(self._predictions, self._rejects)


class Routing:
    """Hands each record to the model that it names, and writes rejects of those that name none.

    Args:
        job: the job.
        router: the job's.
        store, attempt, report: as of :class:`TargetScoring`.
    """

    def __init__(
        self, job: Job, router: Router, store: Store, attempt: str, report: Report
    ) -> None:
        self._router = router
        self._report = report
        self._rejects = PartsWriter(
            store,
            posixpath.join(job.folder.temporary, "rejects", attempt),
            ".jsonl",
            RejectsPart,
        )
        self._read: dict[str, int] = {}

    def route(self, block: Block) -> Mapping[int, Block]:
        """The records of a block by the number of the model that they name."""
        routed = self._router.route(block)
        self._report(routed.counts)
        self._read[block.path] = self._read.get(block.path, 0) + routed.records_read
        for reject in routed.rejects:
            self._rejects.write(reject)
        return routed.blocks

    def finish(self) -> Share:
        """Close the file of rejects, and say what has been read."""
        return Share(read=self._read, rejects=tuple(self._rejects.close()))

    def abandon(self) -> None:
        """Close what is open; no one is to read it."""
        let_go(self._rejects)


@contextlib.contextmanager
def failures_told(store: Store, temporary: str) -> Iterator[None]:
    """What fails in a task is written down for the launcher, who sees only that it failed."""
    try:
        yield
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        with contextlib.suppress(OSError, ValueError, ScoringError):  # the error itself is raised
            put(store, temporary, FAILURES, attempt_name(), text.encode())
        raise


def attempt_name() -> str:
    """The name of this attempt, which sorts behind earlier attempts of its task."""
    found = (os.environ[name] for name in _ATTEMPT_VARIABLES if name in os.environ)
    return re.sub(r"\W", "_", next(found, uuid.uuid4().hex))


def act_as_the_job_s_user() -> None:
    """On a cluster without Kerberos, HDFS is told who asks; that is who launched the job."""
    user = next((os.environ[name] for name in _USER_VARIABLES if name in os.environ), None)
    if user:
        os.environ.setdefault("HADOOP_USER_NAME", user)


def end_with_parent() -> None:
    """End this process soon after the one that started it, which may be killed without a word."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
