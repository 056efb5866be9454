"""The first records of a few files, to say before a job what it would be like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

import pyarrow as pa

from model_dofns.exceptions import UnreadableFileError
from model_dofns.formats.base import Block
from model_dofns.jobs.planning import Job
from model_dofns.jobs.reading import CountingFile
from model_dofns.manifest import InputFile

SAMPLE_RECORDS: Final = 1_000
SAMPLE_FILES: Final = 5
# The records of so many files are counted by what the files themselves say, where they do.
COUNTED_FILES: Final = 100

_BLOCK_BYTES = 64 << 10
# The size of a record, as stored, takes more to tell: a codec reads ahead, and is slow to warm up.
_SIZED_BYTES = 1 << 20
_MAX_BYTES = 16 << 20  # of memory


@dataclass(frozen=True)
class FileSample:
    """What has been read of a file.

    Attributes:
        file: the file.
        blocks: its first records, about as many as were asked for.
        records: how many records have been read, of which the blocks may be a part.
        bytes: how many bytes of the file, as it is stored, those take; all of them if ``whole``.
        whole: whether that is all that is in the file.
    """

    file: InputFile
    blocks: tuple[Block, ...]
    records: int
    bytes: int
    whole: bool


def some(files: Sequence[InputFile], count: int) -> list[InputFile]:
    """As many of the files, spread evenly over their names; the first one is among them."""
    count = min(count, len(files))
    return [files[i * len(files) // count] for i in range(count)]


def sample_file(job: Job, file: InputFile, records: int) -> FileSample:
    """Read about so many records at the beginning of a file.

    Raises:
        UnreadableFileError: it cannot be read.
    """
    format_ = job.formats[file.format]
    (part,) = format_.ranges(file.path, file.bytes, range_bytes=max(file.bytes, 1))
    blocks: list[Block] = []
    read = size = 0
    # A codec reads ahead. Just before it reads on, what it has read is what the records took.
    bytes_before = mark_bytes = mark_records = 0
    try:
        with job.store.open(file.path) as opened:
            counting = CountingFile(opened)
            for block in format_.read_blocks(
                format_.opened(cast(BinaryIO, counting), file.path),
                part,
                block_bytes=_BLOCK_BYTES,
                max_record_bytes=job.options.layout.max_record_bytes,
            ):
                if counting.bytes > bytes_before:
                    mark_bytes, mark_records = bytes_before, read
                    bytes_before = counting.bytes
                found = format_.records(block, job.options.layout)
                if read < records:
                    left = records - read
                    blocks.append(block if len(found) <= left else found.first(left))
                read += len(found)
                size += block.nbytes
                if read >= records and (mark_bytes >= _SIZED_BYTES or size >= _MAX_BYTES):
                    break
            else:
                return FileSample(file, tuple(blocks), read, file.bytes, whole=True)
    except (OSError, pa.ArrowException) as error:
        raise UnreadableFileError(
            f"{file.path} cannot be read: {type(error).__name__}: {error}"
        ) from error
    if not mark_records:
        mark_bytes, mark_records = bytes_before, read
    return FileSample(file, tuple(blocks), mark_records, mark_bytes, whole=False)


@dataclass(frozen=True)
class Estimate:
    """How many records there are, and how that is known."""

    records: int
    exact: bool


def estimate_records(job: Job, samples: Sequence[FileSample]) -> Estimate:
    """How many records the input has: as its files say, or by the size of those of the samples."""
    known = {sample.file.path: sample.records for sample in samples if sample.whole}
    known |= {file.path: 0 for file in job.files if not file.bytes}
    parts = [(sample.records, sample.bytes) for sample in samples]
    if counted := dict(_counts(job)):
        known |= counted
        sizes = {file.path: file.bytes for file in job.files}
        parts = [(records, sizes[path]) for path, records in counted.items()]
    unknown = sum(file.bytes for file in job.files if file.path not in known)
    records, size = map(sum, zip(*parts, strict=True)) if parts else (0, 0)
    guess = round(unknown * records / size) if size else 0
    return Estimate(sum(known.values()) + guess, exact=not unknown)


def _counts(job: Job) -> Iterator[tuple[str, int]]:
    """The records of some files, where the format says them in one place."""
    mute: set[str] = set()  # the formats that do not
    for file in some(job.files, COUNTED_FILES):
        if file.format in mute:
            continue
        try:
            with job.store.open(file.path) as opened:
                records = job.formats[file.format].count_records(opened)
        except UnreadableFileError:
            continue  # for the job to report, or to skip
        if records is None:
            mute.add(file.format)
            continue
        yield file.path, records
