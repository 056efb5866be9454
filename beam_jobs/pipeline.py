"""The job as a pipeline: planned at launch, built as a graph, and the manifest as its last stage.

The way of the data: files are cut into ranges; the ranges, and they alone, are spread over the
workers; a worker reads its range in blocks, scores each and writes what comes of it into part
files; when all are written they get their final names; last comes the manifest.

What the graph carries is here and not in :mod:`beam_jobs.score`, which runs as ``__main__``, where
other processes could not import it.
"""

from __future__ import annotations

import functools
import os
import posixpath
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsIter

from beam_jobs.files import (
    BLOCKS,
    UNREADABLE,
    ReadBlocks,
    absolute,
    cut_into_ranges,
    match_input,
    open_file,
    whole,
)
from beam_jobs.options import Options
from beam_jobs.output_folder import OutputFolder
from beam_jobs.sink import PartsSink, PredictionsPart, RejectsPart, from_text
from beam_jobs.stores import check_access, is_url, use_options
from model_dofns.counters import Report
from model_dofns.dofns import MODELS, PREDICTIONS, RECORDS_READ, REJECTS, ScoreDoFn, ScoredRecords
from model_dofns.exceptions import OutputFolderError, ScoringError, UsageError
from model_dofns.formats.base import Block, Format, Layout
from model_dofns.manifest import (
    DONE,
    TOO_MANY_ERRORS,
    InputFile,
    Manifest,
    now,
    sum_of_records,
)
from model_dofns.model_spec import ModelMetadata, ModelSpec
from model_dofns.models_file import resolve_model
from model_dofns.reasons import merged
from model_dofns.rejects import READ_STAGE, Reject
from model_dofns.scorer import Scorer
from model_dofns.settling import settle


@dataclass(frozen=True)
class Job:
    """A job with everything settled that can be settled at launch; it travels with the graph.

    Attributes:
        id: unique, and sorts by time.
        started: when, in UTC.
        runner: the name of Beam's runner.
        spec: the model.
        metadata: what the model says of itself; None where it is not loaded at launch.
        files, formats, layout: the input, and how its records are read and written.
        output: the output folder, absolute: a worker has a working folder of its own.
        options: the command line.
    """

    id: str
    started: str
    runner: str
    spec: ModelSpec
    metadata: ModelMetadata | None
    files: tuple[InputFile, ...]
    formats: Mapping[str, Format]
    layout: Layout
    output: str
    options: Options

    @property
    def folder(self) -> OutputFolder:
        return OutputFolder(self.output, self.id, self.started)

    @property
    def output_format(self) -> Format:
        """What predictions are written in."""
        assert self.layout.output_format is not None
        return self.formats[self.layout.output_format]


def plan(options: Options, runner: str = "") -> Job:
    """Settle the model, the input and the output folder; nothing is written yet.

    Raises:
        DoesNotFitError: one of them does not exist or does not fit.
    """
    # Before a model is loaded, as that may change the working folder.
    output = absolute(options.output).rstrip("/")
    patterns = [absolute(pattern) for pattern in options.input]
    use_options(options.pipeline_args)
    check_access([*patterns, absolute(options.output)])
    spec = resolve_model(options.model, options.models, options.expect_version)
    layout, metadata = options.layout, None
    if options.preflight:
        scorer = Scorer(spec, layout)
        layout, metadata = scorer.layout, scorer.metadata
    settled = settle(match_input(patterns), layout, options.csv, open_file, options.input_format)
    job = Job(
        id=f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}",
        started=now(),
        runner=runner,
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
    real_folder = _real(folder)
    for file in job.files:
        if _real(file.path).startswith(real_folder + "/"):
            raise OutputFolderError(
                f"the input file {file.path} is in the output folder {folder}: name another folder"
            )


def _real(path: str) -> str:
    """A local path without links; a URL as it is."""
    return path if is_url(path) else os.path.realpath(path)


def build(root: beam.Pipeline, job: Job, report: Report | None = None) -> beam.PCollection:
    """Add a job to a pipeline; nothing runs and nothing is written.

    Args:
        root: the pipeline.
        job: the job.
        report: told on workers what they count, as they do; it travels with the graph.

    Returns:
        The job's status, one element, once the manifest is written.
    """
    options = job.options
    ranges = root | "Input files" >> beam.Create(
        # A limit is for the first records, so one worker reads the files one after the other.
        [list(map(whole, job.files))] if options.limit else job.files
    )
    if not options.limit:
        ranges = (
            ranges
            | "Cut into ranges"
            >> beam.FlatMap(cut_into_ranges, job.formats, job.layout.max_record_bytes)
            | "Spread over workers" >> beam.Reshuffle()
        )
    reader = ReadBlocks(
        job.formats,
        job.layout,
        skip_bad_files=options.skip_bad_files,
        limit=options.limit,
        report=report,
    )
    read = ranges | "Read blocks" >> beam.ParDo(reader).with_output_types(Block).with_outputs(
        UNREADABLE, main=BLOCKS
    )
    score = ScoreDoFn(
        job.spec, job.layout, formats=job.formats, batch_size=options.batch_size, report=report
    )
    scored = read[BLOCKS] | "Score" >> beam.ParDo(score).with_output_types(
        ScoredRecords
    ).with_outputs(REJECTS, RECORDS_READ, MODELS, main=PREDICTIONS)

    unreadable = read[UNREADABLE] | "Name each bad file once" >> beam.CombinePerKey(min)
    rejects = (
        scored[REJECTS],
        unreadable | "Bad files as rejects" >> beam.MapTuple(_file_reject),
    ) | "All rejects" >> beam.Flatten()

    folder = job.folder
    predictions_sink = PartsSink(
        folder.path,
        posixpath.join(folder.temporary, "predictions"),
        job.output_format.part_suffix(options.compression),
        functools.partial(
            PredictionsPart, format_=job.output_format, compression=options.compression
        ),
        folder.refuse_if_taken,
        num_shards=options.num_shards,
    )
    rejects_sink = PartsSink(
        folder.rejects,
        posixpath.join(folder.temporary, "rejects"),
        ".jsonl",
        RejectsPart,
        folder.refuse_if_taken,
    )
    return (
        root
        | "When all is written" >> beam.Create([job])
        | "Write manifest"
        >> beam.Map(
            write_manifest,
            AsIter(scored[PREDICTIONS] | "Write predictions" >> beam.io.Write(predictions_sink)),
            AsIter(rejects | "Write rejects" >> beam.io.Write(rejects_sink)),
            AsIter(scored[RECORDS_READ] | "Sum records by file" >> beam.CombinePerKey(sum)),
            AsIter(unreadable),
            AsIter(scored[MODELS]),
        )
    )


def _file_reject(path: str, reason: tuple[str, str]) -> Reject:
    message, format_name = reason
    return Reject(
        stage=READ_STAGE,
        error="UnreadableFileError",
        message=message,
        source={},
        format=format_name,
        file=path,
        model=None,
        version=None,
    )


def write_manifest(
    job: Job,
    outputs: Iterable[str],
    rejects: Iterable[str],
    records_by_file: Iterable[tuple[str, int]],
    unreadable: Iterable[tuple[str, tuple[str, str]]],
    models: Iterable[ModelMetadata],
) -> str:
    """The last stage: hold the sums against each other, write the manifest, return the status.

    Raises:
        ScoringError: a record is not accounted for, or workers scored with different models.
    """
    output_files = tuple(sorted(map(from_text, outputs), key=lambda file: file.path))
    reject_files = tuple(sorted(map(from_text, rejects), key=lambda file: file.path))
    read = dict(records_by_file)
    errors = {path: message for path, (message, _) in unreadable}
    if len(errors) == len(job.files):
        raise ScoringError(f"none of the {len(errors)} files could be read: {min(errors.values())}")
    records = sum_of_records(sum(read.values()), output_files, reject_files)
    allowed = job.options.max_errors.allows(sum(records["rejected"].values()), records["read"])
    manifest = Manifest(
        job=job.id,
        started=job.started,
        ended=now(),
        engine="beam",
        runner=job.runner,
        model={
            "class": job.spec.class_path,
            "configuration": job.spec.shown_configuration,
            **_one_model(job, set(models)),
        },
        options=job.options.shown(),
        inputs=tuple(
            replace(file, records=read.get(file.path, 0), error=errors.get(file.path))
            for file in job.files
        ),
        outputs=output_files,
        rejects=reject_files,
        records=records,
        reasons=merged(reason for file in reject_files for reason in file.reasons),
        status=DONE if allowed else TOO_MANY_ERRORS,
    )
    job.folder.commit(manifest)
    job.folder.remove_temporary()
    return manifest.status


def _one_model(job: Job, models: set[ModelMetadata]) -> dict[str, Any]:
    if job.metadata is not None:
        models = models | {job.metadata}
    if len(models) > 1:
        found = ", ".join(sorted(f"{model.qualified_name} {model.version}" for model in models))
        raise ScoringError(
            f"{job.spec.class_path} is not the same model everywhere: launcher and workers have"
            f" {found}; install one version in all of them"
        )
    return asdict(models.pop()) if models else {}
