"""Scoring, as slow and as obvious as it can be written: what the library is held against.

It knows nothing of blocks, columns and batches: one record after the other is decoded, by ``json``
or by hand, validated by pydantic, handed to ``predict``, and its prediction joined to its text.
"""

from __future__ import annotations

import base64
import io
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any, get_args

import pyarrow as pa
from pydantic import ValidationError

from model_dofns import MLModel, ModelSpec, Reject
from model_dofns.formats import FORMATS
from model_dofns.formats.base import Block, Range

BLANK = b" \t\r"
BOM = b"\xef\xbb\xbf"
HEAD_BYTES = 1024
MAX_NESTING = 200
MANY = 1 << 24


class Refused(Exception):  # noqa: N818  # a verdict
    """The record is no good: stage, error and message."""


@dataclass
class Expected:
    """What must become of a file.

    Attributes:
        scored: each good record and the values of its prediction; the record is the text before
            the prediction (of CSV, the record itself), or the number of the row.
        rejects: of the others, in the order of the file.
    """

    scored: list[tuple[Any, dict[str, Any]]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


def blocks_of(
    format_name: str,
    data: bytes,
    *,
    cuts: Iterable[int] = (),
    path: str = "file",
    **sizes: int,
) -> Iterator[Block]:
    """The blocks of a file that is cut into ranges at the offsets ``cuts``."""
    edges = sorted({0, len(data), *cuts})
    for start, stop in pairwise(edges):
        yield from FORMATS[format_name].read_blocks(
            io.BytesIO(data), Range(path, start, stop), **sizes
        )


def score_lines(
    data: bytes, spec: ModelSpec, *, max_record_bytes: int = MANY, path: str = "file"
) -> Expected:
    """What must become of a file of JSON lines."""
    model, expected = spec.load(), Expected()
    offset = len(BOM) if data.startswith(BOM) else 0
    for line in data[offset:].split(b"\n"):
        begun, record = line.lstrip(BLANK), line.strip(BLANK)
        try:
            if record:
                values = decoded_line(record, len(begun), max_record_bytes)
                prediction = predicted(model, values)
                comma = b"" if record[:-1].strip(BLANK) == b"{" else b","
                expected.scored.append((record[:-1] + comma + b'"prediction":', prediction))
        except Refused as verdict:
            too_long = len(begun) > max_record_bytes
            shown = begun[:HEAD_BYTES].rstrip(BLANK) if too_long else record
            source = {**shown_text(shown, too_long), "offset": offset + len(line) - len(begun)}
            expected.rejects.append(_reject(verdict, source, "jsonl", path, model))
        offset += len(line) + 1
    return expected


def decoded_line(record: bytes, length: int, max_record_bytes: int) -> dict[str, Any]:
    """The one object of a line."""
    if length > max_record_bytes:
        message = f"the line is {length} bytes long, and the limit is {max_record_bytes}"
        raise Refused("decode", "RecordTooLong", f"{message} (--max_record_bytes)")
    try:
        text = record.decode()
    except UnicodeDecodeError as error:
        raise Refused("decode", "InvalidUTF8", f"{error.reason} at byte {error.start}") from error
    if nesting(text) > MAX_NESTING:
        raise Refused("decode", "NestingTooDeep", "more than 200 levels of nesting")
    decoder = json.JSONDecoder(parse_constant=_no_constant, parse_int=_integer)
    try:
        values = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise Refused("decode", "InvalidJSON", f"{error.msg} at character {error.pos}") from error
    if not isinstance(values, dict):
        kinds = {list: "array", str: "string", bool: "literal", type(None): "null"}
        kind = kinds.get(type(values), "number")
        raise Refused("decode", "NotAnObject", f"a JSON {kind}, and no object")
    if "prediction" in values:
        message = "the record has a field 'prediction' already: name the prediction otherwise with"
        raise Refused("decode", "NameClash", f"{message} --prediction_field")
    for name in ("colour", "n", "name", "weight", "x"):
        if has_infinity(values.get(name)):
            raise Refused("decode", "NumberOutOfRange", f"{name}: a number no double can hold")
    return values


def score_rows(table: pa.Table, spec: ModelSpec, *, path: str = "file") -> Expected:
    """What must become of a Parquet file that holds a table."""
    model, expected = spec.load(), Expected()
    wanted = [name for name in table.column_names if name in model.input_schema.model_fields]
    clashes = {f"prediction_{name}" for name in model.output_schema.model_fields}
    clashes &= set(table.column_names)
    for row in range(table.num_rows):
        try:
            if clashes:
                message = f"the file has columns named {', '.join(sorted(clashes))} already: name"
                message += " the prediction otherwise with --prediction_field"
                raise Refused("decode", "NameClash", message)
            values = {name: _cell(table.column(name)[row]) for name in wanted}
            expected.scored.append((row, predicted(model, values)))
        except Refused as verdict:
            source = {"input": _shown_row(table.slice(row, 1)), "row": row}
            expected.rejects.append(_reject(verdict, source, "parquet", path, model))
    return expected


def csv_ranges(
    format_: Any, data: bytes, range_bytes: int, max_record_bytes: int = MANY, path: str = "file"
) -> list[Range]:
    """The ranges of a CSV file, which must be read to be cut where records start."""
    ranges: list[Range] = format_.ranges(
        path,
        len(data),
        range_bytes=range_bytes,
        max_record_bytes=max_record_bytes,
        open_file=lambda _: io.BytesIO(data),
    )
    return ranges


@dataclass(frozen=True)
class CsvRecord:
    """One record of a CSV file.

    Attributes:
        offset: of its first byte in the file.
        text: its bytes without its line end.
        cells: what its cells hold; None where its quoting is unsound, and ``text`` one line then.
    """

    offset: int
    text: bytes
    cells: list[bytearray] | None


def score_csv(
    data: bytes,
    spec: ModelSpec,
    *,
    columns: Sequence[str] | None = None,
    delimiter: str = ",",
    quote: str = '"',
    header: bool = True,
    max_record_bytes: int = MANY,
    path: str = "file",
) -> Expected:
    """What must become of a CSV file; without ``columns`` they are those of its header."""
    model, expected = spec.load(), Expected()
    records = csv_records(data, delimiter.encode(), quote.encode(), max_record_bytes)
    if header:
        first = next(records, CsvRecord(0, b"", []))
        columns = columns or [cell.decode() for cell in first.cells or []]
    for record in records:
        try:
            values = decoded_row(record, columns or (), max_record_bytes)
            expected.scored.append((record.text, predicted(model, values, as_text=True)))
        except Refused as verdict:
            too_long = len(record.text) > max_record_bytes
            shown = record.text[:HEAD_BYTES] if too_long else record.text
            source = {**shown_text(shown, too_long), "offset": record.offset}
            expected.rejects.append(_reject(verdict, source, "csv", path, model))
    return expected


def csv_records(
    data: bytes, delimiter: bytes, quote: bytes, max_record_bytes: int = MANY
) -> Iterator[CsvRecord]:
    """The records of a CSV file, of which the first may be a header."""
    start = len(BOM) if data.startswith(BOM) else 0
    while start < len(data):
        stop, cells = csv_record(data, start, delimiter, quote)
        over_lines = b"\n" in data[start:stop]
        if cells is None or (over_lines and stop - start > max_record_bytes):
            stop, cells = start, None  # it is no more than the line that it begins on
            while not csv_line_end(data, stop) and stop < len(data):
                stop += 1
        if stop > start:  # else there is nothing in the line, and it is no record
            yield CsvRecord(start, data[start:stop], cells)
        start = stop + len(csv_line_end(data, stop))


def csv_line_end(data: bytes, at: int) -> bytes:
    """The end of a line that is here, if there is one; before the end of the file is none."""
    if data[at : at + 2] == b"\r\n":
        return b"\r\n"
    return b"\n" if data[at : at + 1] == b"\n" else b""


def csv_record(
    data: bytes, start: int, delimiter: bytes, quote: bytes
) -> tuple[int, list[bytearray] | None]:
    """Where the record that starts here stops, and its cells: None where its quoting is unsound."""
    cells, state, at = [bytearray()], "a cell begins", start
    while True:
        byte = data[at : at + 1]  # none at the end of the file
        if state == "in quotes":
            if not byte:
                return at, None  # never closed
            if byte == quote:
                state = "behind a quote in quotes"
            else:
                cells[-1] += byte
        elif not byte or csv_line_end(data, at):
            return at, cells
        elif byte == delimiter:
            cells.append(bytearray())
            state = "a cell begins"
        elif byte == quote and state == "a cell begins":
            state = "in quotes"
        elif byte == quote and state == "behind a quote in quotes":  # doubled, and stands for one
            cells[-1] += quote
            state = "in quotes"
        elif byte == quote or state == "behind a quote in quotes":
            return at, None  # a quote in an unquoted cell, or text behind a closing quote
        else:
            cells[-1] += byte
            state = "in a cell"
        at += 1


def decoded_row(record: CsvRecord, columns: Sequence[str], max_record_bytes: int) -> dict[str, str]:
    """The texts of a record; an empty cell is a missing field."""
    length = len(record.text)
    if length > max_record_bytes:
        message = f"the record is {length} bytes long, and the limit is {max_record_bytes}"
        raise Refused("decode", "RecordTooLong", f"{message} (--max_record_bytes)")
    try:
        record.text.decode()
    except UnicodeDecodeError as error:
        raise Refused("decode", "InvalidUTF8", f"{error.reason} at byte {error.start}") from error
    if record.cells is None:
        raise Refused("decode", "InvalidCSV", "its quoting is unsound")
    if len(record.cells) != len(columns):
        message = f"{len(record.cells)} cells, where there are {len(columns)} columns"
        raise Refused("decode", "FieldCount", message)
    texts = zip(columns, record.cells, strict=True)
    return {name: cell.decode() for name, cell in texts if cell}


def predicted(
    model: MLModel, record: Mapping[str, Any], *, as_text: bool = False
) -> dict[str, Any]:
    """The prediction for one record, as it is to be written; ``as_text``, all values are text."""
    input_schema, output_schema = model.input_schema, model.output_schema
    validate = input_schema.model_validate_strings if as_text else input_schema.model_validate
    try:
        instance = validate(record)
    except ValidationError as error:
        raise Refused("validate", "ValidationError", _described(error)) from error
    if getattr(model, "predict_batch", None) is not None:
        for name, value in instance:
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                message = f"{name}: {value:#x} does not fit 64 bits"
                raise Refused("validate", "IntegerOutOfRange", message)
            if has_lone_surrogate(value):
                message = f"{name}: {value!r} has a lone surrogate"
                raise Refused("validate", "InvalidUTF8", message)
    try:
        prediction = model.predict(instance).model_dump()
    except (Exception, SystemExit) as error:
        raise Refused("predict", type(error).__name__, str(error)) from error
    for name, value in prediction.items():
        if has_lone_surrogate(value):
            raise Refused("output", "UnfitOutput", f"{name}: {value!r} has a lone surrogate")
    for name, value in prediction.items():
        if isinstance(value, float) and not math.isfinite(value):
            if type(None) not in get_args(output_schema.model_fields[name].annotation):
                raise Refused("output", "NotFinite", f"{name}: {value} is not finite")
            prediction[name] = None
    try:
        output_schema.model_validate(prediction)
    except ValidationError as error:
        raise Refused("output", "ValidationError", _described(error)) from error
    return prediction


def nesting(text: str) -> int:
    """How deep the arrays and objects of a JSON text go."""
    depth = deepest = 0
    in_string = escaped = False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        else:
            depth += (character in "[{") - (character in "]}")
            deepest = max(deepest, depth)
    return deepest


def has_lone_surrogate(value: Any) -> bool:
    return isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value)


def has_infinity(value: Any) -> bool:
    if isinstance(value, dict):
        return any(has_infinity(item) for item in value.values())
    if isinstance(value, list):
        return any(has_infinity(item) for item in value)
    return isinstance(value, float) and math.isinf(value)


def shown_text(record: bytes, cut: bool) -> dict[str, str]:
    """How a reject shows a record; ``cut`` where its end may be half a character."""
    for missing in range(4 if cut else 1):
        try:
            return {"input": record[: len(record) - missing].decode()}
        except UnicodeDecodeError as error:
            if error.reason != "unexpected end of data":
                break
    return {"input_base64": base64.b64encode(record).decode()}


def assert_same_prediction(actual: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Floats within 1e-9, all else to the letter, types and order of the keys included."""
    assert list(actual) == list(expected)
    for name, value in expected.items():
        assert type(actual[name]) is type(value), name
        if isinstance(value, float):
            assert math.isclose(actual[name], value, rel_tol=1e-9), name
        else:
            assert actual[name] == value, name


def assert_same_lines(actual: bytes, expected: Expected) -> None:
    """The records' own bytes, and the same predictions in them."""
    lines = actual.split(b"\n")
    assert lines.pop() == b""
    for line, (record, prediction) in zip(lines, expected.scored, strict=True):
        assert line.startswith(record)
        assert line.endswith(b"}")
        assert_same_prediction(json.loads(line[len(record) : -1]), prediction)


def assert_same_csv(
    actual: bytes, expected: Expected, delimiter: str = ",", quote: str = '"'
) -> None:
    """The records' own bytes, and behind each the cells of the same prediction."""
    at = 0
    for record, prediction in expected.scored:
        assert actual.startswith(record, at), (actual[at : at + len(record) + 100], record)
        at += len(record)
        for name, value in prediction.items():
            if isinstance(value, float):
                cell = re.compile(rb"[-+.\deE]*").match(actual, at + 1)[0]
                assert_shortest_float(cell.decode(), value)
            else:
                cell = csv_cell(value, delimiter, quote).encode()
            came = actual[at : at + 1 + len(cell)]
            assert came == delimiter.encode() + cell, (name, came, cell)
            at += len(came)
        assert actual[at : at + 1] == b"\n", actual[at : at + 100]
        at += 1
    assert at == len(actual), actual[at : at + 100]


def assert_shortest_float(cell: str, value: float) -> None:
    """The number, within 1e-9; no digit more than it takes; and not to be taken for an integer."""
    assert math.isclose(float(cell), value, rel_tol=1e-9), (cell, value)
    assert math.copysign(1, float(cell)) == math.copysign(1, value), (cell, value)
    assert Decimal(cell) == Decimal(repr(float(cell))), cell
    assert set(cell) & set(".eE"), cell


def csv_cell(value: str | int | None, delimiter: str, quote: str) -> str:
    """What a value that is no float looks like in a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    white = " \t\n\r\v\f"
    must = not value or value[0] in white or value[-1] in white
    if must or any(one in value for one in (delimiter, quote, "\r", "\n")):
        return quote + value.replace(quote, 2 * quote) + quote
    return value


def assert_same_rows(actual: pa.Table | None, table: pa.Table, expected: Expected) -> None:
    """The columns as they came, and the same predictions beside them."""
    if not expected.scored:
        assert actual is None
        return
    assert actual is not None
    came = table.take([row for row, _ in expected.scored])
    added = ["prediction_label", "prediction_score", "prediction_ratio"]
    assert actual.column_names == [*came.column_names, *added]
    kept = actual.select(range(came.num_columns))
    assert kept.schema.equals(came.schema, check_metadata=True)
    for kept_column, came_column in zip(kept.columns, came.columns, strict=True):
        if not kept_column.equals(came_column):  # as where there is a NaN
            assert str(kept_column.to_pylist()) == str(came_column.to_pylist())
    rows = actual.select(added).to_pylist()
    for values, (_, prediction) in zip(rows, expected.scored, strict=True):
        assert_same_prediction(
            {name.removeprefix("prediction_"): value for name, value in values.items()}, prediction
        )


def _reject(
    verdict: Refused, source: dict[str, Any], format_name: str, path: str, model: MLModel
) -> Reject:
    stage, error, message = verdict.args
    name, version = model.qualified_name, model.version
    return Reject(stage, error, message, source, format_name, path, name, version)


def _described(error: ValidationError) -> str:
    details = error.errors()
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in details)


def _no_constant(constant: str) -> None:
    raise Refused("decode", "InvalidJSON", f"{constant} is no JSON value (RFC 8259)")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 4_300 else float(digits)


def _cell(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError as error:
        raise Refused("decode", "InvalidUTF8", error.reason) from error


def _shown_row(row: pa.Table) -> str:
    try:
        return json.dumps(_plain(row.to_pylist()[0]), ensure_ascii=False)
    except (ValueError, OverflowError):
        return "a value that Python cannot hold"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    keeps = value is None or isinstance(value, (bool, int, str))
    return value if keeps or (isinstance(value, float) and math.isfinite(value)) else str(value)
