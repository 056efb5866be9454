"""All contenders in turn, round after round, each result checked before its time counts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.checking import Checksum, WrongResultError, checksum, refuse_difference
from benchmarks.contenders import Task, command, environment, folder_name, importing, tolerant_beam
from benchmarks.measuring import Cost, measure
from benchmarks.results import Measured, Run
from benchmarks.scenarios import MODELS, Scenario, Spoiled, Startup

HERE = Path(__file__).parent
SPOILED_MODEL = "faulty"


@dataclass(frozen=True)
class Bench:
    """Where things are, and who helps.

    Attributes:
        folder: for everything that is made here.
        threads: of each process.
        elsewhere: a process that reads results, so that this one stays small.
        say: told what goes on.
    """

    folder: Path
    threads: int
    elsewhere: ProcessPoolExecutor
    say: Callable[[str], None]

    @property
    def files(self) -> Path:
        """The folder of fitted models."""
        return self.folder / "models"

    def make_files(self) -> None:
        """Fit the models, if that was not done."""
        if not is_current(self.files / "models.json"):
            script = "import pathlib, sys; from benchmarks.models import make_files; "
            script += "make_files(pathlib.Path(sys.argv[1]))"
            self._python("-c", script, str(self.files))

    def run(self, scenario: Scenario) -> Measured:
        """Measure a scenario.

        Raises:
            CommandFailedError: a contender failed.
            WrongResultError: a contender predicted otherwise than the limit.
        """
        runs = []
        for repeat in range(scenario.repeats):
            for rows in scenario.rows:
                source = self.input(MODELS[scenario.model].data, rows, scenario.format)
                expected: Checksum | None = None
                for contender in scenario.contenders:
                    task = self._task(scenario.model, source)
                    cost = self._measured(command(contender, task))
                    found = self.elsewhere.submit(checksum, task.target).result()
                    expected = expected or found
                    refuse_difference(contender, found, expected, rows)
                    runs.append(Run(contender, rows, repeat, cost))
                    self._tell(contender, rows, cost)
        return Measured(
            scenario.model,
            scenario.format,
            scenario.rows,
            scenario.contenders,
            tuple(runs),
            scenario.note,
            about=scenario.about,
        )

    def run_spoiled(self, spoiled: Spoiled) -> Measured:
        """Measure what bad records cost.

        Raises:
            CommandFailedError: the job failed.
            WrongResultError: it rejected others than the bad ones, or predicted otherwise.
        """
        runs = []
        shares = {f"{100 * share:g} %": share for share in spoiled.shares}
        for repeat in range(spoiled.repeats):
            small, large = spoiled.rows
            none, *_ = shares
            for rows, name in ((small, none), *((large, name) for name in shares)):
                source = self.input("irises", rows, spoiled.format, spoiled.stage, shares[name])
                task = self._task(SPOILED_MODEL, source)
                cost = self._measured(tolerant_beam(task))
                found = self.elsewhere.submit(checksum, task.target).result()
                truth = json.loads(source.with_name(f"{source.name}.truth.json").read_text())
                refuse_wrong_rejects(name, spoiled.stage, task.target, found, truth)
                runs.append(Run(name, rows, repeat, cost))
                self._tell(name, rows, cost)
        return Measured(
            SPOILED_MODEL,
            spoiled.format,
            spoiled.rows,
            tuple(shares),
            tuple(runs),
            stage=spoiled.stage,
        )

    def run_startup(self, startup: Startup) -> Measured:
        """Measure what scoring one record takes, beside importing what it needs.

        Raises:
            CommandFailedError: a job, or an import, failed.
            WrongResultError: a job did not score the record.
        """
        runs = []
        source = self.input(MODELS[startup.model].data, 1, startup.format)
        for repeat in range(startup.repeats):
            for contender, modules in startup.contenders.items():
                task = self._task(startup.model, source)
                cost = self._measured(importing(modules) if modules else command(contender, task))
                if not modules and self.elsewhere.submit(checksum, task.target).result().rows != 1:
                    raise WrongResultError(f"{contender} did not score the one record")
                runs.append(Run(contender, 1, repeat, cost))
                self._tell(contender, 1, cost)
        contenders = tuple(startup.contenders)
        return Measured(startup.model, startup.format, (1, 1), contenders, tuple(runs))

    def input(self, data: str, rows: int, kind: str, stage: str = "", share: float = 0.0) -> Path:
        """The folder of a data set, made if it is not there yet, and read once.

        So all find it in the page cache, also the one who comes first.
        """
        spoiled = f"-{stage}-{share:g}" if stage else ""
        folder = self.folder / "inputs" / folder_name(data, rows, kind, spoiled)
        if not is_current(folder):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(folder.with_name(f"unfinished-{folder.name}"), ignore_errors=True)
            more = ["--stage", stage, "--share", str(share)] if stage else []
            self._python("-m", "benchmarks.inputs", data, kind, str(rows), str(folder), *more)
        for file in folder.iterdir():
            read(file)
        return folder

    def _task(self, model: str, source: Path) -> Task:
        """A task whose output goes where that of the last one was; it is deleted."""
        work = self.folder / "work"
        shutil.rmtree(work, ignore_errors=True)
        target = work / "out"
        target.mkdir(parents=True)
        return Task(model, source, target, self.files, self.folder / "environments")

    def _measured(self, words: list[str]) -> Cost:
        return measure(words, environment(self.threads), self.folder / "work")

    def _tell(self, contender: str, rows: int, cost: Cost) -> None:
        self.say(
            f"  {contender:24} {rows:>11,} rows {cost.wall_seconds:8.2f} s"
            f" {cost.cpu_seconds:8.2f} s CPU {cost.peak_bytes >> 20:>6,} MB"
        )

    def _python(self, *words: str) -> None:
        subprocess.run([sys.executable, *words], check=True, env=environment(self.threads))


def is_current(path: Path) -> bool:
    """Whether a file or folder is there, and was made by what makes it now."""
    makers = (HERE / "inputs.py", HERE / "models.py")
    return path.exists() and path.stat().st_mtime > max(each.stat().st_mtime for each in makers)


def read(file: Path) -> None:
    """Read a file to its end, in little memory."""
    piece = bytearray(1 << 20)
    with open(file, "rb", buffering=0) as opened:
        while opened.readinto(piece):
            pass


def refuse_wrong_rejects(
    name: str, stage: str, target: Path, found: Checksum, truth: dict[str, float]
) -> None:
    """Fail where a job has not rejected just the bad records, or has scored the others wrongly.

    Raises:
        WrongResultError: so it is.
    """
    manifest = json.loads((target / "_manifest.json").read_text())
    rejected = manifest["records"]["rejected"]
    bad = {stage: truth["rejected"]} if truth["rejected"] else {}
    if {where: count for where, count in rejected.items() if count} != bad:
        raise WrongResultError(f"{name} bad at {stage}: rejected {rejected}, not {bad}")
    expected = Checksum(
        int(truth["rows"]),
        {**found.sums, "prediction_probability": truth["probability"]},
        found.counts,
    )
    refuse_difference(f"{name} bad at {stage}", found, expected, int(truth["rows"]))
