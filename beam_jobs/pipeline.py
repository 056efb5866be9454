"""The job as a pipeline: built as a graph, with the manifests as its last stage.

The way of the data: files are cut into ranges; the ranges, and they alone, are spread over the
workers; a worker reads its range in blocks, scores each with every model and writes what comes of
it into part files of that model's; when all are written they get their final names; last come the
manifests.

What the graph carries is here and not in :mod:`beam_jobs.score`, which runs as ``__main__``, where
other processes could not import it.
"""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Iterable
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsIter

from beam_jobs.files import BLOCKS, UNREADABLE, ReadBlocks
from beam_jobs.options import Options
from beam_jobs.routing import NOTHING, RouteBlocks, tag_of
from beam_jobs.sink import PartsSink, from_text
from beam_jobs.stores import BeamStore, use_options
from model_dofns.counters import Report
from model_dofns.dofns import MODELS, PREDICTIONS, RECORDS_READ, REJECTS, ScoreDoFn
from model_dofns.formats.base import Block
from model_dofns.jobs import planning
from model_dofns.jobs.accounts import Account, Unrouted, file_reject, write_manifests
from model_dofns.jobs.output_folder import OutputFolder
from model_dofns.jobs.parts import PredictionsPart, RejectsPart
from model_dofns.jobs.planning import Job
from model_dofns.jobs.reading import FileRange, cut_into_ranges, whole
from model_dofns.jobs.targets import Target
from model_dofns.manifest import InputFile
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
        The status of each of the job's folders, once all manifests are written.
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
        options.layout,
        skip_bad_files=options.skip_bad_files,
        limit=options.limit,
        report=report,
    )
    read = ranges | "Read blocks" >> beam.ParDo(reader).with_output_types(Block).with_outputs(
        UNREADABLE, main=BLOCKS
    )
    unreadable = read[UNREADABLE] | "Name each bad file once" >> beam.CombinePerKey(min)
    bad_files = unreadable | "Bad files as rejects" >> beam.MapTuple(
        lambda path, why: file_reject(path, *why)
    )
    written = []  # what the manifests are made of, as _write_manifests takes it
    if job.router is None:
        # Each block goes to one model after the other, where it was read.
        for target in job.targets:
            written += _scored(job, target, read[BLOCKS], bad_files, report)
    else:
        numbers = range(len(job.targets))
        route = beam.ParDo(RouteBlocks(job.router, report)).with_outputs(
            *map(tag_of, numbers), REJECTS, RECORDS_READ, main=NOTHING
        )
        routed = read[BLOCKS] | "Find their models" >> route
        for number, target in enumerate(job.targets):
            blocks = routed[tag_of(number)]
            blocks.element_type = Block
            written += _scored(job, target, blocks, None, report)
        rejects = (routed[REJECTS], bad_files) | "All rejects" >> beam.Flatten()
        written += [
            rejects | "Write rejects" >> beam.io.Write(_rejects_sink(job, job.folder)),
            routed[RECORDS_READ] | "Sum records by file" >> beam.CombinePerKey(sum),
        ]
    return (
        root
        | "When all is written" >> beam.Create([job])
        | "Write manifest"
        >> beam.FlatMap(_write_manifests, AsIter(unreadable), *map(AsIter, written))
    )


def _scored(
    job: Job,
    target: Target,
    blocks: beam.PCollection,
    bad_files: beam.PCollection | None,
    report: Report | None,
) -> list[beam.PCollection]:
    """Score blocks with one of the models, and write what comes of them.

    Returns:
        Its files of predictions and of rejects, the records that it was given of each file, and
        what it says of itself.
    """
    options, folder = job.options, target.folder
    score = ScoreDoFn(
        target.spec,
        target.layout,
        formats=target.formats,
        batch_size=options.batch_size,
        report=report,
    )

    def named(stage: str) -> str:
        return f"{stage}: {target.name}" if options.is_several else stage

    scored = blocks | named("Score") >> beam.ParDo(score).with_output_types(
        ScoredRecords
    ).with_outputs(REJECTS, RECORDS_READ, MODELS, main=PREDICTIONS)
    rejects = scored[REJECTS]
    if bad_files is not None:
        rejects = (rejects, bad_files) | named("All rejects") >> beam.Flatten()
    predictions_sink = PartsSink(
        job.store,
        folder.path,
        posixpath.join(folder.temporary, "predictions"),
        target.output_format.part_suffix(options.compression),
        functools.partial(
            PredictionsPart, format_=target.output_format, compression=options.compression
        ),
        folder.refuse_if_taken,
        num_shards=options.num_shards,
    )
    return [
        scored[PREDICTIONS] | named("Write predictions") >> beam.io.Write(predictions_sink),
        rejects | named("Write rejects") >> beam.io.Write(_rejects_sink(job, folder)),
        scored[RECORDS_READ] | named("Sum records by file") >> beam.CombinePerKey(sum),
        scored[MODELS],
    ]


def _rejects_sink(job: Job, folder: OutputFolder) -> PartsSink:
    return PartsSink(
        job.store,
        folder.rejects,
        posixpath.join(folder.temporary, "rejects"),
        ".jsonl",
        RejectsPart,
        folder.refuse_if_taken,
    )


def _ranges(file: InputFile, job: Job) -> list[tuple[FileRange]]:
    """Each range alone, as they are read side by side."""
    ranges = cut_into_ranges(file, job.store, job.formats, job.options.max_record_bytes)
    return [(each,) for each in ranges]


def _write_manifests(
    job: Job, unreadable: Iterable[tuple[str, tuple[str, str]]], *written: Iterable[Any]
) -> list[str]:
    """The last stage; it returns the status of each folder.

    Args:
        job: the job.
        unreadable: files that could not be read.
        written: what :func:`_scored` returns, of one model after the other; then, where records
            name their models, the files of rejects of those that name none, and the records of
            each file.
    """
    last = 4 * len(job.targets)
    of_models = written[:last]
    accounts = [
        Account(
            target,
            outputs=[from_text(file) for file in outputs],
            rejects=[from_text(file) for file in rejects],
            read=dict(read),
            models=models,
        )
        for target, outputs, rejects, read, models in zip(
            job.targets, *(of_models[first::4] for first in range(4)), strict=True
        )
    ]
    unrouted = None
    if job.router is not None:
        rejects, read = written[last:]
        unrouted = Unrouted([from_text(file) for file in rejects], dict(read))
    errors = {path: message for path, (message, _) in unreadable}
    return [manifest.status for manifest in write_manifests(job, accounts, errors, unrouted)]
