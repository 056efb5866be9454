"""Peak memory of whole jobs, each in a process of its own: flat in the input's size and shape.

What decides it is in ``tests/formats/test_bounded.py`` as well, without processes. A peak depends a
little on the machine, so the limits are some way above what was measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from job_runs import records, write_lines

HERE = Path(__file__).parent
FIELDS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
FLOWER = b'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}\n'
HEADER, ROW = b"sepal_length,sepal_width,petal_length,petal_width\n", b"5.1,3.5,1.4,0.2\n"
GB = 1 << 30

LIMIT_MB = 600  # a worker, with scikit-learn and a model in it; measured: 270 to 430
GROWTH_MB = 60  # from an input to a larger one; measured: less than 20
# The smaller one fills what is gathered: blocks of 4 MB, row groups of 64 MB.
SIZES = {"jsonl": (300_000, 2_400_000), "parquet": (1_500_000, 4_500_000)}

ENGINES = {
    "beam": ["beam_jobs.score", "--output", "{out}", "--input", "{input}", "--max_errors", "100%"],
    "mrjob": [
        *("mapreduce_jobs.score", "-r", "inline"),
        *("--output-dir", "{out}", "{input}", "--max-errors", "100%"),
    ],
}
BOTH = pytest.mark.parametrize("engine", ENGINES)

# A process's peak counts that of the one that started it, which must not be this one.
MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.fixture
def peak_mb(tmp_path: Path) -> Callable[..., float]:
    """Megabytes that a job had in memory at most; ``read``: how many records it must have read."""

    def measured(engine: str, source: Path, *flags: str, model: str = "iris", read: int) -> float:
        out = tmp_path / "out"
        words = [word.format(out=out, input=source) for word in ENGINES[engine]]
        command = [sys.executable, "-m", *words, "--model", model, "--overwrite", *flags]
        done = subprocess.run(
            [sys.executable, "-S", "-c", MEASURE, *command],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(HERE.parent / "tests")},
        )
        assert done.returncode == 0, done.stderr
        manifest = json.loads((out / "_manifest.json").read_text())
        assert manifest["records"]["read"] == read
        return int(done.stdout) / 1024  # on Linux in KiB

    return measured


def flowers(rows: int) -> pa.Table:
    random = np.random.default_rng(rows)
    return pa.table({name: random.uniform(0.1, 8.0, rows).round(1) for name in FIELDS})


def write_flowers(path: Path, rows: int) -> Path:
    """As JSON lines, or Parquet in row groups of half a million."""
    if path.suffix == ".parquet":
        pq.write_table(flowers(rows), path, row_group_size=500_000)
        return path
    table = flowers(100_000)
    texts = [
        text
        for name in FIELDS
        for text in (f'"{name}":', table.column(name).cast(pa.string()), ",")
    ][:-1]
    lines = pc.binary_join_element_wise("{", *texts, "}\n", "").to_pylist()
    with path.open("wb") as file:
        for _ in range(rows // 100_000):
            file.write("".join(lines).encode())
    return path


@BOTH
@pytest.mark.parametrize("format_name", ["jsonl", "parquet"])
def test_memory_does_not_grow_with_the_input(
    engine: str, format_name: str, peak_mb: Callable[..., float], tmp_path: Path
) -> None:
    small, large = (
        peak_mb(engine, write_flowers(tmp_path / f"{rows}.{format_name}", rows), read=rows)
        for rows in SIZES[format_name]
    )
    assert large < small + GROWTH_MB
    assert large < LIMIT_MB


@pytest.mark.parametrize("flags", [(), ("--skip_bad_files",)], ids=["", "skip_bad_files"])
def test_rejects_are_not_held(
    flags: tuple[str, ...], peak_mb: Callable[..., float], tmp_path: Path
) -> None:
    """On Beam, whose runner passes some of what a stage makes through memory."""
    peaks = []
    for rows in (30_000, 240_000):
        (tmp_path / "bad.jsonl").write_bytes(FLOWER + b'{"sepal_length":-1}\n' * rows)
        peaks.append(peak_mb("beam", tmp_path / "bad.jsonl", *flags, read=rows + 1))
    assert peaks[1] < peaks[0] + GROWTH_MB
    assert peaks[1] < LIMIT_MB


@BOTH
@pytest.mark.parametrize("name", ["long.jsonl", "long.csv", "long.jsonl.gz"])
def test_a_line_of_a_gigabyte(
    engine: str, name: str, peak_mb: Callable[..., float], tmp_path: Path
) -> None:
    """Of zeros, which the file system need not store; compressed they are a thousandth."""
    path = tmp_path / name
    begin, end = (HEADER + ROW, ROW) if "csv" in name else (FLOWER, FLOWER)
    if path.suffix == ".gz":
        with pa.CompressedOutputStream(str(path), "gzip") as stream:
            stream.write(begin)
            for _ in range(GB >> 20):
                stream.write(bytes(1 << 20))
            stream.write(b"\n" + end)
    else:
        with path.open("wb") as file:
            file.write(begin)
            file.seek(GB, os.SEEK_CUR)
            file.write(b"\n" + end)
    assert peak_mb(engine, path, read=3) < LIMIT_MB


@BOTH
def test_highly_compressed_records(
    engine: str, peak_mb: Callable[..., float], tmp_path: Path
) -> None:
    path, some = tmp_path / "same.jsonl.gz", 100_000
    with pa.CompressedOutputStream(str(path), "gzip") as stream:
        for _ in range(20):
            stream.write(FLOWER * some)
    assert path.stat().st_size * 100 < len(FLOWER) * some * 20
    assert peak_mb(engine, path, read=20 * some) < LIMIT_MB


@BOTH
def test_a_row_group_of_ten_million_rows(
    engine: str, peak_mb: Callable[..., float], tmp_path: Path
) -> None:
    """With a text of 1 kB: 10 GB of it in memory, were it decoded at once."""
    rows = 10_000_000
    texts = pa.array([f"{number:04d}" * 250 for number in range(50)])
    indices = pa.array(np.arange(rows, dtype=np.int32) % 50)
    table = flowers(rows).append_column("text", pa.DictionaryArray.from_arrays(indices, texts))
    # As text: the schema of Arrow, which would make a dictionary of it again, is left out.
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=rows, store_schema=False)
    flags = ("--limit", "300000")
    peak = peak_mb(engine, tmp_path / "a.parquet", *flags, read=300_000)
    assert peak < LIMIT_MB


def test_threads_share_one_model(peak_mb: Callable[..., float], tmp_path: Path) -> None:
    """However many of them score; the launcher's preflight is in the same process as well."""
    made, folder = tmp_path / "made", tmp_path / "in"
    made.mkdir()
    for number in range(8):
        write_lines(folder / f"{number}.jsonl", records(1_000))
    models = tmp_path / "models.yaml"
    entry = {"class": "worker_models:CountedModel", "configuration": {"made": str(made)}}
    models.write_text(json.dumps({"models": {"counted": entry}}))
    threads = ("--direct_running_mode", "multi_threading", "--direct_num_workers", "4")
    peak_mb("beam", folder, "--models", str(models), *threads, model="counted", read=8_000)
    assert len(list(made.iterdir())) == 1
