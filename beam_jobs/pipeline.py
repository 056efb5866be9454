"""The job as a pipeline: built as a graph, with the manifests as its last stage.

The way of the data: files are cut into ranges; the ranges, and they alone, are spread over the
workers; a worker reads its range in blocks, scores each with every model and writes what comes of
it into part files of that model's. What it says of them is added up, and crosses to one last stage,
which gives the files their final names and writes the manifests.

What the graph carries is here and not in :mod:`beam_jobs.score`, which runs as ``__main__``, where
other processes could not import it.
"""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Iterable
from typing import Final

import apache_beam as beam
from apache_beam.pvalue import AsIter

from beam_jobs.files import BLOCKS, UNREADABLE, ReadBlocks
from beam_jobs.options import Options
from beam_jobs.routing import NOTHING, RouteBlocks, tag_of
from beam_jobs.sink import PartFiles, WriteParts
from beam_jobs.stores import BeamStore, use_options
from model_dofns.counters import Report
from model_dofns.dofns import MODELS, PREDICTIONS, RECORDS_READ, REJECTS, ScoreDoFn
from model_dofns.formats.base import Block
from model_dofns.jobs import planning
from model_dofns.jobs.committing import commit
from model_dofns.jobs.output_folder import OutputFolder
from model_dofns.jobs.parts import PredictionsPart, RejectsPart
from model_dofns.jobs.planning import Job
from model_dofns.jobs.reading import FileRange, cut_into_ranges, whole
from model_dofns.jobs.shares import Share, merged
from model_dofns.jobs.targets import Target
from model_dofns.manifest import InputFile, OutputFile
from model_dofns.model_spec import ModelMetadata
from model_dofns.scorer import ScoredRecords

# Shares have the number of their model for a key, and this one where they are of none.
_REST: Final = -1
_KeyedShare = tuple[int, Share]


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
    shares = [read[UNREADABLE] | "Bad files" >> beam.MapTuple(_share_of_bad_file)]
    if job.router is None:
        # Each block goes to one model after the other, where it was read.
        for number in range(len(job.targets)):
            shares += _scored(job, number, read[BLOCKS], report)
    else:
        numbers = range(len(job.targets))
        route = beam.ParDo(RouteBlocks(job.router, report)).with_outputs(
            *map(tag_of, numbers), REJECTS, RECORDS_READ, main=NOTHING
        )
        routed = read[BLOCKS] | "Find their models" >> route
        for number in numbers:
            blocks = routed[tag_of(number)]
            blocks.element_type = Block
            shares += _scored(job, number, blocks, report)
        shares += [
            routed[REJECTS] | "Write rejects" >> _write_rejects(job, job.folder, _REST),
            routed[RECORDS_READ] | "Records by file" >> beam.Map(_share_of_read, _REST),
        ]
    summed = (
        shares
        | "All that was done" >> beam.Flatten()
        | "Sum by model" >> beam.CombinePerKey(_SumOfShares())
    )
    return (
        root
        | "When all is written" >> beam.Impulse()
        | "Commit" >> beam.FlatMap(_commit, job, AsIter(summed))
    )


def _scored(
    job: Job, number: int, blocks: beam.PCollection, report: Report | None
) -> list[beam.PCollection]:
    """Score blocks with one of the models, and write what comes of them.

    Returns:
        The shares of what has been done.
    """
    options, target = job.options, job.targets[number]
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
    return [
        scored[PREDICTIONS] | named("Write predictions") >> _write_predictions(job, target, number),
        scored[REJECTS] | named("Write rejects") >> _write_rejects(job, target.folder, number),
        scored[RECORDS_READ] | named("Records by file") >> beam.Map(_share_of_read, number),
        scored[MODELS] | named("Models") >> beam.Map(_share_of_model, number),
    ]


def _write_predictions(job: Job, target: Target, number: int) -> WriteParts:
    compression = job.options.compression
    files = PartFiles(
        job.store,
        posixpath.join(target.folder.temporary, "predictions"),
        target.output_format.part_suffix(compression),
        functools.partial(PredictionsPart, format_=target.output_format, compression=compression),
    )
    told = functools.partial(_share_of_outputs, number=number)
    return WriteParts(files, told, job.options.num_shards)


def _write_rejects(job: Job, folder: OutputFolder, number: int) -> WriteParts:
    temporary = posixpath.join(folder.temporary, "rejects")
    told = functools.partial(_share_of_rejects, number=number)
    return WriteParts(PartFiles(job.store, temporary, ".jsonl", RejectsPart), told)


def _ranges(file: InputFile, job: Job) -> list[tuple[FileRange]]:
    """Each range alone, as they are read side by side."""
    ranges = cut_into_ranges(file, job.store, job.formats, job.options.max_record_bytes)
    return [(each,) for each in ranges]


def _share_of_bad_file(path: str, why: tuple[str, str]) -> _KeyedShare:
    return _REST, Share(unreadable={path: why})


def _share_of_read(read: tuple[str, int], number: int) -> _KeyedShare:
    return number, Share(read=dict([read]))


def _share_of_model(model: ModelMetadata, number: int) -> _KeyedShare:
    return number, Share(models=(model,))


def _share_of_outputs(files: list[OutputFile], number: int) -> _KeyedShare:
    return number, Share(outputs=tuple(files))


def _share_of_rejects(files: list[OutputFile], number: int) -> _KeyedShare:
    return number, Share(rejects=tuple(files))


class _SumOfShares(beam.CombineFn):  # type: ignore[misc]  # Beam's classes are not typed
    """Adds up shares; of those that a worker has, the sum crosses the shuffle."""

    def create_accumulator(self) -> list[Share]:
        return []

    def add_input(self, accumulator: list[Share], share: Share) -> list[Share]:
        accumulator.append(share)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[list[Share]]) -> list[Share]:
        return [share for accumulator in accumulators for share in accumulator]

    def compact(self, accumulator: list[Share]) -> list[Share]:
        return [merged(accumulator)]

    def extract_output(self, accumulator: list[Share]) -> Share:
        return merged(accumulator)


def _commit(_: bytes, job: Job, summed: Iterable[_KeyedShare]) -> list[str]:
    """The last stage; it returns the status of each folder."""
    share_of = dict(summed)
    shares = [share_of.get(number, Share()) for number in range(len(job.targets))]
    return [manifest.status for manifest in commit(job, shares, share_of.get(_REST, Share()))]
