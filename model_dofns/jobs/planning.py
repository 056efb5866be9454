"""A job, with everything settled that can be settled at launch."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from model_dofns.exceptions import OutputFolderError, UsageError
from model_dofns.formats.base import Format, Layout
from model_dofns.jobs.inputs import match_input
from model_dofns.jobs.options import JobOptions
from model_dofns.jobs.output_folder import OutputFolder
from model_dofns.jobs.store import Store, absolute
from model_dofns.manifest import InputFile, now
from model_dofns.model_spec import ModelMetadata, ModelSpec
from model_dofns.models_file import resolve_model
from model_dofns.scorer import Scorer
from model_dofns.settling import settle


@dataclass(frozen=True)
class Job:
    """A job with everything settled that can be settled at launch; it travels to the workers.

    Attributes:
        id: unique, and sorts by time.
        started: when, in UTC.
        engine: ``beam`` or ``mapreduce``.
        runner: what the engine runs it on, by its name there.
        store: where all of its files are.
        spec: the model.
        metadata: what the model says of itself; None where it is not loaded at launch.
        files, formats, layout: the input, and how its records are read and written.
        output: the output folder, absolute: a worker has a working folder of its own.
        options: the command line.
    """

    id: str
    started: str
    engine: str
    runner: str
    store: Store
    spec: ModelSpec
    metadata: ModelMetadata | None
    files: tuple[InputFile, ...]
    formats: Mapping[str, Format]
    layout: Layout
    output: str
    options: JobOptions

    @property
    def folder(self) -> OutputFolder:
        return OutputFolder(self.store, self.output, self.id, self.started)

    @property
    def output_format(self) -> Format:
        """What predictions are written in."""
        assert self.layout.output_format is not None
        return self.formats[self.layout.output_format]


def plan(options: JobOptions, store: Store, engine: str, runner: str) -> Job:
    """Settle the model, the input and the output folder; nothing is written yet.

    Raises:
        DoesNotFitError: one of them does not exist or does not fit.
    """
    # Before a model is loaded, as that may change the working folder.
    output = absolute(options.output).rstrip("/")
    if output.endswith(":"):
        raise OutputFolderError(f"the output {options.output} names no folder: name one below it")
    patterns = [absolute(pattern) for pattern in options.input]
    store.check_access([*patterns, absolute(options.output)])
    spec = resolve_model(options.model, options.models, options.expect_version)
    layout, metadata = options.layout, None
    if options.preflight:
        scorer = Scorer(spec, layout)
        layout, metadata = scorer.layout, scorer.metadata
    settled = settle(
        match_input(store, patterns), layout, options.csv, store.open, options.input_format
    )
    job = Job(
        id=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}",
        started=now(),
        engine=engine,
        runner=runner,
        store=store,
        spec=spec,
        metadata=metadata,
        files=settled.files,
        formats=settled.formats,
        layout=settled.layout,
        output=output,
        options=options,
    )
    if options.compression not in (None, *job.output_format.compressions):
        raise UsageError(
            f"--compression {options.compression} is none of {job.output_format.name}'s, which"
            f" are: {', '.join(job.output_format.compressions)}"
        )
    _refuse_overlap(job)
    return job


def _refuse_overlap(job: Job) -> None:
    folder = job.folder.path
    if any(character in folder for character in "*?["):
        raise OutputFolderError(
            f"the output folder {folder} has a character of a glob (*, ? or [) in its name"
        )
    canonical = job.store.canonical
    real_folder = canonical(folder)
    for file in job.files:
        if canonical(file.path).startswith(real_folder + "/"):
            raise OutputFolderError(
                f"the input file {file.path} is in the output folder {folder}: name another folder"
            )
