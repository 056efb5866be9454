"""Launching a job's tasks: what each of them reads, and mrjob's runner round them."""

from __future__ import annotations

import contextlib
import heapq
import logging
import os
import posixpath
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from mrjob.job import MRJob
from mrjob.step import StepFailedException

from mapreduce_jobs.options import ON_A_CLUSTER, Options
from mapreduce_jobs.receipts import FAILURES, ORDERS, RECEIPTS, Order, contents, task_of
from mapreduce_jobs.stores import make_private
from mapreduce_jobs.tasks import TaskPlan
from model_dofns.exceptions import (
    DoesNotFitError,
    OutputFolderError,
    ScoringError,
    UsageError,
)
from model_dofns.jobs.planning import Job
from model_dofns.jobs.reading import FileRange, cut_into_ranges, whole
from model_dofns.jobs.store import is_url

# Of the input, what one task reads where no one says how many tasks there are: two blocks of HDFS.
TASK_BYTES: Final = 128 << 20
_STORES: Final = {"hadoop": "hdfs:// or s3://", "emr": "s3://"}
_TASK_COUNTS: Final = ("mapreduce.job.maps", "mapred.map.tasks")  # new name and old
# To open a file costs as much as to read so many bytes of it.
_OPENING_BYTES: Final = 1 << 20
# What Hadoop's command line, where names are URLs, globs and lists, does not take as it is.
_UNFIT_CHARACTER = re.compile(r"[^\w./:+=~@()!;&$-]")
_JOB_ID = re.compile(r"Running job: (job_\d+_\d+)")
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunnerSettings:
    """What mrjob makes of its flags and configuration files, as far as a launch depends on it.

    Attributes:
        tasks: how many map tasks are asked for; None for as many as there is input for.
        keeps_hadoop_tmp_dir, keeps_cleanup, keeps_bootstrap: whether the user has set these.
    """

    tasks: int | None
    keeps_hadoop_tmp_dir: bool
    keeps_cleanup: bool
    keeps_bootstrap: bool


def settings_of(job: MRJob) -> RunnerSettings:
    """Find at launch what mrjob would find when the job has begun.

    Raises:
        UsageError: mrjob does not take its flags or its configuration.
        DoesNotFitError: Hadoop is not installed.
    """
    try:
        with job.make_runner() as runner:
            chosen = runner._opts
            defaults = runner._default_opts()
            if runner.alias == "hadoop":
                _refuse_missing_hadoop(runner)
    except ScoringError:
        raise
    except Exception as error:  # mrjob raises whatever it finds
        raise UsageError(f"mrjob: {type(error).__name__}: {error}") from error
    own = {
        name: chosen.get(name) not in (None, defaults.get(name))
        for name in ("hadoop_tmp_dir", "cleanup", "bootstrap_mrjob")
    }
    return RunnerSettings(
        _tasks(runner.alias, chosen),
        keeps_hadoop_tmp_dir=own["hadoop_tmp_dir"],
        keeps_cleanup=own["cleanup"],
        keeps_bootstrap=own["bootstrap_mrjob"],
    )


def _refuse_missing_hadoop(runner: Any) -> None:
    program = runner.get_hadoop_bin()[0]
    if shutil.which(program) is None:
        raise DoesNotFitError(
            f"-r hadoop needs the command {program}, which is not found: put it on the PATH, or set"
            " HADOOP_HOME"
        )
    if runner.get_hadoop_streaming_jar() is None:
        raise DoesNotFitError(
            "-r hadoop needs hadoop-streaming.jar, which is not found below HADOOP_HOME: name it"
            " with --hadoop-streaming-jar"
        )


def _tasks(runner: str, chosen: Mapping[str, Any]) -> int | None:
    if runner == "inline":
        return 1
    if runner == "local":
        return int(chosen.get("num_cores") or os.cpu_count() or 1)
    jobconf = chosen["jobconf"] or {}
    asked = next((jobconf[name] for name in _TASK_COUNTS if name in jobconf), None)
    if asked is None:
        return None
    if not str(asked).isdecimal() or int(asked) < 1:
        raise UsageError(f"mapreduce.job.maps={asked}: write a number above 0")
    return int(asked)


def refuse_local_paths(options: Options) -> None:
    """Refuse what the nodes of a cluster cannot reach.

    Raises:
        DoesNotFitError: a path is one of this machine.
    """
    for what, path in (*(("input", each) for each in options.input), ("output", options.output)):
        if not is_url(path):
            raise DoesNotFitError(
                f"the {what} {path} is on this machine, where no task of -r {options.runner} finds"
                f" it: name a path of {_STORES[options.runner]}, and put files there first"
            )


def orders_of(job: Job, tasks: int | None) -> list[Order]:
    """What the tasks read: all of the input, in so many orders, each about as large.

    Args:
        job: the job.
        tasks: how many there may be; None for as many as there is input for.
    """
    if job.options.limit:  # for the first records, so one task reads the files in their order
        return [Order(0, tuple(map(whole, job.files)))]
    max_bytes = job.options.max_record_bytes
    ranges = [
        each
        for file in job.files
        for each in cut_into_ranges(file, job.store, job.formats, max_bytes)
    ]
    count = tasks or -(-sum(map(_cost, ranges)) // TASK_BYTES)
    if job.options.num_shards:
        count = min(count, job.options.num_shards)
    count = max(1, min(count, len(ranges)))
    # The largest ranges first, each to the order that has least so far.
    loads = [(0, number) for number in range(count)]
    shares: list[list[FileRange]] = [[] for _ in range(count)]
    for each in sorted(ranges, key=_cost, reverse=True):
        load, number = loads[0]
        shares[number].append(each)
        heapq.heapreplace(loads, (load + _cost(each), number))
    return [Order(number, tuple(share)) for number, share in enumerate(shares)]


def _cost(each: FileRange) -> int:
    """What it takes to read a range, in bytes."""
    return _OPENING_BYTES + min(each.part.stop, each.file.bytes) - each.part.start


def refuse_unfit_folder(job: Job) -> None:
    """Refuse an output folder that Hadoop could not be told of; files of the input it never is.

    It hears of the folder of the job alone: those of several models only our own client opens.

    Raises:
        OutputFolderError: there is such a character in its name.
    """
    folder = job.folder.path
    if job.runner == "hadoop" and (found := _UNFIT_CHARACTER.search(folder)):
        raise OutputFolderError(
            f"the output folder {folder} has {found[0]!r} in its name, which Hadoop's command line"
            " would read as something else: name another folder"
        )


@contextlib.contextmanager
def workplace(job: Job) -> Iterator[str]:
    """The folder in which the runner finds the orders, and leaves what reducers print.

    On a cluster it is in the output folder; runners on one machine know local folders alone.
    """
    if job.runner in ON_A_CLUSTER:
        yield job.folder.temporary
        return
    with tempfile.TemporaryDirectory(prefix="model-dofns-") as folder:
        yield folder


def prepare_tasks(plan: TaskPlan, orders: Sequence[Order], folder: str) -> str:
    """Write what the tasks are told: the plan, and into the folder their orders.

    Returns:
        The path of the plan.
    """
    job = plan.job
    store, temporary = job.store, job.folder.temporary
    for name in (RECEIPTS, FAILURES):
        store.make_folder(posixpath.join(temporary, name))
    for each in job.folders:
        for name in ("predictions", "rejects"):
            store.make_folder(posixpath.join(each.temporary, name))
    make_private(temporary)  # the values of the model's configuration are in the plan
    path = posixpath.join(temporary, "plan")
    lines = [order.to_line() for order in orders]
    if job.runner not in ON_A_CLUSTER:
        # mrjob cuts these into tasks by their bytes, so that a short line would get no task of its
        # own, though it may stand for the largest file of all.
        width = max(map(len, lines)) - 1
        lines = [line.rstrip(b"\n").ljust(width) + b"\n" for line in lines]
    travelling = replace(plan, job=replace(job, files=()))
    written = {path: travelling.to_bytes(), posixpath.join(folder, ORDERS): b"".join(lines)}
    for name, content in written.items():
        with store.create(name) as file:
            file.write(content)
    return path


class TaskFailedError(ScoringError):
    """A task has failed; the message is what it said."""


def run_tasks(mrjob_job: MRJob, job: Job) -> None:
    """Run the tasks to their end; if this process gives up, so do they.

    Raises:
        TaskFailedError: one of them has failed.
    """
    try:
        with mrjob_job.make_runner() as runner, _cancelled_with_us(runner):
            runner.run()
    except StepFailedException as error:
        raise TaskFailedError(_what_failed(job) or _without_command(error)) from error


def _what_failed(job: Job) -> str | None:
    """What the last attempt of a task said that has not ended well, if one said something."""
    temporary = job.folder.temporary
    done = {task_of(attempt) for attempt in job.store.names(posixpath.join(temporary, RECEIPTS))}
    told = {
        task_of(attempt): text.decode()
        for attempt, text in contents(job.store, temporary, FAILURES).items()
        if task_of(attempt) not in done
    }
    if not told:
        return None
    first, *others = told.values()
    return first + (f"\n(and {len(others)} more tasks failed)" if others else "")


def _without_command(error: StepFailedException) -> str:
    """A command line may have secrets in it, and is no explanation."""
    ending = re.search(r"(?:returned non-zero exit status \d+|died with .*)", str(error))
    how = f": what it ran {ending[0].rstrip('.')}" if ending else ""
    return f"step {error.step_num + 1} of {error.num_steps} failed{how}, and no task says why"


class _JobIds(logging.Filter):
    """Hears from mrjob which jobs Hadoop runs; passes on what is at or above a level."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self.found: list[str] = []
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        self.found += _JOB_ID.findall(record.getMessage())
        return record.levelno >= self._level


@contextlib.contextmanager
def _cancelled_with_us(runner: Any) -> Iterator[None]:
    """Hadoop goes on with a job whose launcher is gone, unless it is told otherwise."""
    if runner.alias != "hadoop":
        yield
        return
    logger = logging.getLogger("mrjob.logs.step")  # which hands on what Hadoop prints
    before = logger.level
    ids = _JobIds(logger.getEffectiveLevel())
    logger.addFilter(ids)
    logger.setLevel(logging.INFO)
    try:
        yield
    except BaseException:  # interrupted, or Hadoop's own client has ended early
        for job_id in sorted(set(ids.found)):
            kill = [*runner.get_hadoop_bin(), "job", "-kill", job_id]
            done = subprocess.run(kill, capture_output=True, text=True, check=False)
            if done.returncode:
                _LOGGER.warning(
                    "%s may still be running; killing it failed: %s", job_id, done.stderr
                )
        raise
    finally:
        logger.removeFilter(ids)
        logger.setLevel(before)


def cause_of(error: BaseException) -> str:
    """What went wrong, in words."""
    if isinstance(error, TaskFailedError):
        return str(error)
    return f"{type(error).__name__}: {error}".removesuffix(": ")


@contextlib.contextmanager
def mrjob_heard(options: Options) -> Iterator[None]:
    """What mrjob logs of a cluster is worth hearing; what it logs of one machine, this job says."""
    logger = logging.getLogger("mrjob")
    before = logger.level
    if options.runner not in ON_A_CLUSTER:
        # Its errors are raised as well, or written down by the task that fails.
        logger.setLevel(logging.DEBUG if options.log_level == "debug" else logging.CRITICAL)
    else:
        logger.setLevel(options.log_level.upper())
    try:
        yield
    finally:
        logger.setLevel(before)
