"""The job as a pipeline: built as a graph, with the manifest as its last stage.

The way of the data: files are cut into ranges; the ranges, and they alone, are spread over the
workers; a worker reads its range in blocks, scores each and writes what comes of it into part
files; when all are written they get their final names; last comes the manifest.

What the graph carries is here and not in :mod:`beam_jobs.score`, which runs as ``__main__``, where
other processes could not import it.
"""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Iterable

import apache_beam as beam
from apache_beam.pvalue import AsIter

from beam_jobs.files import BLOCKS, UNREADABLE, ReadBlocks
from beam_jobs.options import Options
from beam_jobs.sink import PartsSink, from_text
from beam_jobs.stores import BeamStore, use_options
from model_dofns.counters import Report
from model_dofns.dofns import MODELS, PREDICTIONS, RECORDS_READ, REJECTS, ScoreDoFn
from model_dofns.formats.base import Block
from model_dofns.jobs import planning
from model_dofns.jobs.accounts import file_reject, write_manifest
from model_dofns.jobs.parts import PredictionsPart, RejectsPart
from model_dofns.jobs.planning import Job
from model_dofns.jobs.reading import FileRange, cut_into_ranges, whole
from model_dofns.manifest import InputFile
from model_dofns.model_spec import ModelMetadata
from model_dofns.scorer import ScoredRecords


def plan(options: Options, runner: str = "") -> Job:
    """Settle the model, the input and the output folder; nothing is written yet.

    Raises:
        DoesNotFitError: one of them does not exist or does not fit.
    """
    use_options(options.pipeline_args)
    return planning.plan(options, BeamStore(), "beam", runner)


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
            | "Cut into ranges" >> beam.FlatMap(_ranges, job)
            | "Spread over workers" >> beam.Reshuffle()
        )
    reader = ReadBlocks(
        job.store,
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
        unreadable
        | "Bad files as rejects" >> beam.MapTuple(lambda path, why: file_reject(path, *why)),
    ) | "All rejects" >> beam.Flatten()

    folder = job.folder
    predictions_sink = PartsSink(
        job.store,
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
        job.store,
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
            _write_manifest,
            AsIter(scored[PREDICTIONS] | "Write predictions" >> beam.io.Write(predictions_sink)),
            AsIter(rejects | "Write rejects" >> beam.io.Write(rejects_sink)),
            AsIter(scored[RECORDS_READ] | "Sum records by file" >> beam.CombinePerKey(sum)),
            AsIter(unreadable),
            AsIter(scored[MODELS]),
        )
    )


def _ranges(file: InputFile, job: Job) -> list[tuple[FileRange]]:
    """Each range alone, as they are read side by side."""
    ranges = cut_into_ranges(file, job.store, job.formats, job.layout.max_record_bytes)
    return [(each,) for each in ranges]


def _write_manifest(
    job: Job,
    outputs: Iterable[str],
    rejects: Iterable[str],
    records_by_file: Iterable[tuple[str, int]],
    unreadable: Iterable[tuple[str, tuple[str, str]]],
    models: Iterable[ModelMetadata],
) -> str:
    """The last stage; it returns the job's status."""
    return write_manifest(
        job,
        map(from_text, outputs),
        map(from_text, rejects),
        dict(records_by_file),
        {path: message for path, (message, _) in unreadable},
        models,
    ).status
