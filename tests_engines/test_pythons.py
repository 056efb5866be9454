"""Other Pythons than the one that runs the tests: mrjob's last release knows none of them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from engines import run
from parity import TABLES, Outcome, written
from pythons import environment, interpreter

VERSIONS = [f"3.{minor}" for minor in (11, 12, 13) if minor != sys.version_info.minor]
TABLE = TABLES[0]


@pytest.fixture(scope="module", params=VERSIONS)
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of another Python, with all that is locked."""
    found = interpreter(request.param)
    if found is None:
        pytest.skip(f"this machine has no Python {request.param}")
    return environment(found, tmp_path_factory.mktemp("python") / "environment")


@pytest.mark.parametrize("engine", ["FnApiRunner", "mrjob inline", "mrjob local"])
def test_records_are_scored_the_same_on_another_python(
    engine: str, python: str, tmp_path: Path
) -> None:
    files, out = TABLE.write(tmp_path / "hostile files"), tmp_path / "out"
    ended = run(engine, TABLE.flags, files, out, python)
    assert ended.returncode == 0, ended.stderr
    assert told(written(out)) == told(TABLE.expected(files))


def told(outcome: Outcome) -> Outcome:
    """Without the words in which Python's own json says what is wrong: 3.13 has new ones."""
    rejects = Counter[str]()
    for text, count in outcome.rejects.items():
        reject = json.loads(text)
        if reject["error"] == "InvalidJSON":
            del reject["message"]
        rejects[json.dumps(reject)] += count
    return replace(outcome, rejects=rejects)
