"""Who may import whom: the way of the data, held."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGINES = ("apache_beam", "mrjob")
PACKAGES = ("model_dofns", "beam_jobs", "mapreduce_jobs")
# Of the library, what is for pipelines alone: blocks of files, records in memory, RunInference.
WITH_AN_ENGINE = {
    "model_dofns.dofns",
    "model_dofns.held",
    "model_dofns.transforms",
    "model_dofns.model_handler",
    "beam_jobs",
    "mapreduce_jobs",
}

# Module or package -> what of ours it may import besides itself, and the leaves below.
LEAVES = {"model_dofns.arrays", "model_dofns.exceptions", "model_dofns.rejects"}
MAY_IMPORT = {
    "model_dofns.arrays": set(),
    "model_dofns.exceptions": set(),
    "model_dofns.rejects": set(),
    "model_dofns.ml_model": set(),
    "model_dofns.adapters": {"model_dofns.ml_model", "model_dofns.schemas"},
    "model_dofns.model_spec": {
        "model_dofns.adapters",
        "model_dofns.ml_model",
        "model_dofns.schemas",
    },
    "model_dofns.models_file": {"model_dofns.model_spec"},
    "model_dofns.schemas": set(),
    "model_dofns.formats": set(),
    "model_dofns.counters": set(),
    "model_dofns.manifest": {"model_dofns.reasons"},
    "model_dofns.reasons": set(),
    "model_dofns.settling": {"model_dofns.formats", "model_dofns.manifest"},
    "model_dofns.routing": {"model_dofns.counters", "model_dofns.formats"},
    "model_dofns.bisecting": {"model_dofns.schemas"},
    "model_dofns.batches": {"model_dofns.formats", "model_dofns.schemas"},
    "model_dofns.prediction": {
        "model_dofns.batches",
        "model_dofns.bisecting",
        "model_dofns.formats",
        "model_dofns.schemas",
    },
    "model_dofns.scorer": {
        "model_dofns.counters",
        "model_dofns.formats",
        "model_dofns.ml_model",
        "model_dofns.model_spec",
        "model_dofns.prediction",
        "model_dofns.schemas",
    },
    "model_dofns.dofns": {
        "model_dofns.counters",
        "model_dofns.formats",
        "model_dofns.model_spec",
        "model_dofns.scorer",
    },
    "model_dofns.held": set(),
    "model_dofns.transforms": {
        "model_dofns.counters",
        "model_dofns.dofns",
        "model_dofns.formats",
        "model_dofns.held",
        "model_dofns.model_spec",
        "model_dofns.schemas",
        "model_dofns.scorer",
    },
    "model_dofns.model_handler": {
        "model_dofns.counters",
        "model_dofns.dofns",
        "model_dofns.formats",
        "model_dofns.model_spec",
        "model_dofns.scorer",
    },
    "model_dofns.jobs": {
        "model_dofns.counters",
        "model_dofns.formats",
        "model_dofns.manifest",
        "model_dofns.model_spec",
        "model_dofns.models_file",
        "model_dofns.reasons",
        "model_dofns.routing",
        "model_dofns.schemas",
        "model_dofns.scorer",
        "model_dofns.settling",
    },
    "model_dofns.fields": {"model_dofns.ml_model", "model_dofns.schemas"},
    "model_dofns.example": {"model_dofns.fields"},
    "model_dofns.description": {
        "model_dofns.example",
        "model_dofns.fields",
        "model_dofns.formats",
        "model_dofns.model_spec",
        "model_dofns.schemas",
        "model_dofns.scorer",
    },
    "model_dofns.describe": {
        "model_dofns.description",
        "model_dofns.jobs.command_line",
        "model_dofns.models_file",
    },
    "model_dofns.checks": {
        "model_dofns.fields",
        "model_dofns.formats",
        "model_dofns.manifest",
        "model_dofns.ml_model",
        "model_dofns.model_spec",
        "model_dofns.prediction",
        "model_dofns.schemas",
        "model_dofns.scorer",
        "model_dofns.settling",
    },
    "model_dofns.check": {
        "model_dofns.checks",
        "model_dofns.jobs.command_line",
        "model_dofns.ml_model",
        "model_dofns.model_spec",
        "model_dofns.models_file",
    },
    "model_dofns": {"model_dofns.ml_model", "model_dofns.model_spec", "model_dofns.scorer"},
    "beam_jobs": {"model_dofns"},
    "mapreduce_jobs": {"model_dofns"},
}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_in(name: str, places: set[str]) -> bool:
    return any(f"{name}.".startswith(f"{place}.") for place in places)


def rule_of(module: str) -> str:
    """The most exact rule that names the module or a package it is in."""
    return max((rule for rule in MAY_IMPORT if is_in(module, {rule})), key=len)


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_go_one_way(module: str) -> None:
    rule = rule_of(module)
    ours = {name for name in imported(modules()[module]) if is_in(name, set(PACKAGES))}
    allowed = MAY_IMPORT[rule] | LEAVES | ({rule} if rule != "model_dofns" else set())
    assert not {name for name in ours if not is_in(name, allowed)}


@pytest.mark.parametrize("module", sorted(modules()))
def test_engines_are_imported_by_their_own_modules_alone(module: str) -> None:
    engines = {name for name in imported(modules()[module]) if is_in(name, set(ENGINES))}
    assert not engines or is_in(module, WITH_AN_ENGINE)


def test_every_module_has_one_rule_of_its_own() -> None:
    assert {rule_of(module) for module in modules()} == set(MAY_IMPORT)


def test_the_contract_needs_the_standard_library_alone() -> None:
    others = {name.partition(".")[0] for name in imported(modules()["model_dofns.ml_model"])}
    assert others
    assert not others - set(sys.stdlib_module_names)


def test_workers_need_no_library_for_progress() -> None:
    """What a graph carries may be all that is installed where it runs."""
    script = "import beam_jobs.pipeline, sys; print('tqdm' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_importing_the_public_names_imports_no_engine_and_no_model() -> None:
    script = (
        f"import model_dofns, sys; print([m for m in {(*ENGINES, 'sklearn')} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_help_needs_no_beam() -> None:
    """Importing Beam takes a second, which who asks for help, or forgot a flag, need not wait."""
    script = (
        "import sys\n"
        "from beam_jobs.score import main\n"
        "assert main(['--model', 'iris']) == 2\n"
        "try:\n"
        "    main(['--help'])\n"
        "except SystemExit as asked:\n"
        "    assert not asked.code\n"
        "print('apache_beam' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"
