"""Beam's runner, as the command line asks for it, with nothing to run yet."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import (
    ExtendedProvisionInfo,
    FnApiRunner,
)
from apache_beam.runners.portability.portable_runner import JobServiceHandle

from beam_jobs.logs import set_levels_of_workers
from beam_jobs.options import Options
from model_dofns.exceptions import UsageError
from model_dofns.jobs.threads import environment_of_each

# The runner that needs nothing but this process; Beam's DirectRunner may be one of several.
DEFAULT_RUNNER = "FnApiRunner"


def empty_pipeline(options: Options) -> beam.Pipeline:
    """A pipeline on the runner that was asked for; its flags are checked, and nothing is started.

    Raises:
        UsageError: there is no such runner, or its flags make no sense.
    """
    pipeline_options = PipelineOptions(list(options.pipeline_args))
    set_levels_of_workers(pipeline_options, options.log_level)
    standard = pipeline_options.view_as(StandardOptions)
    standard.runner = standard.runner or DEFAULT_RUNNER
    try:
        pipeline = beam.Pipeline(options=pipeline_options)
    except (ValueError, ImportError) as error:
        raise UsageError(f"--runner {standard.runner}: {error}") from error
    if type(pipeline.runner) is FnApiRunner:
        pipeline.runner = FnApiRunner(provision_info=_provision(pipeline_options))
    return pipeline


def runner_name(pipeline: beam.Pipeline) -> str:
    """The name of a pipeline's runner, as it was asked for."""
    return str(pipeline.options.view_as(StandardOptions).runner)


@contextlib.contextmanager
def cores_shared(pipeline: beam.Pipeline) -> Iterator[None]:
    """While a pipeline runs, have worker processes of this machine share its cores.

    Beam starts them, with the environment of this process.
    """
    direct = pipeline.options.view_as(DirectOptions)
    workers = 1
    if direct.direct_running_mode == "multi_processing":
        workers = direct.direct_num_workers or os.cpu_count() or 1  # 0 is as many as there are
    added = environment_of_each(workers)
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _provision(options: PipelineOptions) -> ExtendedProvisionInfo:
    """What worker processes are told: the flags, which FnApiRunner alone of Beam's runners keeps.

    Without them workers log at a level of their own, and know no flag of a file system either.
    """
    told = JobServiceHandle.encode_pipeline_options(options.get_all_options(drop_default=True))
    return ExtendedProvisionInfo(
        beam_provision_api_pb2.ProvisionInfo(
            retrieval_token="unused-retrieval-token",  # as the runner itself has it
            pipeline_options=told,
        )
    )
