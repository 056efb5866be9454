"""The commands and examples of README.md, docs/models.md and the flights, run as they stand."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from job_runs import read_manifest

from beam_jobs.options import Options, parse_args
from model_dofns import Scorer
from model_dofns.formats.base import Block
from model_dofns.models_file import resolve_model

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
FLIGHTS = (ROOT / "examples/flight_delay_model/README.md").read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[-1]}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a reader stands: the checkout's examples, and the files that the README shows."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "examples").symlink_to(ROOT / "examples")
    write_files(folder)
    return folder


def write_files(folder: Path, text: str = README) -> None:
    for example in [*blocks("yaml", text), *filter(is_file, blocks("python", text))]:
        (folder / example.splitlines()[0].removeprefix("# ")).write_text(example)


def is_file(example: str) -> bool:
    """Whether its first line names the file that it is."""
    return re.match(r"# \w+\.py\n", example) is not None


def test_the_commands_run_and_then_the_python_examples(folder: Path) -> None:
    commands = [text for text in blocks("sh") if not text.startswith(("make ", "pip install "))]
    assert len(commands) >= 3
    for command in commands:
        run(["bash", "-euo", "pipefail", "-c", command], folder)
    for name in ("out", "out_parquet", "out_again", "out_mapreduce", "out_counted"):
        assert (folder / name / "_manifest.json").exists()
    script = folder / "readme.py"
    script.write_text("\n".join(text for text in blocks("python") if not is_file(text)))
    run([sys.executable, str(script)], folder)


def test_the_flights_are_scored_as_their_readme_says(tmp_path: Path) -> None:
    """But for their number: 1,000 show the same."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (commands,) = blocks("sh", FLIGHTS)
    (example,) = blocks("python", FLIGHTS)
    make = "python examples/make_flight_data.py flights"
    assert commands.startswith(f"{make}\n")
    run(
        ["bash", "-euo", "pipefail", "-c", commands.replace(make, f"{make} --limit 1000")], tmp_path
    )
    for name in ("out_flights", "out_flights_mapreduce"):
        assert read_manifest(tmp_path / name).records["scored"] == 1000
    run([sys.executable, "-c", example], tmp_path)


def test_the_guide_for_models_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    write_files(tmp_path, guide)
    (script,) = (text for text in blocks("python", guide) if not is_file(text))
    run([sys.executable, "-c", script], tmp_path)
    for command in blocks("sh", guide):
        run(["bash", "-euo", "pipefail", "-c", command], tmp_path)
    (line,) = next((tmp_path / "out").glob("part-*")).read_text().splitlines()
    assert '"prediction":{"label":"setosa","probability":0.8' in line

    monkeypatch.syspath_prepend(tmp_path)
    scorer = Scorer(resolve_model("charges", str(tmp_path / "foreign.yaml")))
    scored = scorer.score(Block("jsonl", "a", b'{"age":20,"other":1}\n{"age":5}\n', 0))
    assert bytes(scored.predictions) == b'{"age":20,"other":1,"prediction":{"charges":202.46}}\n'
    assert [reject.stage for reject in scored.rejects] == ["validate"]

    house = importlib.import_module("house_contract")
    number = {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}
    card = {"name": "x", "purpose": "x", "version": "1.0.0", "takes": number, "gives": number}
    instance = SimpleNamespace(card=card, run=lambda x: {"x": x})
    assert house.adapt(instance, {}).predict({"x": 1.0}) == {"x": 1.0}
    assert house.adapt(object(), {}) is None


def test_make_targets_and_installs_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {
        word
        for text in blocks("sh")
        if text.startswith("make ")
        for word in text.removeprefix("make ").split()
    }
    assert targets
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    installs = [text.split()[-1].strip("'") for text in blocks("sh") if "pip install" in text]
    assert installs == [".[beam,mapreduce]", "./examples/iris_model"]
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert '"beam": BEAM' in setup
    assert '"mapreduce": MAPREDUCE' in setup


def test_make_alone_lists_all_targets() -> None:
    # Even where make itself runs the tests, and would say which folder it enters.
    command = ["make", "--no-print-directory"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert {line.split()[0] for line in listed.splitlines()} == set(phony[1].split())


@pytest.mark.parametrize("columns", ["20", "80", "300"])
def test_help_fits_a_terminal_and_names_every_option(
    columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as exit_info:
        parse_args(["--help"])
    assert exit_info.value.code == 0
    text = capsys.readouterr().out
    assert 60 <= max(map(len, text.splitlines())) <= 80
    headings = ("the model:", "input:", "output:", "running:", "examples:", "exit codes:")
    assert all(f"\n{heading}\n" in text for heading in headings)
    flags = set(Options.__dataclass_fields__) - {"pipeline_args", "preflight"} | {"no_preflight"}
    assert all(f"--{flag}" in text for flag in flags)


def test_links_lead_somewhere() -> None:
    for folder, text in ((ROOT, README), (ROOT / "examples/flight_delay_model", FLIGHTS)):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
            assert (folder / target).exists(), target
