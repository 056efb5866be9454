"""What is settled when a job is launched, by a look into its files: the same on every engine.

Of which format each file is; the names of CSV's columns; the fields that folders name; and where
the output has columns, which they are, so that all part files have the same.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Final, TypeVar

import pyarrow as pa

from model_dofns.exceptions import InputError, RecordError, UnreadableFileError, UsageError
from model_dofns.formats import FORMATS, format_of
from model_dofns.formats.base import Format, Layout, Range
from model_dofns.formats.columns import unified
from model_dofns.formats.csv.format import CsvFormat
from model_dofns.formats.extra import EXTRA, EXTRA_FIELD, has_extra
from model_dofns.formats.jsonl.sample import sampled_schema
from model_dofns.formats.parquet import ParquetFormat
from model_dofns.formats.partitions import own_partitions, partition_types
from model_dofns.manifest import InputFile

T = TypeVar("T")

SAMPLE_BYTES: Final = 1 << 20
_READERS = 16  # looks into files at once: most of each is waiting, where files are far away
_COLUMNAR = ("csv", "parquet")


@dataclass(frozen=True)
class Settled:
    """A job's files and how one of its models has them read and written.

    Attributes:
        files: each with its format.
        formats: by name.
        layout: of the records.
    """

    files: tuple[InputFile, ...]
    formats: Mapping[str, Format]
    layout: Layout


def settle(
    files: Sequence[InputFile],
    layouts: Sequence[Layout],
    csv: CsvFormat,
    open_file: Callable[[str], BinaryIO],
    input_format: str | None = None,
) -> list[Settled]:
    """Look into the files of a job, once for all of its models.

    What cannot be read is left for the job to report.

    Args:
        files: the input, in the order of their paths.
        layouts: for each model, what the command line says, and, where the model is loaded at
            launch, the model.
        csv: what the command line says of CSV.
        open_file: raises an UnreadableFileError.
        input_format: of all files; None for what their suffixes say.

    Returns:
        What is settled for each model; the files are the same.

    Raises:
        InputError: the files do not fit each other, or what is asked for.
        UsageError: they are of several formats, and none is named for the output.
    """
    files = tuple(replace(file, format=input_format or _format_of(file.path)) for file in files)
    by_format: dict[str, list[InputFile]] = {}
    for file in files:
        by_format.setdefault(file.format, []).append(file)
    if len(by_format) > 1 and any(layout.output_format is None for layout in layouts):
        examples = "; ".join(f"{name}: {some[0].path}" for name, some in sorted(by_format.items()))
        raise UsageError(
            f"the input has files of several formats ({examples}): say which one the output is to"
            " have, with --output_format"
        )
    if not csv.header and csv.name not in by_format:
        raise UsageError("--csv_columns names the columns of CSV, and no file of the input is CSV")
    look = _Look(open_file, csv)
    csv = replace(csv, columns=look.csv_columns(by_format.get(csv.name, [])))
    return [_settled(files, by_format, csv, look, layout) for layout in layouts]


def _settled(
    files: tuple[InputFile, ...],
    by_format: Mapping[str, Sequence[InputFile]],
    csv: CsvFormat,
    look: _Look,
    layout: Layout,
) -> Settled:
    layout = replace(
        layout,
        output_format=layout.output_format or next(iter(by_format)),
        partition_types=partition_types((file.path for file in files), layout.input_types),
    )
    schemas = _schemas(files, csv, look, layout)
    all_names_known = not any(
        file.format == "jsonl" or (file.format == "parquet" and has_extra(schemas[file.path]))
        for file in files
        if file.path in schemas
    )
    names = list(dict.fromkeys(name for schema in schemas.values() for name in schema.names))
    if all_names_known:
        _refuse_unknown_kept(names, layout.keep_fields or ())
    layout = replace(layout, known_names=frozenset(names))
    layout.refuse_clashes()
    # Rows of CSV alone that become CSV again stay as they are.
    if layout.output_format in _COLUMNAR and {*by_format, layout.output_format} != {csv.name}:
        layout = replace(layout, schema=_kept(schemas, layout))
    columns = _read_columns(layout)
    parquet = ParquetFormat(None if columns is None else (columns,))
    return Settled(files, FORMATS | {csv.name: csv, parquet.name: parquet}, layout)


def read_together(
    settled: Sequence[Settled], more: frozenset[str] = frozenset()
) -> Mapping[str, Format]:
    """The formats by which files are read once for all models: of Parquet the columns for each.

    Args:
        settled: for each model.
        more: the columns that are read beside those.
    """
    wanted = [more] if more else []
    for each in settled:
        parquet = each.formats[ParquetFormat.name]
        assert isinstance(parquet, ParquetFormat)
        if parquet.columns is None:
            return each.formats
        wanted += parquet.columns
    return {**settled[0].formats, ParquetFormat.name: ParquetFormat(tuple(wanted))}


def _format_of(path: str) -> str:
    format_ = format_of(path)
    if format_ is None:
        known = ", ".join(suffix for known in FORMATS.values() for suffix in known.suffixes)
        raise InputError(
            f"the format of {path} is not known by its suffix, which must be one of {known}: name"
            " the files more exactly, as in 'folder/*.jsonl', or say with --input_format that all"
            " of them are of one format"
        )
    return format_.name


class _Look:
    """Looks into files; those that cannot be read are passed over."""

    def __init__(self, open_file: Callable[[str], BinaryIO], csv: CsvFormat) -> None:
        self._open_file = open_file
        self._csv = csv
        self._parquet_schemas: dict[tuple[str, ...], dict[str, pa.Schema]] = {}

    def _each(self, look: Callable[[InputFile], T], files: Sequence[InputFile]) -> dict[str, T]:
        """What a look into each file gives, by path."""

        def attempt(file: InputFile) -> T | None:
            try:
                return look(file)
            except (UnreadableFileError, OSError, pa.ArrowException):
                return None  # for the job to report, or to skip

        with ThreadPoolExecutor(_READERS) as readers:
            found = zip(files, readers.map(attempt, files), strict=True)
            return {file.path: one for file, one in found if one is not None}

    def csv_columns(self, files: Sequence[InputFile]) -> tuple[str, ...] | None:
        """The names of the columns of CSV, which all files have in the same order.

        Raises:
            InputError: two files have other ones, or one has a name twice.
        """
        if not self._csv.header:
            return self._csv.columns

        def header(file: InputFile) -> tuple[str, ...]:
            with self._open_file(file.path) as opened:
                try:
                    return tuple(self._csv.column_names(self._csv.opened(opened, file.path)))
                except InputError as error:
                    raise InputError(f"{file.path} cannot be read as CSV: {error}") from error

        columns: tuple[str, ...] | None = None
        of_path = ""
        for path, names in self._each(header, files).items():
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise InputError(f"the header of {path} has the column {twice[0]!r} twice")
            if columns is None and names:
                columns, of_path = names, path
            elif names and names != columns:
                raise InputError(
                    f"the headers of {of_path} and {path} are not the same: {_some(columns or ())}"
                    f" and {_some(names)}; score the files in jobs of their own"
                )
        return columns

    def parquet_schemas(self, files: Sequence[InputFile]) -> dict[str, pa.Schema]:
        """The schema of each file; it is looked for once, as all models read the same."""

        def schema(file: InputFile) -> pa.Schema:
            with self._open_file(file.path) as opened:
                return ParquetFormat().schema(opened)

        paths = tuple(file.path for file in files)
        if paths not in self._parquet_schemas:
            self._parquet_schemas[paths] = self._each(schema, files)
        return self._parquet_schemas[paths]

    def json_schema(self, files: Sequence[InputFile], layout: Layout) -> pa.Schema:
        """A schema from the beginning of the first file that has a record."""

        own = replace(layout, partition_types={})

        def records(file: InputFile) -> list[Mapping[str, Any]]:
            format_ = FORMATS[file.format]
            with self._open_file(file.path) as opened:
                blocks = format_.read_blocks(
                    format_.opened(opened, file.path),
                    Range(file.path, 0, SAMPLE_BYTES),
                    block_bytes=SAMPLE_BYTES,
                )
                rows = [format_.records(block, own) for block in blocks]
            found = itertools.chain.from_iterable(some.parse(range(len(some))) for some in rows)
            return [record for record in found if not isinstance(record, RecordError)]

        for file in files:
            if found := self._each(records, [file]).get(file.path):
                return sampled_schema(found, layout.input_types)
        return pa.schema([])


def _schemas(
    files: Sequence[InputFile], csv: CsvFormat, look: _Look, layout: Layout
) -> dict[str, pa.Schema]:
    """The columns of each file, by its path; ``_extra`` is one where fields may have no column.

    Where the output has no columns, those of the first Parquet file stand for those of the others.
    """
    parquet_files = [file for file in files if file.format == ParquetFormat.name]
    columnar = layout.output_format in _COLUMNAR
    schemas = look.parquet_schemas(parquet_files if columnar else parquet_files[:1])
    json_files = [file for file in files if file.format == "jsonl"]
    of_json = look.json_schema(json_files, layout) if json_files and columnar else pa.schema([])
    names = [name for name in csv.columns or () if name != EXTRA]
    of_csv = pa.schema([(name, layout.input_types.get(name, pa.string())) for name in names])
    found = {}
    for file in files:
        if file.format == ParquetFormat.name:
            schema = schemas.get(file.path)
        else:
            schema = (of_csv if file.format == csv.name else of_json).append(EXTRA_FIELD)
        if schema is not None:
            for name in own_partitions(file.path, layout.partition_types, schema.names):
                schema = schema.append(pa.field(name, layout.partition_types[name]))
            found[file.path] = schema
    return found


def _kept(schemas: Mapping[str, pa.Schema], layout: Layout) -> pa.Schema:
    """The columns that come out: those of all files as one, ``_extra`` the last of them.

    Raises:
        InputError: there is no such schema.
    """
    kept = {
        path: pa.schema([field for field in schema if layout.keeps(field.name)], schema.metadata)
        for path, schema in schemas.items()
    }
    needs_extra = any(map(has_extra, schemas.values())) and layout.keep_fields != ()
    for path, schema in kept.items():
        for name in schema.names:
            if schema.get_field_index(name) < 0:
                raise InputError(f"the file {path} has the column {name!r} twice")
        if needs_extra and EXTRA in schema.names and not has_extra(schema):
            raise InputError(
                f"the file {path} has a column {EXTRA!r} of its own, which is where fields of"
                " other files go that have no column: rename it, leave it out with --keep_fields,"
                " or score the file in a job of its own"
            )
    schema = unified(kept.items())
    fields = [schema.field(name) for name in layout.kept(schema.names)]
    if needs_extra:
        fields = [*(field for field in fields if field.name != EXTRA), EXTRA_FIELD]
    return pa.schema(fields, schema.metadata)


def _refuse_unknown_kept(names: Sequence[str], keep_fields: Sequence[str]) -> None:
    """Refuse a field to keep that no file has.

    Raises:
        InputError: there is one.
    """
    own = [name for name in names if name != EXTRA]
    for name in keep_fields:
        if name not in names:
            nearest = difflib.get_close_matches(name, own, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"they have {_some(own)}"
            raise InputError(f"--keep_fields: no file has a column {name!r}; {hint}")


def _read_columns(layout: Layout) -> frozenset[str] | None:
    """The columns that a job reads, where it is known that it needs no others."""
    if layout.keep_fields is None or layout.whole_record or not layout.output_names:
        return None
    return layout.input_names | set(layout.keep_fields)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(map(repr, names[:5])) + more
