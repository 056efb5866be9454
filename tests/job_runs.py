"""What goes into a job in tests, and what is looked at when it has ended."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from obvious import csv_records

from model_dofns import ModelSpec, Scorer
from model_dofns.formats import FORMATS
from model_dofns.formats.base import Payload, Range
from model_dofns.formats.csv.format import CsvFormat
from model_dofns.formats.csv.records import CsvRows
from model_dofns.manifest import Manifest

DATA_FORMATS = ("jsonl", "csv", "parquet")
CSV = CsvFormat(columns=("id", "x", "n", "colour", "name"))
# Rejects poison (x = 13) in predict, and what scores above 100 in output.
EVERY_STAGE = "worker_models:EveryStageModel"
PLAIN = "models:PlainModel"


@dataclass(frozen=True)
class Ended:
    """A run that has ended."""

    exit_code: int
    out: str
    err: str


Score: TypeAlias = Callable[..., Ended]  # takes the words of a command line


def in_this_process(
    main: Callable[[Sequence[str]], int], capsys: pytest.CaptureFixture[str]
) -> Score:
    """The command line of an engine's job, in this process."""

    def run(*arguments: object) -> Ended:
        capsys.readouterr()
        exit_code = main([str(argument) for argument in arguments])
        return Ended(exit_code, *capsys.readouterr())

    return run


def start_apart(
    *arguments: object, program: Sequence[str] = ("-m", "beam_jobs.score")
) -> subprocess.Popen[str]:
    """The command line in a process of its own, which leads a group of processes."""
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(process: subprocess.Popen[str], seconds: float = 120) -> Ended:
    """The end of a process; one that hangs is killed, with all of its group."""
    try:
        out, err = process.communicate(timeout=seconds)
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Ended(process.returncode, out, err)


def assert_no_process_is_left(group: int) -> None:
    give_up = time.monotonic() + 10
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < give_up:
            os.killpg(group, 0)
            time.sleep(0.1)
        os.killpg(group, signal.SIGKILL)
        pytest.fail("worker processes are left")


@contextlib.contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file can grow beyond so many bytes: a full disk, as every machine can have one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# --- data ---


def record(number: int, **changes: Any) -> dict[str, Any]:
    """A good record, but for the changes; its score is below 100."""
    colour = ("red", "green", "blue")[number % 3]
    good = {"id": number, "x": number / 8, "n": number, "colour": colour, "name": f"né {number}"}
    return good | changes


def records(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [record(number) for number in range(start, start + count)]


def write_lines(path: Path, lines: Iterable[Mapping[str, Any] | bytes]) -> Path:
    """A JSON lines file; lines that are bytes stand as they are."""
    texts = (
        x if isinstance(x, bytes) else json.dumps(x, ensure_ascii=False).encode() for x in lines
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(text + b"\n" for text in texts))
    return path


def write_csv(
    path: Path, rows: Iterable[Mapping[str, Any] | bytes], csv_: CsvFormat = CSV, end: str = "\n"
) -> Path:
    """A CSV file; rows that are bytes stand as they are."""
    assert csv_.columns is not None
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=csv_.delimiter, quotechar=csv_.quote, lineterminator=end)
    if csv_.header:
        writer.writerow(csv_.columns)
    data = b""
    for row in rows:
        if isinstance(row, bytes):
            data += text.getvalue().encode() + row + end.encode()
            text.seek(0)
            text.truncate()
        else:
            writer.writerow([row[name] for name in csv_.columns])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data + text.getvalue().encode())
    return path


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]], **options: Any) -> Path:
    """A Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path, **options)
    return path


def write_hostile_data(folder: Path, format_name: str) -> None:
    """Four files, one of them empty, with records that fail at every stage a format has."""
    predict, output = {"x": 13.0}, {"x": 99.0}
    if format_name == "jsonl":
        bad = [b'{"id": 1, "x": 1.5', b'{"x": "\xff"}', b'{"x": NaN}', b"[]", record(1, n="two")]
        write_lines(folder / "a.jsonl", [*records(9), *bad, record(9), record(10, **predict)])
        write_lines(folder / "b é [1].jsonl", [record(20, **output), *records(7, 21)])
        write_lines(folder / "deeper" / "c.ndjson", [b"", record(40, **predict), *records(5, 41)])
        (folder / "deeper" / "empty.jsonl").touch()
    elif format_name == "csv":
        write_hostile_csv(folder)
    else:
        more = [record(20, **output), *({**r, "nested": {"a": [1]}} for r in records(7, 21))]
        write_rows(folder / "a.parquet", [*records(9), record(9, n=None), record(10, **predict)])
        write_rows(folder / "b é [1].parquet", more, row_group_size=3)
        write_rows(
            folder / "deeper" / "c.pq", [*records(5, 40), record(45, colour="black", **predict)]
        )
        empty = pa.Table.from_pylist(records(1)).slice(0, 0)
        pq.write_table(empty, folder / "deeper" / "empty.parquet")


def write_hostile_csv(folder: Path, csv_: CsvFormat = CSV) -> None:
    """The same in any dialect: also of line ends of two bytes, or in quotes; and a BOM."""
    predict, output = {"x": 13.0}, {"x": 99.0}
    quoted = [record(n, name=f'"{n}",;\r\n{n},0,1\n\n né') for n in range(50, 57)]
    raw = [b'1,1.5,1,red,"a"b', b"1,\xff,1,red,a", b"1,1.5", b"", b'1,"1.5"",1,red,a']
    if csv_.delimiter != ",":
        raw = [row.translate(bytes.maketrans(b",", csv_.delimiter.encode())) for row in raw]
    write_csv(
        folder / "a.csv",
        [*records(9), *raw[:-1], record(1, n="two"), record(9), record(10, **predict)],
        csv_,
    )
    write_csv(
        folder / "b é [1].csv", [record(20, **output), *records(7, 21), *quoted], csv_, end="\r\n"
    )
    # The last row opens a cell that nothing closes.
    last = write_csv(
        folder / "deeper" / "c.CSV", [record(40, **predict), *records(5, 41), raw[-1]], csv_
    )
    last.write_bytes(b"\xef\xbb\xbf" + last.read_bytes())
    (folder / "deeper" / "empty.csv").touch()


# --- results ---


@dataclass(frozen=True)
class Result:
    """What became of records, as multisets: predictions and rejects in full, as text."""

    predictions: Counter[str]
    rejects: Counter[str]


def _texts(format_name: str, payload: Payload | Path, csv_: CsvFormat) -> list[str]:
    if format_name == "parquet":
        table = pq.read_table(payload, partitioning=None) if isinstance(payload, Path) else payload
        return [json.dumps(row) for row in table.to_pylist()]
    if isinstance(payload, Path):
        with pa.input_stream(str(payload), compression="detect") as stream:
            data = stream.read()
    elif isinstance(payload, CsvRows):
        data = payload.header + bytes(payload.rows)
    else:
        data = bytes(payload)
    assert data.endswith(b"\n")
    if format_name == "csv":
        return _rows_of_csv(data, csv_)
    return data.decode().split("\n")[:-1]


def _rows_of_csv(data: bytes, csv_: CsvFormat) -> list[str]:
    """Rows, each with the header of its file, as the obvious reader finds them."""
    rows = [
        row.text.decode() for row in csv_records(data, csv_.delimiter.encode(), csv_.quote.encode())
    ]
    return [f"{rows[0]}\n{row}" for row in rows[1:]] if csv_.header else rows


def scored_directly(
    folder: Path, format_name: str, model: str = EVERY_STAGE, csv_: CsvFormat = CSV
) -> Result:
    """The same without Beam: every file in one range, by one Scorer."""
    formats = {**FORMATS, "csv": csv_}
    scorer = Scorer(ModelSpec(model), formats=formats)
    result, format_ = Result(Counter(), Counter()), formats[format_name]
    for path in filter(Path.is_file, folder.rglob("*")):
        whole = Range(str(path), 0, sys.maxsize)
        with path.open("rb") as file:
            for block in format_.read_blocks(format_.opened(file, str(path)), whole):
                scored = scorer.score(block)
                if scored.predictions is not None:
                    result.predictions.update(_texts(format_name, scored.predictions, csv_))
                result.rejects.update(reject.to_json().decode() for reject in scored.rejects)
    return result


def contents(folder: Path) -> set[str]:
    """All that is in a folder and below it, folders included."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """The same with the contents of the files."""
    return {
        name: (folder / name).read_bytes() if (folder / name).is_file() else None
        for name in contents(folder)
    }


def read_result(folder: Path, csv_: CsvFormat = CSV) -> Result:
    """What stands in the part files of an output folder."""
    predictions: Counter[str] = Counter()
    for path in folder.glob("part-*"):
        _, format_name, *_ = path.name.split(".")
        predictions.update(_texts(format_name, path, csv_))
    rejects = Counter(
        line
        for path in (folder / "_rejects").glob("*")
        for line in path.read_text().splitlines(keepends=True)
    )
    return Result(predictions, rejects)


def read_manifest(folder: Path) -> Manifest:
    return Manifest.from_json((folder / "_manifest.json").read_bytes())


def assert_whole(folder: Path, csv_: CsvFormat = CSV) -> Manifest:
    """The folder has all that it must have and nothing else, and its manifest tells the truth."""
    manifest = read_manifest(folder)
    assert json.loads((folder / "_job.json").read_text())["job"] == manifest.job
    listed = [Path(file.path) for file in (*manifest.outputs, *manifest.rejects)]
    rejects_folder = {"_rejects"} if manifest.rejects else set()
    assert contents(folder) == {
        "_job.json", "_manifest.json", *rejects_folder,
        *(path.relative_to(folder).as_posix() for path in listed),
    }  # fmt: skip
    for files in (manifest.outputs, manifest.rejects):
        for number, file in enumerate(files):
            path = Path(file.path)
            assert re.fullmatch(rf"part-{number:05}-of-{len(files):05}\.[\w.]+", path.name)
            assert path.stat().st_size == file.bytes
    result = read_result(folder, csv_)
    by_stage = Counter(json.loads(reject)["stage"] for reject in result.rejects.elements())
    assert sum((Counter(file.rows) for file in manifest.rejects), Counter()) == by_stage
    by_stage.pop("read", None)  # files, not records
    scored = result.predictions.total()
    assert sum(file.rows["scored"] for file in manifest.outputs) == scored
    read = sum(file.records for file in manifest.inputs)
    assert read == scored + by_stage.total()
    assert manifest.records == {"read": read, "scored": scored, "rejected": dict(by_stage)}
    return manifest


def assert_not_whole(folder: Path, status: str) -> None:
    """No one can take the folder for a finished one; and it says what became of its job."""
    assert not (folder / "_manifest.json").exists()
    assert not (folder / "_temporary").exists()
    job = json.loads((folder / "_job.json").read_text())
    assert (job["library"], job["status"]) == ("model-dofns", status)
