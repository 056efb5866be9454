"""Measure what scoring costs: ``make bench``, or ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import math
import multiprocessing
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.contenders import missing_peers
from benchmarks.machine import commit, load, machine
from benchmarks.readme import update
from benchmarks.results import Results
from benchmarks.running import Bench
from benchmarks.scenarios import Chosen, NothingChosenError, chosen

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "build" / "bench"
PUBLISHED = Path(__file__).parent / "results"
QUICK_SCALE = 0.05
INTERRUPTED = 130  # as of a program that Ctrl-C has ended


def parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure what scoring costs, beside others."
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEXT",
        help="with it in the name: --list",
    )
    parser.add_argument("--list", action="store_true", help="name the scenarios, and end")
    parser.add_argument("--repeat", type=_count, metavar="N", help="instead of each scenario's own")
    parser.add_argument(
        "--scale",
        type=_factor,
        default=1.0,
        metavar="X",
        help="so many times the rows (default: 1)",
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"one round of {QUICK_SCALE:g} of the rows: a trial"
    )
    parser.add_argument("--peers", action="store_true", help="Spark and Ray too; see make bench")
    parser.add_argument(
        "--threads",
        type=_count,
        default=1,
        metavar="N",
        help="of BLAS, OpenMP and Arrow, a process",
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
        if arguments.only or arguments.quick or arguments.scale != 1:
            parser.error("--publish is for a whole run: without --only, --quick and --scale")
    if arguments.quick:
        arguments.scale *= QUICK_SCALE
        arguments.repeat = arguments.repeat or 1
    try:
        _chosen(arguments)
    except NothingChosenError as error:
        parser.error(f"--only: {error}; --list names them")
    return arguments


def main(argv: Sequence[str]) -> None:
    arguments = parse(argv)
    if arguments.list:
        arguments.scale = 1.0  # names have each scenario's own rows
        print("\n".join(each.name for kind in _chosen(arguments) for each in kind))
        return
    file = arguments.output / "results.json"
    if not arguments.render:
        missing = missing_peers(FOLDER / "environments") if arguments.peers else ""
        if missing:
            _refuse(missing)
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, _interrupt)
        try:
            results = measured(arguments)
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None
        arguments.output.mkdir(parents=True, exist_ok=True)
        file.write_text(results.to_json())
    if not file.exists():
        _refuse(f"there is no {file} to render: measure first")
    results = Results.from_json(file.read_text())
    if arguments.publish and not is_whole(results):
        _refuse(f"{file} is not of a whole run: it is not published")
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
    total = len(scenarios) + len(spoiled) + len(startup)
    begin = time.monotonic()

    def kept(results: Results) -> Results:
        minutes = f"{(time.monotonic() - begin) / 60:.0f}"
        results = replace(results, settings={**settings, "minutes": minutes})
        if _done(results) < total:
            early = f"ended early, after {_done(results)} of {total}"
            results = replace(results, settings={**results.settings, "trial": early})
        (FOLDER / "results.json").write_text(results.to_json())
        return results

    FOLDER.mkdir(parents=True, exist_ok=True)
    # A process that is not forked from this one, which would grow with what it imports.
    spawn = multiprocessing.get_context("spawn")
    # It ends with this one, which Ctrl-C interrupts as well.
    ignore = (signal.SIGINT, signal.SIG_IGN)
    try:
        with ProcessPoolExecutor(1, spawn, signal.signal, ignore) as elsewhere:
            bench = Bench(FOLDER, arguments.threads, elsewhere, _say)
            bench.make_files()
            for number, each in enumerate(scenarios, 1):
                _say(f"{number} of {total}: {each.name}")
                results = kept(replace(results, scenarios=(*results.scenarios, bench.run(each))))
            for number, bad in enumerate(spoiled, 1 + len(scenarios)):
                _say(f"{number} of {total}: {bad.name}")
                results = kept(replace(results, spoiled=(*results.spoiled, bench.run_spoiled(bad))))
            for start in startup:
                _say(f"{total} of {total}: {start.name}")
                results = kept(
                    replace(results, startup=(*results.startup, bench.run_startup(start)))
                )
    except KeyboardInterrupt:
        done = _done(results)
        report = "python -m benchmarks --render writes the report of these" if done else "no report"
        _say(f"interrupted, {done} of {total} measured: {report}")
        raise
    return results


def is_whole(results: Results) -> bool:
    """Whether each scenario is there at its own sizes; Spark and Ray need not be."""
    scenarios, spoiled, startup = chosen([], 1.0, None, peers=False)
    return (
        {(each.model, each.format, each.rows) for each in scenarios}
        <= {(each.model, each.format, each.rows) for each in results.scenarios}
        and {(each.stage, each.rows) for each in spoiled}
        <= {(each.stage, each.rows) for each in results.spoiled}
        and len(results.startup) == len(startup)
    )


def _done(results: Results) -> int:
    return len(results.scenarios) + len(results.spoiled) + len(results.startup)


def _trial(arguments: argparse.Namespace) -> str:
    """What makes it less than the whole benchmark; empty where nothing does."""
    parts = [f"{arguments.scale:g} of the rows"] if arguments.scale != 1 else []
    parts += [f"{arguments.repeat} round(s)"] if arguments.repeat else []
    parts += ["some of the scenarios"] if arguments.only else []
    return ", ".join(parts)


def _chosen(arguments: argparse.Namespace) -> Chosen:
    return chosen(arguments.only, arguments.scale, arguments.repeat, peers=arguments.peers)


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def _factor(text: str) -> float:
    factor = float(text)
    if not 0 < factor < math.inf:
        raise ValueError
    return factor


def _interrupt(*_: Any) -> None:
    """Once, so that ending what runs is not interrupted in its turn."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


def _refuse(why: str) -> NoReturn:
    print(f"python -m benchmarks: {why}", file=sys.stderr)
    raise SystemExit(2)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
