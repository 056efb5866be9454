"""Measure what scoring costs: ``make bench``, or ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

from benchmarks.machine import commit, load, machine
from benchmarks.readme import update
from benchmarks.results import Results
from benchmarks.running import Bench
from benchmarks.scenarios import Chosen, chosen

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "bench"
PUBLISHED = Path(__file__).parent / "results"
QUICK_SCALE = 0.05


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure what scoring costs, beside others."
    )
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="scenarios with it in the name"
    )
    parser.add_argument("--list", action="store_true", help="name the scenarios, and end")
    parser.add_argument("--repeat", type=int, metavar="N", help="instead of each scenario's own")
    parser.add_argument(
        "--scale", type=float, default=1.0, metavar="X", help="so many times the rows (default: 1)"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"one round of {QUICK_SCALE:g} of the rows: a trial"
    )
    parser.add_argument("--peers", action="store_true", help="Spark and Ray too; see make bench")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="of BLAS, OpenMP and Arrow, a process"
    )
    parser.add_argument(
        "--output", type=Path, default=FOLDER, metavar="FOLDER", help="of the report"
    )
    parser.add_argument(
        "--publish", action="store_true", help="into benchmarks/results and README.md, to commit"
    )
    parser.add_argument(
        "--render", action="store_true", help="measure nothing: write the report of results.json"
    )
    arguments = parser.parse_args(argv)
    if arguments.publish:
        arguments.output = PUBLISHED
    if arguments.quick:
        arguments.scale *= QUICK_SCALE
        arguments.repeat = arguments.repeat or 1
    return arguments


def main(argv: Sequence[str]) -> None:
    arguments = parse(argv)
    if arguments.list:
        print("\n".join(each.name for kind in _chosen(arguments) for each in kind))
        return
    file = arguments.output / "results.json"
    if not arguments.render:
        results = measured(arguments)
        arguments.output.mkdir(parents=True, exist_ok=True)
        file.write_text(results.to_json())
    results = Results.from_json(file.read_text())
    # Imported now that nothing is measured any more: matplotlib is large.
    from benchmarks.report import write

    write(results, arguments.output)
    if arguments.publish:
        update(ROOT / "README.md", results)
    _say(f"see {arguments.output / 'RESULTS.md'}")


def measured(arguments: argparse.Namespace) -> Results:
    """Measure what is chosen; what there is so far is kept in ``build/bench/results.json``."""
    settings = {
        "measured": date.today().isoformat(),
        "state": commit(),
        "load before": load(),
        "threads of a process": str(arguments.threads),
        "trial": _trial(arguments),
    }
    scenarios, spoiled, startup = _chosen(arguments)
    results = Results(machine(peers=arguments.peers), settings)
    begin = time.monotonic()

    def kept(results: Results) -> Results:
        minutes = f"{(time.monotonic() - begin) / 60:.0f}"
        results = replace(results, settings={**settings, "minutes": minutes})
        (FOLDER / "results.json").write_text(results.to_json())
        return results

    FOLDER.mkdir(parents=True, exist_ok=True)
    # A process that is not forked from this one, which would grow with what it imports.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as elsewhere:
        bench = Bench(FOLDER, arguments.threads, elsewhere, _say)
        bench.make_files()
        for number, scenario in enumerate(scenarios, 1):
            _say(f"{number} of {len(scenarios)}: {scenario.name}")
            results = kept(replace(results, scenarios=(*results.scenarios, bench.run(scenario))))
        for bad in spoiled:
            _say(bad.name)
            results = kept(replace(results, spoiled=(*results.spoiled, bench.run_spoiled(bad))))
        for start in startup:
            _say(start.name)
            results = kept(replace(results, startup=(*results.startup, bench.run_startup(start))))
    return results


def _trial(arguments: argparse.Namespace) -> str:
    """What makes it less than the whole benchmark; empty where nothing does."""
    parts = [f"{arguments.scale:g} of the rows"] if arguments.scale != 1 else []
    parts += [f"{arguments.repeat} round(s)"] if arguments.repeat else []
    parts += ["some of the scenarios"] if arguments.only else []
    return ", ".join(parts)


def _chosen(arguments: argparse.Namespace) -> Chosen:
    return chosen(arguments.only, arguments.scale, arguments.repeat, peers=arguments.peers)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
