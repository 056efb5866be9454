"""What a job would do, for ``--plan``: said before anything is written."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from model_dofns.exceptions import UnreadableFileError
from model_dofns.formats.compression import without_suffix
from model_dofns.formats.partitions import partitions_of
from model_dofns.jobs.planning import Job
from model_dofns.jobs.sample import (
    SAMPLE_FILES,
    SAMPLE_RECORDS,
    FileSample,
    estimate_records,
    sample_file,
    some,
)
from model_dofns.jobs.summary import common_folder, many, one_line, reason_lines
from model_dofns.reasons import ReasonTally
from model_dofns.rejects import STAGES
from model_dofns.schemas import record_schema
from model_dofns.scorer import Scorer

_SHOWN_FILES: Final = 3
_SHOWN_COLUMNS: Final = 8
_LOOKED_AT: Final = 100  # records, for the names of their fields


def forecast(job: Job, *, replaces: bool) -> str:
    """What a job would read, score and write; the beginnings of some files are tried.

    Args:
        job: the job.
        replaces: whether an earlier job's files stand in its output folder.

    Raises:
        ScoringError: as the job would, of a file that cannot be read, or a model that always fails.
    """
    samples, unreadable = _samples(job)
    sections = {
        "model": _model(job),
        "runner": [job.runner],
        "input": _input(job),
        "records": _records(job, samples),
        "fields read": _fields_read(job, samples),
        "fields written": _fields_written(job, samples),
        "sample": [*unreadable, *_tried(job, samples)],
        "output": _output(job, replaces),
    }
    lines = []
    for name, texts in sections.items():
        for i, text in enumerate(texts):
            lines.append(f"{name if i == 0 else '':<16}{text}")
    return "\n".join([*lines, "", "Nothing has been written."])


def _samples(job: Job) -> tuple[list[FileSample], list[str]]:
    """The samples, and what to say of files that cannot be read."""
    samples, unreadable = [], []
    files = some([file for file in job.files if file.bytes] or list(job.files), SAMPLE_FILES)
    for file in files:
        try:
            samples.append(sample_file(job, file, SAMPLE_RECORDS // len(files)))
        except UnreadableFileError as error:
            if not job.options.skip_bad_files:
                raise
            unreadable.append(f"would be skipped: {error}")
    return samples, unreadable


def _model(job: Job) -> list[str]:
    if job.metadata is None:
        return [job.spec.class_path, "not loaded here, as --no_preflight says"]
    model = job.metadata
    return [f"{model.qualified_name} {model.version}: {model.display_name}", job.spec.class_path]


def _input(job: Job) -> list[str]:
    kinds = Counter(_suffix(file.path) for file in job.files)
    size = sum(file.bytes for file in job.files)
    by_kind = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(kinds.items()))
    paths = [one_line(file.path) for file in job.files[:_SHOWN_FILES]]
    if more := job.files[_SHOWN_FILES:]:
        paths.append(f"… and {len(more):,} more")
    return [f"{many(len(job.files), 'file')}, {size:,} bytes: {by_kind}", *paths]


def _suffix(path: str) -> str:
    """Of a file's name, with that of a codec: ``".jsonl.gz"``."""
    plain = without_suffix(path)
    return os.path.splitext(plain)[1] + path[len(plain) :] or "without a suffix"


def _records(job: Job, samples: Sequence[FileSample]) -> list[str]:
    estimate = estimate_records(job, samples)
    limit = job.options.limit
    limited = [f"of which the first {limit:,} are scored, as --limit says"] if limit else []
    if estimate.exact:
        return [f"{estimate.records:,}", *limited]
    rounded = round(estimate.records, 3 - len(str(estimate.records)))
    return [f"about {rounded:,}, by the size of those looked at", *limited]


def _fields_read(job: Job, samples: Sequence[FileSample]) -> list[str]:
    if job.metadata is None:
        return ["not known before the model is loaded"]
    schema = record_schema(job.spec.load().input_schema)
    names, where = _names_in_first(job, samples)
    rows = []
    for field in schema.described_fields():
        found = "" if names is None else "found" if names & schema.keys[field.name] else "NOT FOUND"
        rows.append((field.name, one_line(field.type, 40), one_line(field.default, 28), found))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{t:<{w}}" for t, w in zip(row, widths, strict=True)) for row in rows]
    return [*(line.rstrip() for line in lines), *([f"looked for in {where}"] if where else [])]


def _names_in_first(job: Job, samples: Sequence[FileSample]) -> tuple[set[str] | None, str]:
    """The names of fields in the first file that can be read, and how they were looked for."""
    if not samples:
        return None, ""
    sample = samples[0]
    format_ = job.formats[sample.file.format]
    path = sample.file.path
    with job.store.open(path) as opened:
        names = set(format_.column_names(format_.opened(opened, path)))
    if names:
        return names | partitions_of(path).keys(), one_line(path)
    looked_at = 0
    scorer = _scorer(job)
    for block in sample.blocks:
        records = format_.records(block, scorer.layout)
        rows = range(min(len(records), _LOOKED_AT - looked_at))
        looked_at += len(rows)
        for record in records.parse(rows):
            if not isinstance(record, Exception):
                names |= set(record)
    return (
        (names, f"the first {many(looked_at, 'record')} of {one_line(path)}")
        if looked_at
        else (None, "")
    )


def _fields_written(job: Job, samples: Sequence[FileSample]) -> list[str]:
    layout, name = job.layout, job.options.prediction_field
    names, _ = _names_in_first(job, samples) if layout.keep_fields else (None, "")
    missing = [] if names is None else [n for n in layout.keep_fields or () if n not in names]
    if layout.schema is not None:
        fields = [(field.name, f"{field.type}, as a column") for field in layout.schema]
        if len(fields) > _SHOWN_COLUMNS:
            more = len(fields) - _SHOWN_COLUMNS
            fields = [*fields[:_SHOWN_COLUMNS], (f"… and {more:,} more", "")]
    elif layout.keep_fields is None:
        fields = [("the record", "as it came")]
    else:
        fields = [(kept, "as it came") for kept in layout.keep_fields if kept not in missing]
    fields += [(kept, "NOT FOUND in the sample") for kept in missing]
    if job.metadata is None:
        fields.append((name, "of which the fields are not known yet"))
    else:
        # In JSON the prediction is an object; elsewhere it is columns.
        joint = "." if job.output_format.name == "jsonl" else "_"
        described = record_schema(job.spec.load().output_schema).described_fields()
        types = {field.name: one_line(field.type, 40) for field in described}
        fields += [
            (name + joint + output, types.get(output, "str")) for output in layout.output_names
        ]
    width = max(len(field) for field, _ in fields)
    return [f"{field:<{width}}  {what}".rstrip() for field, what in fields]


def _tried(job: Job, samples: Sequence[FileSample]) -> Iterator[str]:
    """What became of the sample's records."""
    if job.metadata is None:
        yield "not tried, as the model is not loaded here"
        return
    scorer, tally = _scorer(job), ReasonTally()
    read = scored = 0
    for block in (block for sample in samples for block in sample.blocks):
        result = scorer.score(block)
        read, scored = read + result.records_read, scored + result.records_scored
        for reject in result.rejects:
            tally.add(reject)
    rejected = read - scored
    yield (
        f"of {many(read, 'record')} from {many(len(samples), 'file')} {scored:,} would be scored,"
        f" and {rejected:,} rejected"
    )
    folder = common_folder(file.path for file in job.files)
    reasons = tally.reasons()
    for stage in STAGES:
        if count := sum(reason.count for reason in reasons if reason.stage == stage):
            yield from reason_lines(stage, count, reasons, folder)
    if not job.options.max_errors.allows(rejected, read):
        yield f"That is more than --max_errors {job.options.max_errors} allows: see --help"


def _output(job: Job, replaces: bool) -> list[str]:
    suffix = job.output_format.part_suffix(job.options.compression)
    named = job.options.compression or f"{job.output_format.compressions[0]}, the default"
    lines = [job.output, f"part-*{suffix}, compression {named}"]
    if replaces:
        lines.append("replacing what an earlier job wrote there, as --overwrite says")
    return lines


def _scorer(job: Job) -> Scorer:
    """One that knows nothing of what another one has seen: a model that fails always is found."""
    return Scorer(job.spec, job.layout, formats=job.formats, batch_size=job.options.batch_size)
