"""Score files with a model as MapReduce: ``python -m mapreduce_jobs.score --help``.

:class:`ScoreJob` is that job, and the base of jobs of one's own that do more with predictions; for
a job of mrjob's that reads its own input there is :class:`~mapreduce_jobs.mapper.ScoreMapperMixin`.

Tasks run this file, or that of a subclass, as a script, in a folder of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NoReturn

from mrjob.job import MRJob
from mrjob.protocol import RawValueProtocol

from mapreduce_jobs import launching
from mapreduce_jobs.committing import commit
from mapreduce_jobs.local import LocalRunner
from mapreduce_jobs.mapper import ScoreMapperMixin, count
from mapreduce_jobs.options import (
    ON_A_CLUSTER,
    Options,
    add_job_flags,
    options_of,
    print_help,
    words_of,
)
from mapreduce_jobs.printing import (
    nothing_more_is_printed,
    stdout_is_data,
    stdout_is_the_launcher_s,
)
from mapreduce_jobs.receipts import ORDERS, RESULTS, Order
from mapreduce_jobs.stores import ClusterStore
from mapreduce_jobs.tasks import (
    Task,
    TaskPlan,
    act_as_the_job_s_user,
    end_with_parent,
    failures_told,
)
from model_dofns.exceptions import UsageError
from model_dofns.formats import FORMATS
from model_dofns.jobs.command_line import exit_code_of, say, show
from model_dofns.jobs.forecast import forecast
from model_dofns.jobs.logs import logging_at
from model_dofns.jobs.options import unknown_flag
from model_dofns.jobs.planning import Job, plan
from model_dofns.jobs.running import carry_out
from model_dofns.jobs.summary import Summary

__all__ = ["ScoreJob", "ScoreMapperMixin", "main"]

_TASK_FLAGS: Final = ("--mapper", "--combiner", "--reducer", "--spark")
# Each line of a task's input, which says what to read, is a task of its own.
_ORDERS_FORMAT: Final = "org.apache.hadoop.mapred.lib.NLineInputFormat"
_NO_RESULTS_FORMAT: Final = "org.apache.hadoop.mapred.lib.NullOutputFormat"


class ScoreJob(MRJob):  # type: ignore[misc]  # mrjob ships no types
    """Scores files, and writes their records with their predictions.

    A subclass that overrides :meth:`key_values` gives its own reducer pairs instead; the records
    themselves are written as well with ``--keep-predictions``. Its script ends in
    ``if __name__ == "__main__": TheJob.run()``.
    """

    INPUT_PROTOCOL = RawValueProtocol

    def key_values(
        self, record: Mapping[str, Any], prediction: Mapping[str, Any]
    ) -> Iterable[tuple[Any, Any]]:
        """Pairs for the reducer; to be overridden.

        Args:
            record: a scored record, all of its fields: of JSON lines the object, of CSV the cells
                as text, of Parquet the row.
            prediction: the fields of its prediction.
        """
        raise NotImplementedError

    @property
    def _gives_pairs(self) -> bool:
        return type(self).key_values is not ScoreJob.key_values

    # --- the command line ---

    @classmethod
    def run(cls) -> NoReturn:
        """Run the command line of this process, which is a task's or launches a job, and exit."""
        if any(flag in sys.argv for flag in _TASK_FLAGS):
            end_with_parent()
            super().run()
            sys.exit()
        exit_code = cls.main()
        nothing_more_is_printed()
        sys.exit(exit_code)

    @classmethod
    def main(cls, argv: Sequence[str] | None = None) -> int:
        """Launch a job, print what became of it, and return the exit code."""
        return exit_code_of(lambda: cls._main(sys.argv[1:] if argv is None else argv))

    @classmethod
    def _main(cls, argv: Sequence[str]) -> None:
        job = cls.of(argv)
        options = job.job_options()
        with logging_at(options.log_level), launching.mrjob_heard(options):
            with stdout_is_the_launcher_s():
                outcome = job.foreseen() if options.plan else job.launch()
            if isinstance(outcome, Summary):
                show(outcome)
            else:
                say(outcome, sys.stdout)

    @classmethod
    def of(cls, argv: Sequence[str]) -> ScoreJob:
        """The job that a command line says.

        Raises:
            UsageError: it makes no sense.
            SystemExit: it asks for help (0).
        """
        known = cls(["--mapper"]).arg_parser._option_string_actions
        try:
            return cls(words_of(argv, known))
        except ValueError as error:
            raise UsageError(f"{error}; see --help") from error

    def configure_args(self) -> None:
        """Add the job's flags to mrjob's."""
        super().configure_args()
        self.arg_parser.allow_abbrev = False
        self._flags_of_mrjob = set(self.arg_parser._option_string_actions)
        add_job_flags(self.arg_parser)
        self.add_passthru_arg("--task", help=argparse.SUPPRESS)  # what a task is told

    def load_args(self, args: Sequence[str]) -> None:
        """Parse the command line.

        Raises:
            UsageError: there is no such flag.
        """
        self.options, unknown = self.arg_parser.parse_known_intermixed_args(args)
        if self.options.help:
            if self.options.runner:
                self._print_help(self.options)
            else:
                print_help(self.arg_parser, self._flags_of_mrjob)
            sys.exit(0)
        if unknown:
            raise unknown_flag(unknown[0], self.arg_parser._option_string_actions, "mrjob")

    def job_options(self) -> Options:
        """What the command line says of the job.

        Raises:
            UsageError: something is missing, or makes no sense.
        """
        return options_of(self.options)

    # --- where it is launched ---

    def foreseen(self) -> str:
        """What the job would do, for people; nothing is written.

        Raises:
            ScoringError: as :meth:`launch` would raise it.
        """
        self._settings()
        return forecast(self._planned())

    def launch(self) -> Summary:
        """Run the job to its end.

        Raises:
            UsageError: mrjob does not take its flags or its configuration.
            DoesNotFitError: found before it started: a model, the input or an output folder.
            InterruptedJobError: it was interrupted, and has been cancelled.
            ScoringError: it failed; an output folder is not whole.
        """
        settings = self._settings()
        job = self._planned()

        def work() -> None:
            orders = launching.orders_of(job, settings.tasks)
            keeps = not self._gives_pairs or self.options.keep_predictions
            task_plan = TaskPlan(job, keeps_records=keeps, gives_pairs=self._gives_pairs)
            with launching.workplace(job) as folder:
                plan_path = launching.prepare_tasks(task_plan, orders, folder)
                self._point_at(job, plan_path, folder, settings)
                launching.run_tasks(self, job)
                commit(task_plan, orders, f"{folder}/{RESULTS}" if self._gives_pairs else None)

        return carry_out(job, work, launching.cause_of)

    def _settings(self) -> launching.RunnerSettings:
        self._stdin = io.BytesIO()  # mrjob asks for it, which may be closed, and does not read it
        return launching.settings_of(self)

    def _planned(self) -> Job:
        options = self.job_options()
        if self._gives_pairs and options.is_several:
            raise UsageError(
                f"{type(self).__name__} has key_values of its own, which is not told which of"
                " several models a prediction is of: name one --model"
            )
        if options.runner in ON_A_CLUSTER:
            launching.refuse_local_paths(options)
        job = plan(options, ClusterStore(), "mapreduce", options.runner)
        launching.refuse_unfit_folder(job)
        if self._gives_pairs:  # of whole records, whichever fields are written
            formats = {**job.formats, "parquet": FORMATS["parquet"]}
            targets = tuple(replace(target, formats=formats) for target in job.targets)
            job = replace(job, formats=formats, targets=targets)
        return job

    def _runner_class(self) -> Any:
        is_local = self.options.runner == "local"
        return LocalRunner if is_local else super()._runner_class()

    def _point_at(
        self, job: Job, plan_path: str, folder: str, settings: launching.RunnerSettings
    ) -> None:
        """Have tasks read their orders, and print where no one takes it for whole."""
        self._cl_args: list[str] = [*self._cl_args, "--task", plan_path]
        options = self.options
        options.args = [f"{folder}/{ORDERS}"]
        options.output_dir = f"{folder}/{RESULTS}"
        options.check_input_paths = False
        if job.runner not in ON_A_CLUSTER:  # what failed has been told; see run_mapper
            options.cleanup_on_failure = options.cleanup_on_failure or ["ALL"]
        if job.runner == "hadoop" and folder.startswith("hdfs://"):
            # mrjob would make a folder of the account's, which may not be that of HDFS's user; and
            # start a JVM to remove it, where this job removes all that is temporary.
            if not settings.keeps_hadoop_tmp_dir:
                options.hadoop_tmp_dir = f"{folder}/mrjob"
            if not settings.keeps_cleanup:
                options.cleanup = ["LOCAL_TMP"]
        if not settings.keeps_bootstrap:
            options.bootstrap_mrjob = False  # it is where this library is

    def hadoop_input_format(self) -> str | None:
        """See :class:`MRJob`; other runners would warn of one."""
        return _ORDERS_FORMAT if self.options.runner in ON_A_CLUSTER else None

    def hadoop_output_format(self) -> str | None:
        """See :class:`MRJob`; without reducers nothing is printed."""
        on_a_cluster = self.options.runner in ON_A_CLUSTER
        return _NO_RESULTS_FORMAT if on_a_cluster and not self._gives_pairs else None

    # --- in a task ---

    def run_mapper(self, step_num: int = 0) -> None:
        """Run a task: its orders come over stdin, and what it has read from files is written to
        files; only pairs for a reducer are printed."""
        with self._in_a_task():
            if step_num != 0:
                super().run_mapper(step_num)
                return
            with contextlib.ExitStack() as self._on_failure:
                super().run_mapper(step_num)
                self.stdout.flush()
                self._task.finish()
                self._on_failure.pop_all()

    def run_combiner(self, step_num: int = 0) -> None:
        """See :class:`MRJob`."""
        with self._in_a_task():
            super().run_combiner(step_num)

    def run_reducer(self, step_num: int = 0) -> None:
        """See :class:`MRJob`."""
        with self._in_a_task():
            super().run_reducer(step_num)

    @contextlib.contextmanager
    def _in_a_task(self) -> Iterator[None]:
        """What all tasks have in common: who they are, when they end, what they print and say."""
        act_as_the_job_s_user()
        self._store = ClusterStore()
        with failures_told(self._store, os.path.dirname(self.options.task)):
            self._plan = TaskPlan.from_bytes(self._store.read(self.options.task))
            with stdout_is_data(self), logging_at(self._plan.job.options.log_level):
                yield

    def mapper_init(self) -> None:
        """Load the models, or find them loaded."""
        self._task = Task(self._plan, self._store, functools.partial(count, self))
        self._on_failure.callback(self._task.abandon)

    def mapper(self, _: None, line: str) -> Iterator[tuple[Any, Any]]:
        """Score what one order names."""
        for record, prediction in self._task.score(Order.from_line(line)):
            yield from self.key_values(record, prediction)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line of :class:`ScoreJob`, and return the exit code."""
    return ScoreJob.main(argv)


if __name__ == "__main__":
    ScoreJob.run()
