"""How much more than the limit a job costs: whole time, marginal time, peak memory.

    python benchmarks/bench.py [--rows 200000 2000000] [--repeat 3]

Makes irises with a seeded random generator, runs benchmarks/limit.py, ``beam_jobs.score`` and
``mapreduce_jobs.score -r inline`` in turn, each in a process of its own, checks that all give the
same predictions, and prints a table in Markdown. Marginal is the time between the two sizes, a
million rows: start-up taken out. CPU time is beside it, as it depends less on what else runs.
"""

import argparse
import glob
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

HERE = Path(__file__).parent
FIELDS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
WHO = ("limit", "beam", "mrjob inline")
# What is measured, and how its files are named behind the number of rows.
INPUTS = {
    "jsonl": ".jsonl",
    "csv": ".csv",
    "csv, all quoted": "-quoted.csv",
    "parquet": ".parquet",
}


def make_input(folder: Path, rows: int) -> None:
    random = np.random.default_rng(rows)
    columns = {name: random.uniform(0.1, 8.0, rows).round(1) for name in FIELDS}
    table = pa.table({"id": np.arange(rows), **columns})
    pq.write_table(table, folder / f"{rows}.parquet", row_group_size=500_000)
    with open(folder / f"{rows}.jsonl", "w") as lines:
        for record in table.to_pylist():
            lines.write(json.dumps(record) + "\n")
    texts = pa.table([column.cast(pa.string()) for column in table.columns], table.column_names)
    for name, quoting in (("csv", "none"), ("csv, all quoted", "all_valid")):
        with open(folder / f"{rows}{INPUTS[name]}", "wb") as cells:
            cells.write(",".join(table.column_names).encode() + b"\n")
            options = pyarrow.csv.WriteOptions(include_header=False, quoting_style=quoting)
            pyarrow.csv.write_csv(texts, cells, options)


def timed(command: list[str]) -> tuple[float, float, float]:
    """Seconds, those of CPU, and megabytes of the largest process."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    errors = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{errors.decode()}")
    cpu = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - begin, cpu, usage.ru_maxrss / 1024


def checksum(paths: list[str]) -> tuple[int, float]:
    """Rows, and the sum of their probabilities: the same whoever scored, to the last bits."""
    count, total = 0, 0.0
    for path in paths:
        if path.endswith(".parquet"):
            probability = pq.read_table(path).column("prediction_probability")
        elif path.endswith(".csv"):
            probability = pyarrow.csv.read_csv(path).column("prediction_probability")
        else:
            probability = pc.struct_field(
                pyarrow.json.read_json(path).column("prediction"), "probability"
            )
        count, total = count + len(probability), total + pc.sum(probability).as_py()
    return count, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs=2, default=(200_000, 2_000_000))
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    small, large = arguments.rows
    seconds: dict[tuple[str, str, int], list[float]] = {}
    cpu_seconds: dict[tuple[str, str, int], list[float]] = {}
    memory: dict[tuple[str, str, int], float] = {}
    # A child's peak memory counts that of the process it was forked from: keep this one small.
    elsewhere = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    with tempfile.TemporaryDirectory() as temporary, elsewhere:
        folder = Path(temporary)
        for rows in (small, large):
            elsewhere.submit(make_input, folder, rows).result()
        for _ in range(arguments.repeat):
            for name, suffix in INPUTS.items():
                for rows in (small, large):
                    source = str(folder / f"{rows}{suffix}")
                    sums = []
                    for who in WHO:
                        target = folder / f"out-{who}"
                        shutil.rmtree(target, ignore_errors=True)
                        if who == "limit":
                            target.mkdir()
                            script = [str(HERE / "limit.py"), source, str(target / f"part{suffix}")]
                        elif who == "beam":
                            script = ["-m", "beam_jobs.score", "--model", "iris"]
                            script += ["--input", source, "--output", str(target)]
                        else:
                            script = ["-m", "mapreduce_jobs.score", "--model", "iris"]
                            script += ["--output-dir", str(target), source]
                        key = (name, who, rows)
                        took, cpu, peak = timed([sys.executable, *script])
                        seconds.setdefault(key, []).append(took)
                        cpu_seconds.setdefault(key, []).append(cpu)
                        memory[key] = max(peak, memory.get(key, 0))
                        parts = glob.glob(f"{target}/part*")
                        sums.append(elsewhere.submit(checksum, parts).result())
                    limit_count, limit_total = sums[0]
                    for count, total in sums:
                        assert count == limit_count == rows, sums
                        assert abs(total - limit_total) < 1e-9 * total, sums
    print_table(seconds, cpu_seconds, memory, small, large)


def print_table(
    seconds: dict[tuple[str, str, int], list[float]],
    cpu_seconds: dict[tuple[str, str, int], list[float]],
    memory: dict[tuple[str, str, int], float],
    small: int,
    large: int,
) -> None:
    def marginal(times: dict[tuple[str, str, int], list[float]], name: str, who: str) -> float:
        lower, upper = (statistics.median(times[name, who, rows]) for rows in (small, large))
        return (upper - lower) / (large - small) * 1e6

    print(
        f"| | {small:,} rows, s | {large:,} rows, s | s a million more | x limit"
        " | CPU s a million more | x limit | peak MB |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in INPUTS:
        for who in WHO:
            cells = []
            for rows in (small, large):
                runs = seconds[name, who, rows]
                cells.append(f"{statistics.median(runs):.2f} ({min(runs):.2f}-{max(runs):.2f})")
            for times in (seconds, cpu_seconds):
                own = marginal(times, name, who)
                cells += [f"{own:.2f}", f"{own / marginal(times, name, 'limit'):.2f}"]
            cells.append(" / ".join(f"{memory[name, who, rows]:.0f}" for rows in (small, large)))
            print(f"| {name}, {who} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
